//! What got stuck, in the console of `cargo ops`: shown, mended, sent again, dropped; and nothing of it where the
//! console is read-only.

use std::cell::OnceCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use embedded_sqs::{MessageAttribute, Outgoing};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};

use super::{Library, program};

/// A console of a library, which ends with the test.
struct Console {
    process: Child,
    address: String,
    token: OnceCell<String>,
}

impl Console {
    fn of(library: &Library, options: &[&str]) -> Self {
        let arguments = [&["console", "--port", "0"], options].concat();
        let mut process = library
            .told(program(&arguments))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let out = process.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("console http://");
        let address = address.and_then(|address| address.strip_suffix("/console"));
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self {
            process,
            address,
            token: OnceCell::new(),
        }
    }

    fn browser(&self) -> Browser<'_> {
        Browser {
            address: &self.address,
        }
    }

    fn text(&self, page: &str) -> String {
        self.browser().get(page).text()
    }

    /// Sends a form of this console with its token, which every page with a form holds.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token.get_or_init(|| {
            let pages = [OF_DESK, "/console/outbox"].map(|page| self.browser().get(page).html);
            hidden(&pages.concat(), "token").swap_remove(0)
        });
        let fields = [&[("token", token.as_str())], fields].concat();
        self.browser().post(path, &fields)
    }

    /// The page that a change leads to.
    fn done(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields);
        let to = answer.location.clone();
        self.text(&to.unwrap_or_else(|| panic!("{}", answer.text())))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The values of a page's hidden fields of that name.
fn hidden(html: &str, name: &str) -> Vec<String> {
    let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let values = html.split(&field).skip(1);
    values
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect()
}

impl Library {
    /// Puts a letter into the dead-letter queue of the desk.
    fn letter(&self, body: &str, reason: Option<(&str, &str)>) -> String {
        let mut letter = Outgoing {
            body: body.to_owned(),
            ..Outgoing::default()
        };
        if let Some((code, error)) = reason {
            let fields = [("error_code", code), ("error", error), ("function", "lend-book")];
            let fields = fields.map(|(name, text)| (name.to_owned(), MessageAttribute::string(text)));
            letter.attributes.extend(fields);
        }
        let queue = self.stack.names().of_function("lend-book-dlq");
        let sent = self.stack.wire().sqs().send(&queue, letter);
        sent.expect("the queue takes it").message_id
    }

    fn letters(&self) -> usize {
        let list = self.json(&["dlq", "list"]);
        list["messages"]
            .as_u64()
            .and_then(|letters| letters.try_into().ok())
            .expect("a number")
    }

    /// Parks a commit in the outbox.
    fn park(&self, loan: &str) {
        let time = json!({ "S": "2026-11-23T08:00:00.000Z" });
        let entry = json!({
            "stream_id": { "S": format!("loan-{loan}") },
            "revision": { "N": "1" },
            "delivery": { "S": "parked" },
            "attempts": { "N": "3" },
            "last_error": { "S": "the queue <i>was not there</i>" },
            "undelivered_to": { "M": { "at": time, "queues": { "SS": ["on-book-lent"] } } },
            "first_attempt_at": time,
            "last_attempt_at": time,
            "next_attempt_at": time,
        });
        let request = json!({ "TableName": "local-outbox", "Item": entry }).to_string();
        let answer = self.stack.wire().dynamodb().handle("PutItem", request.as_bytes());
        assert_eq!(answer.status, 200);
    }
}

const LETTERS: &str = "/console/letters";
const OF_DESK: &str = "/console/letters/lend-book";

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_told_by_code_and_error_and_what_they_hold_only_if_asked() {
    let library = Library::start(false).await;
    let console = Console::of(&library, &[]);
    assert!(console.text(LETTERS).contains("No dead letters."));
    let error = "no <script>alert(1)</script> & no more";
    let body = r#"{"command":{"loan_id":"l-1","book_id":"secret <b>book</b>","member_id":"ada"}}"#;
    let id = library.letter(body, Some(("rejected", error)));
    library.letter(body, Some(("rejected", error)));
    library.letter("secret, and no JSON", None);
    let itself = format!("{OF_DESK}/{id}");
    for page in [LETTERS, OF_DESK, &itself] {
        let all = console.browser().get(&format!("{page}?again=1"));
        let all = console.browser().get(&all.location.expect("the page itself"));
        let shown = all.text();
        assert!(shown.contains(error), "{page}: {shown}");
        assert!(!shown.contains("secret"), "{page}: {shown}");
        assert!(!all.html.contains("<script>alert"), "{page}");
        assert!(!all.html.contains("secret"), "{page}");
    }
    let list = console.text(LETTERS);
    for told in ["3 letters in 1 queue", "Send back all 2", "moved by SQS"] {
        assert!(list.contains(told), "{told}: {list}");
    }
    assert!(console.text(OF_DESK).contains("loan/l-1"));
    assert!(!console.text(&format!("{OF_DESK}?code=none")).contains(error));
    let opened = console.browser().get(&format!("{itself}?data=1"));
    assert!(
        opened.html.contains("secret &lt;b&gt;book&lt;/b&gt;"),
        "{}",
        opened.html
    );
    // Two at once: neither takes the other for another reader.
    let (browser, page) = (console.browser(), format!("{itself}?data=1"));
    let page = &page;
    std::thread::scope(|scope| {
        let pages = [(); 4].map(|()| scope.spawn(move || browser.get(page).text()));
        for page in pages {
            let shown = page.join().expect("a page");
            assert!(shown.contains("Send back mended"), "{shown}");
        }
    });
    assert!(!console.text(OF_DESK).contains("held"));
    assert_eq!(library.letters(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_mended_in_its_form_which_says_all_that_is_wrong_and_is_handled_then() {
    let library = Library::start(true).await;
    let console = Console::of(&library, &[]);
    let wrong = r#"{"command":{"loan_id":7,"bok_id":"dracula","member_id":"bob"}}"#;
    let id = library.letter(
        wrong,
        Some(("malformed", "field `command.loan_id` holds a number")),
    );
    let itself = format!("{OF_DESK}/{id}");
    let opened = console.browser().get(&format!("{itself}?data=1"));
    let original = hidden(&opened.html, "original").swap_remove(0);
    assert_eq!(original.replace("&quot;", "\""), wrong);
    for (to, what) in [(format!("{itself}?check=1"), "check"), (itself.clone(), "mend")] {
        let checked = console.post(&to, &[("do", what), ("body", wrong), ("original", wrong)]);
        let faults = checked
            .html
            .split("id=\"faults\"")
            .nth(1)
            .expect("the faults")
            .to_owned();
        for told in ["command.loan_id", "command.book_id", "command.bok_id"] {
            assert!(faults.contains(told), "{told}: {}", checked.text());
        }
    }
    assert_eq!(library.letters(), 1);
    let right = wrong.replace('7', "\"l-7\"").replace("bok_id", "book_id");
    let right = right.replace(',', ",\r\n");
    let fields = [("do", "mend"), ("body", &*right), ("original", wrong)];
    let done = console.done(&itself, &fields);
    assert!(
        done.contains("1 message of local-lend-book-dlq sent back to local-lend-book"),
        "{done}"
    );
    library
        .until(&["stream", "loan-l-7"], |stream| {
            stream["events"][0]["event_type"] == "BookLent"
        })
        .await;
    assert_eq!(library.letters(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_dropped_in_a_second_step_and_as_it_was_shown() {
    let library = Library::start(false).await;
    let console = Console::of(&library, &[]);
    for loan in ["l-1", "l-2", "l-3"] {
        library.letter("{}", Some(("rejected", &format!("{loan} is twice lent"))));
    }
    let list = console.text(LETTERS);
    assert!(list.contains("3 rejected … is twice lent"), "{list}");
    library.letter("{}", Some(("malformed", "no loan_id")));
    let group = [("do", "drop"), ("code", "rejected")];
    let asked = console.post(OF_DESK, &group);
    assert_eq!(asked.status, 200);
    let text = asked.text();
    for told in [
        "Drop 3 dead letters?",
        "local-lend-book-dlq",
        "3 rejected … is twice lent",
        "Drop these 3 letters",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert_eq!(library.letters(), 4, "nothing is dropped by asking");
    // One that comes after the question is not part of the answer.
    library.letter("{}", Some(("rejected", "l-1 is twice lent")));
    let shown = hidden(&asked.html, "id");
    assert_eq!(shown.len(), 3);
    let sure: Vec<_> = shown.iter().map(|id| ("id", id.as_str())).collect();
    let done = console.done(OF_DESK, &[&group[..], &sure].concat());
    assert!(
        done.contains("3 messages of local-lend-book-dlq dropped"),
        "{done}"
    );
    assert_eq!(library.letters(), 2);
    let done = console.done(OF_DESK, &[("do", "redrive"), ("code", "malformed")]);
    assert!(
        done.contains("1 message of local-lend-book-dlq sent back"),
        "{done}"
    );
    assert_eq!(library.letters(), 1);
    let unknown = console.post(OF_DESK, &[("do", "drop"), ("code", "broken")]);
    assert_eq!(unknown.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_outbox_holds_is_sent_again_or_dropped_in_two_steps() {
    let library = Library::start(false).await;
    let console = Console::of(&library, &[]);
    assert!(console.text("/console/outbox").contains("Nothing is parked."));
    for loan in ["l-1", "l-2", "l-3"] {
        library.park(loan);
    }
    let page = console.text("/console/outbox");
    for told in [
        "3 entries",
        "loan-l-2",
        "the queue <i>was not there</i>",
        "not sent to on-book-lent",
        "nobody tries these again",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let one = [("do", "drop"), ("entry", "1 loan-l-2")];
    let asked = console.post("/console/outbox", &one);
    assert!(
        asked.text().contains("Drop 1 entry of the outbox?"),
        "{}",
        asked.text()
    );
    let parked = |library: &Library| library.json(&["outbox", "list"])["parked"].clone();
    assert_eq!(parked(&library), 3);
    let done = console.done("/console/outbox", &[&one[..], &[("sure", "1")]].concat());
    assert!(done.contains("1 entry dropped"), "{done}");
    let done = console.done("/console/outbox", &[("do", "redrive"), ("all", "1")]);
    assert!(done.contains("2 entries due"), "{done}");
    let list = library.json(&["outbox", "list"]);
    assert_eq!((&list["parked"], &list["pending"]), (&json!(0), &json!(2)));
    assert!(
        console
            .done("/console/outbox", &[("do", "redrive"), ("all", "1")])
            .contains("nothing of that")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_console_shows_all_and_offers_and_does_nothing() {
    let library = Library::start(false).await;
    let console = Console::of(&library, &["--read-only"]);
    let id = library.letter(
        r#"{"command":{"loan_id":"l-1"}}"#,
        Some(("rejected", "twice lent")),
    );
    library.park("l-1");
    let itself = format!("{OF_DESK}/{id}");
    let opened = format!("{itself}?data=1");
    for page in [LETTERS, OF_DESK, &itself, &opened, "/console/outbox"] {
        let shown = console.browser().get(page);
        assert!(!shown.html.contains("method=\"post\""), "{page}: {}", shown.html);
        assert!(shown.text().contains("read-only"), "{page}");
    }
    assert!(console.text(&opened).contains("l-1"));
    // Its token is in no page: another console's is refused as any is.
    for (path, what) in [
        (OF_DESK, "drop"),
        (&*itself, "redrive"),
        ("/console/outbox", "drop"),
    ] {
        let refused = console
            .browser()
            .post(path, &[("do", what), ("all", "1"), ("token", "x")]);
        assert_eq!(refused.status, 403, "{path}");
    }
    assert_eq!(library.letters(), 1);
    let list: Value = library.json(&["outbox", "list"]);
    assert_eq!(list["parked"], 1);
}
