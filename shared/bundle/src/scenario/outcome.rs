//! What a scenario is about, and what has become of one, as read from streams and dead-letter queues.

use eventsourcing::{StreamId, Timestamp};
use serde_json::Value;

/// What scenarios are about, such as a loan.
#[derive(Debug, PartialEq, Eq)]
pub struct Subject {
    /// What one is called in a sentence, such as `loan`.
    pub name: &'static str,
    /// The events that end one, and how each is told.
    pub endings: &'static [Told],
    /// The fields of events that say more than the type does: the first of them that an event has is shown.
    pub details: &'static [&'static str],
}

/// How an ending is told in words: `Reminded (ada)`.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// The type of the event.
    pub event_type: &'static str,
    /// What it is called, in `PascalCase`: `Reminded`, `TimedOut`.
    pub word: &'static str,
    /// The fields that say more, texts or lists of them.
    pub fields: &'static [&'static str],
}

/// A stored event, as a timeline shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its stream.
    pub stream: StreamId,
    /// Its place there.
    pub revision: u64,
    /// Its type.
    pub event_type: String,
    /// Its fields.
    pub data: Value,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// A message in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The queue that it was on before, without the stack's name.
    pub queue: String,
    /// The attribute `error_code`.
    pub code: String,
    /// The attribute `error`.
    pub error: String,
    /// The body.
    pub body: String,
}

/// What has become of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it is about.
    pub subject: &'static Subject,
    /// All events of its streams, by time.
    pub timeline: Vec<TimelineEntry>,
    /// What of it is in dead-letter queues.
    pub refused: Vec<Refused>,
}

impl Outcome {
    /// How it ended, in words; none if it is open.
    pub fn ending(&self) -> Option<String> {
        let (entry, told) = self.ended_by()?;
        Some(told.of(entry))
    }

    /// The event that ended it, and how that is told. Of several endings the last counts: what was sent may come
    /// back.
    pub(crate) fn ended_by(&self) -> Option<(&TimelineEntry, &'static Told)> {
        self.timeline
            .iter()
            .rev()
            .find_map(|entry| Some((entry, self.subject.told(&entry.event_type)?)))
    }

    /// The types of the events of a stream, in order.
    pub fn types(&self, stream: &StreamId) -> Vec<&str> {
        let mut of_stream: Vec<_> = self
            .timeline
            .iter()
            .filter(|entry| entry.stream == *stream)
            .collect();
        of_stream.sort_by_key(|entry| entry.revision);
        of_stream
            .into_iter()
            .map(|entry| entry.event_type.as_str())
            .collect()
    }
}

impl Subject {
    fn told(&self, event_type: &str) -> Option<&Told> {
        self.endings.iter().find(|told| told.event_type == event_type)
    }

    /// What is wrong with one that has not ended: `the loan is neither returned nor reminded`.
    pub fn open_problem(&self) -> String {
        let words: Vec<_> = self.endings.iter().map(|told| in_words(told.word)).collect();
        let what = match words.as_slice() {
            [only] => format!("not {only}"),
            words => format!("neither {}", words.join(" nor ")),
        };
        format!("the {} is {what}", self.name)
    }

    /// What of an event's fields says more than its type.
    pub fn detail(&self, entry: &TimelineEntry) -> Option<String> {
        let details = self.details.iter().filter_map(|name| entry.data.get(name));
        details.map(text).next()
    }
}

impl Told {
    fn of(&self, entry: &TimelineEntry) -> String {
        let fields = self.fields.iter().map(|name| match &entry.data[name] {
            Value::Null => "?".to_owned(),
            Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
            one => text(one),
        });
        let said = fields.collect::<Vec<_>>().join(": ");
        if said.is_empty() {
            self.word.to_owned()
        } else {
            format!("{} ({said})", self.word)
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A name in `PascalCase` as words: `TimedOut` as `timed out`.
pub fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static LOAN: Subject = Subject {
        name: "loan",
        endings: &[
            Told {
                event_type: "BookReturned",
                word: "Returned",
                fields: &[],
            },
            Told {
                event_type: "BookLost",
                word: "WrittenOff",
                fields: &["reason", "copies"],
            },
        ],
        details: &["reason", "fee"],
    };

    fn outcome(event_type: &str, data: Value) -> Outcome {
        Outcome {
            subject: &LOAN,
            timeline: vec![TimelineEntry {
                stream: "loan-1".parse().expect("a stream's name"),
                revision: 1,
                event_type: event_type.to_owned(),
                data,
                committed_at: Timestamp::from_millis(0),
            }],
            refused: vec![],
        }
    }

    #[test]
    fn an_ending_is_told_by_its_word_and_by_what_its_fields_say() {
        let ending = |event_type, data| outcome(event_type, data).ending();
        assert_eq!(ending("BookBorrowed", json!({})), None);
        assert_eq!(ending("BookReturned", json!({})).as_deref(), Some("Returned"));
        let lost = json!({ "reason": "rain", "copies": ["a", "b"] });
        assert_eq!(
            ending("BookLost", lost).as_deref(),
            Some("WrittenOff (rain: a, b)")
        );
        assert_eq!(
            ending("BookLost", json!({ "copies": ["a"] })).as_deref(),
            Some("WrittenOff (?: a)")
        );
    }

    #[test]
    fn of_two_endings_the_later_one_counts() {
        let mut found = outcome("BookLost", json!({ "reason": "rain" }));
        let later = outcome("BookReturned", json!({})).timeline;
        found.timeline.extend(later);
        assert_eq!(found.ending().as_deref(), Some("Returned"));
    }

    #[test]
    fn one_that_has_not_ended_is_none_of_what_it_could_be() {
        assert_eq!(
            LOAN.open_problem(),
            "the loan is neither returned nor written off"
        );
    }

    #[test]
    fn the_first_field_that_says_more_is_shown() {
        let detail = |data| LOAN.detail(&outcome("BookLost", data).timeline[0]);
        assert_eq!(
            detail(json!({ "fee": 2.5, "reason": "rain" })).as_deref(),
            Some("rain")
        );
        assert_eq!(detail(json!({ "fee": 2.5 })).as_deref(), Some("2.5"));
        assert_eq!(detail(json!({ "title": "Emma" })), None);
    }
}
