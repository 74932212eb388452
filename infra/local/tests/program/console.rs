//! The console of `cargo local up`, as a browser without script meets it.

use testkit::browser::Browser;

use crate::support::{Up, program, until};

const LEND: &str = "/console/messages/LendBook";

fn up() -> Up {
    Up::start(program(&["up", "--port", "0"]))
}

fn browser(up: &Up) -> Browser<'_> {
    let address = &up.address;
    Browser { address }
}

/// The text area of the form, as a browser sends it back.
fn written(html: &str) -> String {
    let area = html.split("<textarea").nth(1).expect("a text area");
    let area = area.split_once('>').map_or("", |(_, text)| text);
    let text = area.split("</textarea>").next().unwrap_or_default();
    text.trim_start_matches('\n').replace("&quot;", "\"")
}

#[test]
fn a_message_is_shown_with_its_fields_and_those_who_send_and_get_it() {
    let up = up();
    let all = browser(&up).get("/console/messages").html;
    for name in ["LendBook", "BookLent", "RemindMember", "MemberReminded"] {
        assert!(
            all.contains(&format!("href=\"/console/messages/{name}\"")),
            "{name}"
        );
    }
    let command = browser(&up).get("/console/messages/RemindMember").text();
    for told in [
        "on-book-lent",
        "itself, again and again until its time has come",
        "local-remind-member",
        "loan_id text yes",
        "an RFC 3339 timestamp",
    ] {
        assert!(command.contains(told), "{told}: {command}");
    }
    let event = browser(&up).get("/console/messages/MemberReminded").text();
    for told in ["Recorded by RemindMember", "local-mail", "view-loans"] {
        assert!(event.contains(told), "{told}: {event}");
    }
    assert!(!event.contains("Send"), "an event can't be sent: {event}");
    let nothing = browser(&up).get("/console/messages/LendBok");
    assert_eq!(nothing.status, 404);
}

#[test]
fn a_message_with_faults_is_kept_with_all_of_them_and_not_sent() {
    let up = up();
    let wrong = "{\"loan_id\": 7,\n\"book\": \"moby-dick\"}";
    for action in [LEND.to_owned(), format!("{LEND}/check")] {
        let token = browser(&up).token(LEND);
        let refused = browser(&up).post(&action, &[("token", &token), ("message", wrong)]);
        assert_eq!(refused.status, 422);
        assert_eq!(written(&refused.html), wrong);
        let told = refused.text();
        for fault in [
            "line 1: field `loan_id` holds a number",
            "field `book_id` is missing",
            "field `member_id` is missing",
            "line 2: field `book` is unknown; did you mean `book_id`?",
        ] {
            assert!(told.contains(fault), "{fault}: {told}");
        }
        let refused = browser(&up).post(&action, &[("message", wrong)]);
        assert_eq!(refused.status, 403, "without the token");
    }
    assert!(
        is_empty(&up, "lend-book") && is_empty(&up, "lend-book-dlq"),
        "nothing was sent"
    );
}

#[test]
fn the_example_can_be_sent_as_it_stands_and_leads_to_what_becomes_of_it() {
    let up = up();
    let message = written(&browser(&up).get(LEND).html);
    let sent = browser(&up).done(LEND, LEND, &[("message", &message)]);
    assert!(
        sent.text().contains("is sent to local-lend-book."),
        "{}",
        sent.text()
    );
    let story = sent
        .html
        .split("href=\"/console/of/loan/")
        .nth(1)
        .expect("a link");
    let loan = story.split('"').next().unwrap_or_default();
    assert!(message.contains(&format!("\"{loan}\"")), "{loan}: {message}");
    let scan = "{\"TableName\":\"local-events\"}";
    until("the loan is recorded", || {
        let items = up.call("DynamoDB_20120810.Scan", scan);
        items.contains(&format!("loan-{loan}")).then_some(())
    });
}

const BENCH: &str = "/console/bench";

/// Does what a button of the page does; the page that says what came of it.
fn press(up: &Up, action: &str, fields: &[(&str, &str)]) -> String {
    let action = format!("{BENCH}/{action}");
    browser(up).done(BENCH, &action, fields).text()
}

/// Lends a book, and waits until the deadline of its return is set.
fn lend(up: &Up, loan: &str) {
    let message = format!(r#"{{"loan_id":"{loan}","book_id":"moby-dick","member_id":"ada"}}"#);
    let sent = browser(up).done(LEND, LEND, &[("message", &message)]);
    assert!(sent.text().contains("is sent"), "{}", sent.text());
    until("the deadline is set", || shows(up, "remind-member").then_some(()));
}

fn shows(up: &Up, words: &str) -> bool {
    let page = browser(up).get(BENCH).html;
    let shown = page.split("id=\"clock\"").nth(1).unwrap_or_default();
    shown
        .split("</section>")
        .next()
        .unwrap_or_default()
        .contains(words)
}

/// The types of the events in a loan's stream.
fn events(up: &Up, loan: &str) -> Vec<String> {
    let query = format!(
        r#"{{"TableName":"local-events","KeyConditionExpression":"stream_id = :s",
            "ExpressionAttributeValues":{{":s":{{"S":"loan-{loan}"}}}}}}"#
    );
    let found = up.call("DynamoDB_20120810.Query", &query);
    assert!(found.starts_with("HTTP/1.1 200"), "{found}");
    let types = ["BookLent", "MemberReminded"].into_iter();
    types
        .flat_map(|name| std::iter::repeat_n(name.to_owned(), found.matches(&format!("\"{name}\"")).count()))
        .collect()
}

/// Whether a queue holds nothing, be it visible or not.
fn is_empty(up: &Up, queue: &str) -> bool {
    let counts = up.call(
        "AmazonSQS.GetQueueAttributes",
        &format!(
            "{{\"QueueUrl\":\"http://{}/000000000000/local-{queue}\",\"AttributeNames\":[\"All\"]}}",
            up.address
        ),
    );
    let none =
        ["", "NotVisible", "Delayed"].map(|kind| format!("\"ApproximateNumberOfMessages{kind}\":\"0\""));
    none.iter().all(|none| counts.contains(none))
}

fn until_reminded(up: &Up, loan: &str) {
    until("the member is reminded", || {
        (events(up, loan) == ["BookLent", "MemberReminded"]).then_some(())
    });
}

/// What the answers say the time is.
fn date(up: &Up) -> String {
    let answer = up.call("AmazonSQS.ListQueues", "{}");
    let date = answer.lines().find_map(|line| line.strip_prefix("date: "));
    date.expect("a date").to_owned()
}

#[test]
fn a_deadline_passes_when_the_clock_is_moved_to_it_and_all_answers_are_dated_by_that_clock() {
    let up = up();
    lend(&up, "l-1");
    let moved = press(&up, "clock", &[("to", "next")]);
    assert!(moved.contains("past the deadline of remind-member"), "{moved}");
    until_reminded(&up, "l-1");
    let nothing = press(&up, "clock", &[("to", "next")]);
    assert!(nothing.contains("no deadline is set"), "{nothing}");
    let year = |date: &str| date.split(' ').nth(3).and_then(|year| year.parse::<u32>().ok());
    let before = year(&date(&up)).expect("a year");
    let moved = press(&up, "clock", &[("minutes", "527040")]);
    assert!(moved.contains("366 d"), "{moved}");
    assert!(year(&date(&up)).expect("a year") > before);
    until("what goes on now is told by that clock, too", || {
        let now = browser(&up).get("/console").text();
        now.contains("events in each minute of the last hour")
            .then_some(())
    });
    for wrong in ["0", "-5", "soon", "99999999999999999999"] {
        let refused = press(&up, "clock", &[("minutes", wrong)]);
        assert!(refused.contains("moved by whole minutes"), "{wrong}: {refused}");
    }
}

#[test]
fn a_scenario_is_played_beside_everything_and_is_known_to_have_ended() {
    let up = up();
    let playing = press(&up, "play", &[("number", "0")]);
    assert!(playing.contains("Playing: "), "{playing}");
    until("it waits for its deadline", || {
        shows(&up, "remind-member").then_some(())
    });
    press(&up, "clock", &[("to", "next")]);
    until("it has ended", || {
        let page = browser(&up).get(BENCH);
        page.text().contains("✓ as expected").then_some(())
    });
    let page = browser(&up).get(BENCH).html;
    let story = page
        .split("href=\"/console/of/loan/")
        .nth(1)
        .expect("a link to it");
    let story = story.split('"').next().unwrap_or_default();
    assert_eq!(events(&up, story), ["BookLent", "MemberReminded"]);
}

#[test]
fn a_message_is_handled_once_though_its_function_fails_is_killed_or_gets_it_twice() {
    let up = up();
    for (number, mishap) in ["fails", "killed", "twice"].into_iter().enumerate() {
        let loan = format!("l-{number}");
        let set = press(&up, "mishap", &[("function", "lend-book"), ("mishap", mishap)]);
        assert!(set.contains("The next invocation of lend-book"), "{set}");
        let message = format!(r#"{{"loan_id":"{loan}","book_id":"moby-dick","member_id":"ada"}}"#);
        browser(&up).done(LEND, LEND, &[("message", &message)]);
        let told = [
            "lend-book failed",
            "lend-book was killed",
            "lend-book got its messages twice",
        ][number];
        until("it has happened", || {
            browser(&up).get(BENCH).text().contains(told).then_some(())
        });
        // What was not settled comes again when its visibility timeout ends.
        press(&up, "clock", &[("minutes", "3")]);
        until("it is handled", || (!events(&up, &loan).is_empty()).then_some(()));
        press(&up, "clock", &[("minutes", "3")]);
        until("no message of it is left", || {
            is_empty(&up, "lend-book").then_some(())
        });
        assert_eq!(events(&up, &loan), ["BookLent"], "{mishap}");
    }
    let unknown = press(&up, "mishap", &[("function", "eat-book"), ("mishap", "fails")]);
    assert!(unknown.contains("eat-book does not run here"), "{unknown}");
}

#[test]
fn starting_over_leaves_nothing_and_what_comes_next_works() {
    let up = up();
    lend(&up, "l-1");
    let refused = press(&up, "start-over", &[]);
    assert!(refused.contains("nothing was thrown away"), "{refused}");
    assert_eq!(events(&up, "l-1"), ["BookLent"]);
    let again = press(&up, "start-over", &[("sure", "yes")]);
    assert!(again.contains("Everything is thrown away"), "{again}");
    assert!(!shows(&up, "remind-member"), "no deadline is left");
    for table in ["local-events", "local-outbox", "local-loans"] {
        let left = up.call(
            "DynamoDB_20120810.Scan",
            &format!("{{\"TableName\":\"{table}\"}}"),
        );
        assert!(left.contains("\"Count\":0"), "{table}: {left}");
    }
    // A function that remembered the loan would find it lent.
    lend(&up, "l-1");
    press(&up, "clock", &[("to", "next")]);
    until_reminded(&up, "l-1");
}

#[test]
fn a_stack_whose_tables_are_kept_does_not_start_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let up = Up::start(program(&["up", "--port", "0", "--data", path]));
    lend(&up, "l-1");
    let page = browser(&up).get(BENCH).html;
    assert!(!page.contains("/console/bench/start-over"), "no button for it");
    let token = browser(&up).token(BENCH);
    let sent = browser(&up).post(
        &format!("{BENCH}/start-over"),
        &[("token", &token), ("sure", "yes")],
    );
    let said = browser(&up).get(&sent.location.expect("it leads on")).text();
    assert!(said.contains("to be kept"), "{said}");
    assert_eq!(events(&up, "l-1"), ["BookLent"]);
}
