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
        let token = browser(&up).get(LEND).html;
        let token = token.split("name=\"token\" value=\"").nth(1).expect("a token");
        let token = token.split('"').next().unwrap_or_default().to_owned();
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
    let counts = up.call(
        "AmazonSQS.GetQueueAttributes",
        &format!(
            "{{\"QueueUrl\":\"http://{}/000000000000/local-lend-book-dlq\",\"AttributeNames\":[\"All\"]}}",
            up.address
        ),
    );
    assert!(
        counts.contains("\"ApproximateNumberOfMessages\":\"0\""),
        "{counts}"
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
