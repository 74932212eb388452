//! What `cargo local demo` plays of the library, and how it has to end.

use bundle::Demo;
use bundle::scenario::{Action, Ending, Holds, Scenario, Subject, Told};
use eventsourcing::{Decider, Message};
use serde_json::json;

use crate::loan::{BookLent, LendBook, Loan, MemberReminded};

/// Every scenario.
pub const DEMO: Demo = Demo {
    scenarios,
    ..Demo::NOTHING
};

/// A loan, and how it ends.
static LOAN: Subject = Subject {
    name: "loan",
    endings: &[Told {
        event_type: MemberReminded::TYPE,
        word: "Reminded",
        fields: &["member_id"],
    }],
    details: &["due_at"],
};

fn scenarios(again: &str) -> Vec<Scenario> {
    let id = format!("demo-kept{again}");
    let stream = Loan::CATEGORY.stream(&id);
    let lend = json!({ "loan_id": id, "book_id": "moby-dick", "member_id": "ada" });
    let events = Holds::InOrder(vec![BookLent::TYPE, MemberReminded::TYPE]);
    vec![Scenario {
        title: "a member keeps a book until it is due",
        subject: &LOAN,
        script: vec![Action::send::<LendBook>(lend)],
        endings: vec![Ending::default().with(&stream, events)],
        streams: vec![stream],
    }]
}
