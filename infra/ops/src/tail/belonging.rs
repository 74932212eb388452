//! Which events belong to what was asked for, such as a member.
//!
//! Few events say whose they are: those that begin something. What comes after shares their correlation id, or is of a
//! thing whose id they lead to, for whoever answers from outside may begin a chain of its own.

use std::collections::HashSet;

use aws_adapters::{Sorted, ViewError};
use eventsourcing::Commit;
use terminal::note;

use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::output::progress;
use crate::spanning::{By, spans};
use crate::stack::Stack;
use crate::views::View;

/// How many things of before are known: more of one member are rarely under way.
const KNOWN_BEFORE: usize = 1_000;

/// By what an event belongs to all that was asked for; to nothing in particular if that is nothing.
#[derive(Debug, Default)]
pub(crate) struct Belonging<'a>(Vec<Owner<'a>>);

#[derive(Debug)]
struct Owner<'a> {
    /// The fields that may hold its id.
    fields: Vec<&'static str>,
    id: &'a str,
    chains: HashSet<String>,
    things: HashSet<String>,
}

impl<'a> Belonging<'a> {
    /// All events belong.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// What was asked for, with the things that the views know of it by now.
    pub(crate) async fn of(stack: &Stack, kinds: &Kinds<'_>, by: &'a By) -> Result<Self, Failure> {
        let spans = spans(&stack.bundle);
        let mut owners = Vec::new();
        for (option, id) in &by.0 {
            let spans = || spans.iter().filter(|span| span.option == option);
            let mut owner = Owner::new(spans().map(|span| span.index.partition).collect(), id);
            let bar = progress(None, "reading what there is already");
            for span in spans() {
                let view = View::of(stack, &span.form);
                let mut rows = view.reader.by(&span.index, id, Sorted::NewestFirst);
                let mut read = 0;
                loop {
                    let page = match rows.next_page().await {
                        Ok(Some(page)) => page,
                        Ok(None) => break,
                        Err(ViewError::NoTable(table)) => {
                            note!(
                                "there is no table {table}, which would tell what began before: what belongs to {option} \
                                 {id} is known by the events that name it from now on"
                            );
                            break;
                        }
                        Err(error) => return Err(view.failed(error)),
                    };
                    for row in page.iter().take(KNOWN_BEFORE - read) {
                        owner.chains.extend(row.text("correlation_id").map(str::to_owned));
                        let key = row.text(span.form.key).map(|id| Key::new(span.form.category, id));
                        owner.learn(kinds, key);
                    }
                    bar.inc(page.len() as u64);
                    read += page.len();
                    if read >= KNOWN_BEFORE {
                        note!(
                            "of {option} {id} the newest {KNOWN_BEFORE} {} are known; what is older shows up when its \
                             events name it",
                            span.form.listing.many
                        );
                        break;
                    }
                }
            }
            bar.finish_and_clear();
            owners.push(owner);
        }
        Ok(Self(owners))
    }

    /// Whether the commit belongs to all of them. What it tells of more is kept.
    pub(crate) fn includes(&mut self, kinds: &Kinds<'_>, commit: &Commit) -> bool {
        let owners = self.0.iter_mut();
        let each: Vec<_> = owners.map(|owner| owner.has(kinds, commit)).collect();
        each.into_iter().all(|has| has)
    }
}

impl<'a> Owner<'a> {
    fn new(fields: Vec<&'static str>, id: &'a str) -> Self {
        Self {
            fields,
            id,
            chains: HashSet::new(),
            things: HashSet::new(),
        }
    }

    fn learn(&mut self, kinds: &Kinds<'_>, key: Option<Key>) {
        let keys = key.map(|key| kinds.with_computed(key)).unwrap_or_default();
        self.things
            .extend(keys.iter().map(|key| key.stream().to_string()));
    }

    fn has(&mut self, kinds: &Kinds<'_>, commit: &Commit) -> bool {
        let mut named = false;
        for event in &commit.events {
            let mut fields = self.fields.iter();
            if fields.any(|field| event.text(field).as_deref() == Some(self.id)) {
                named = true;
                self.chains.insert(event.correlation_id.clone());
            }
        }
        if named {
            self.learn(kinds, kinds.of_stream(commit.stream.as_str()));
        }
        // What is reached by its chain or its id alone tells nothing of others: a chain may span several owners.
        named
            || self.things.contains(commit.stream.as_str())
            || commit
                .events
                .iter()
                .any(|event| self.chains.contains(&event.correlation_id))
    }
}

#[cfg(test)]
mod tests {
    use eventsourcing::{RecordedEvent, StreamId};
    use uuid::Uuid;

    use super::*;
    use crate::made_up::KINDS;

    fn commit(stream: &str, chain: &str, data: &str) -> Commit {
        Commit {
            stream: stream.parse::<StreamId>().expect("a stream's name"),
            revision: 1,
            commit_id: Uuid::nil(),
            committed_at: "2026-11-28T21:16:04.133Z".parse().expect("a time"),
            events: vec![RecordedEvent {
                event_id: format!("event of {stream}"),
                revision: 1,
                event_type: "BookLent".into(),
                schema_version: 1,
                data: data.into(),
                correlation_id: chain.into(),
                causation_id: "c-1".into(),
                trace: None,
            }],
        }
    }

    #[test]
    fn what_names_the_owner_brings_its_chain_and_the_things_that_its_id_leads_to() {
        let kinds = Kinds::of(&KINDS);
        let mut belonging = Belonging(vec![Owner::new(vec!["member_id"], "ada")]);
        let mut includes = |stream, chain, data| belonging.includes(&kinds, &commit(stream, chain, data));
        assert!(!includes("fine-fine-of-1", "chain-2", "{}"), "nothing tells yet");
        assert!(!includes("loan-2", "chain-9", r#"{"member_id":"emil"}"#));
        assert!(!includes("loan-2", "chain-9", "not JSON"));
        assert!(includes("loan-1", "chain-1", r#"{"member_id":"ada"}"#));
        assert!(
            includes("fine-fine-of-1", "chain-2", "{}"),
            "its id is computed from the loan's"
        );
        assert!(includes("book-b-1", "chain-1", "{}"), "it shares the chain");
        assert!(
            !includes("book-b-1", "chain-3", "{}"),
            "the book may be lent to others later"
        );
        assert!(
            !includes("loan-3", "chain-2", "{}"),
            "a chain that only a thing's id led to"
        );
    }
}
