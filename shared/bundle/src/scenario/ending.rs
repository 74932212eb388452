//! How a scenario has to end: what its streams hold, what the event that ends it says, and what is in dead-letter queues.

use eventsourcing::StreamId;
use serde_json::Value;

use super::outcome::Outcome;

/// One way to end that is right. What it does not speak of may be as it likes, but for dead letters: there are
/// those that it tells, and no others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    streams: Vec<(StreamId, Holds)>,
    says: Vec<(&'static str, Value)>,
    refused: Vec<(&'static str, &'static str)>,
}

/// The events that a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// These types in this order, and nothing else.
    InOrder(Vec<&'static str>),
    /// So many of each of these types, in any order and among any others.
    Counts(Vec<(&'static str, usize)>),
}

impl Ending {
    /// Says what a stream holds.
    #[must_use]
    pub fn with(mut self, stream: &StreamId, holds: Holds) -> Self {
        self.streams.push((stream.clone(), holds));
        self
    }

    /// Says what a field of the event that ends it says. In a list, order does not matter.
    #[must_use]
    pub fn saying(mut self, field: &'static str, says: Value) -> Self {
        self.says.push((field, says));
        self
    }

    /// Says that a message of that queue was refused with that code.
    #[must_use]
    pub fn refusing(mut self, queue: &'static str, code: &'static str) -> Self {
        self.refused.push((queue, code));
        self
    }

    pub(super) fn problems(&self, outcome: &Outcome) -> Vec<String> {
        let mut problems = Vec::new();
        for (stream, holds) in &self.streams {
            problems.extend(holds.problems(stream, &outcome.types(stream)));
        }
        problems.extend(self.says_otherwise(outcome));
        problems.extend(self.refuses_otherwise(outcome));
        problems
    }

    fn says_otherwise(&self, outcome: &Outcome) -> Vec<String> {
        if self.says.is_empty() {
            return vec![];
        }
        let Some((entry, _)) = outcome.ended_by() else {
            return vec![format!("the {} is open", outcome.subject.name)];
        };
        let mut problems = Vec::new();
        for (field, expected) in &self.says {
            let (found, expected) = (without_order(&entry.data[field]), without_order(expected));
            if found != expected {
                problems.push(format!(
                    "{} has {field} {found}; expected {expected}",
                    entry.event_type
                ));
            }
        }
        problems
    }

    fn refuses_otherwise(&self, outcome: &Outcome) -> Option<String> {
        let letters = outcome.refused.iter();
        let mut found: Vec<_> = letters.map(|r| (r.queue.as_str(), r.code.as_str())).collect();
        found.sort_unstable();
        let mut expected = self.refused.clone();
        expected.sort_unstable();
        (found != expected).then(|| format!("the dead-letter queues hold {found:?}; expected {expected:?}"))
    }
}

impl Holds {
    fn problems(&self, stream: &StreamId, found: &[&str]) -> Vec<String> {
        match self {
            Self::InOrder(expected) if found == expected.as_slice() => vec![],
            Self::InOrder(expected) => {
                vec![format!(
                    "{stream} has the events {found:?}; expected {expected:?}"
                )]
            }
            Self::Counts(expected) => {
                let count = |event_type| found.iter().filter(|found| **found == event_type).count();
                let counted = expected
                    .iter()
                    .map(|&(event, times)| (event, times, count(event)));
                let wrong = counted.filter(|(_, expected, found)| expected != found);
                wrong
                    .map(|(event, expected, found)| {
                        format!("{stream} has {event} {found} times; expected {expected}")
                    })
                    .collect()
            }
        }
    }
}

fn without_order(value: &Value) -> Value {
    let Value::Array(mut all) = value.clone() else {
        return value.clone();
    };
    all.sort_by_key(Value::to_string);
    Value::Array(all)
}

#[cfg(test)]
mod tests {
    use super::super::{Refused, Scenario, Subject, TimelineEntry, Told};
    use super::*;
    use eventsourcing::Timestamp;
    use serde_json::json;

    static LOAN: Subject = Subject {
        name: "loan",
        endings: &[Told {
            event_type: "BookLost",
            word: "Lost",
            fields: &["reason"],
        }],
        details: &[],
    };

    fn stream() -> StreamId {
        "loan-1".parse().expect("a stream's name")
    }

    fn outcome(events: &[(&str, Value)], refused: &[(&str, &str)]) -> Outcome {
        let entry = |(revision, (event_type, data)): (u64, &(&str, Value))| TimelineEntry {
            stream: stream(),
            revision,
            event_type: (*event_type).to_owned(),
            data: data.clone(),
            committed_at: Timestamp::from_millis(0),
        };
        let letter = |(queue, code): &(&str, &str)| Refused {
            queue: (*queue).to_owned(),
            code: (*code).to_owned(),
            error: String::new(),
            body: String::new(),
        };
        Outcome {
            subject: &LOAN,
            timeline: (1..).zip(events).map(entry).collect(),
            refused: refused.iter().map(letter).collect(),
        }
    }

    fn borrowed() -> (&'static str, Value) {
        ("BookBorrowed", json!({}))
    }

    fn lost(copies: &[&str]) -> (&'static str, Value) {
        ("BookLost", json!({ "copies": copies }))
    }

    #[test]
    fn events_in_order_are_these_and_no_others() {
        let in_order = Holds::InOrder(vec!["BookBorrowed", "BookLost"]);
        let ending = Ending::default().with(&stream(), in_order);
        assert_eq!(ending.problems(&outcome(&[borrowed(), lost(&[])], &[])), [""; 0]);
        for other in [
            vec![],
            vec![borrowed()],
            vec![lost(&[]), borrowed()],
            vec![borrowed(), lost(&[]), lost(&[])],
        ] {
            assert_eq!(ending.problems(&outcome(&other, &[])).len(), 1, "{other:?}");
        }
    }

    #[test]
    fn events_that_are_counted_come_in_any_order_among_others_and_each_so_often() {
        let counts = Holds::Counts(vec![("BookBorrowed", 2), ("BookReturned", 0)]);
        let ending = Ending::default().with(&stream(), counts);
        let two = [borrowed(), lost(&[]), borrowed()];
        assert_eq!(ending.problems(&outcome(&two, &[])), [""; 0]);
        assert_eq!(
            ending.problems(&outcome(&two[1..], &[])),
            ["loan-1 has BookBorrowed 1 times; expected 2"]
        );
        let returned = [borrowed(), borrowed(), ("BookReturned", json!({}))];
        assert_eq!(
            ending.problems(&outcome(&returned, &[])),
            ["loan-1 has BookReturned 1 times; expected 0"]
        );
    }

    #[test]
    fn what_the_ended_by_says_is_compared_and_a_list_in_any_order() {
        let ending = Ending::default().saying("copies", json!(["a", "b"]));
        assert_eq!(ending.problems(&outcome(&[lost(&["b", "a"])], &[])), [""; 0]);
        assert_eq!(
            ending.problems(&outcome(&[lost(&["a"])], &[])),
            [r#"BookLost has copies ["a"]; expected ["a","b"]"#]
        );
        assert_eq!(ending.problems(&outcome(&[lost(&["a", "a", "b"])], &[])).len(), 1);
        assert_eq!(
            ending.problems(&outcome(&[borrowed()], &[])),
            ["the loan is open"]
        );
    }

    #[test]
    fn dead_letters_are_those_that_are_told_and_no_others() {
        let ending = Ending::default().refusing("borrow-book", "rejected");
        let told = [("borrow-book", "rejected")];
        assert_eq!(ending.problems(&outcome(&[], &told)), [""; 0]);
        for other in [vec![], vec![told[0], told[0]], vec![("borrow-book", "malformed")]] {
            assert_eq!(ending.problems(&outcome(&[], &other)).len(), 1, "{other:?}");
        }
        assert_eq!(Ending::default().problems(&outcome(&[], &told)).len(), 1);
    }

    #[test]
    fn of_several_endings_any_is_right_and_the_closest_says_what_is_wrong() {
        let with = |events| Ending::default().with(&stream(), Holds::InOrder(events));
        let scenario = Scenario {
            title: "a book is lost, or is not",
            subject: &LOAN,
            script: vec![],
            streams: vec![stream()],
            endings: vec![
                with(vec!["BookBorrowed"]).saying("copies", json!([])),
                with(vec!["BookBorrowed", "BookLost"]),
            ],
        };
        assert_eq!(
            scenario.problems(&outcome(&[borrowed(), lost(&[])], &[])),
            [""; 0]
        );
        let problems = scenario.problems(&outcome(&[borrowed()], &[]));
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
