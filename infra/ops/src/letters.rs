//! Messages in queues: looked at and let go again, deleted.
//!
//! A queue can't be read without receiving from it. What is received is invisible to others for a
//! while; every command lets go what it holds before it ends, also when it is interrupted, and a
//! message that is not let go because the process dies comes back by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_adapters::{Attribute, Counts, DEADLINES, QueueError, Receive, Received};
use eventsourcing::{Fields, sendable};
use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::{age, one_or_more};
use crate::stack::Stack;

/// What messages are received for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They are only looked at.
    Look,
    /// Something is done with them, after a person's answer if need be.
    Work,
}

impl Purpose {
    /// For how long they are held.
    const fn time(self) -> Duration {
        match self {
            Self::Look => Duration::from_mins(2),
            Self::Work => Duration::from_mins(15),
        }
    }
}

/// How often is looked whether messages have come back.
const POLL: Duration = Duration::from_secs(1);

/// The attribute `error_code` of a dead letter; none if SQS moved it by itself, after a crash.
pub(crate) fn code(letter: &Received) -> Option<&'static str> {
    letter.refusal().map(|refusal| refusal.code.as_str())
}

/// What was wrong with a dead letter, in words.
pub(crate) fn error(letter: &Received) -> &str {
    let attribute = |name| letter.attributes.get(name).and_then(Attribute::as_text);
    if let Some(refusal) = letter.refusal() {
        refusal.error
    } else if attribute(SCHEDULE).is_some() {
        attribute("ERROR_MESSAGE").unwrap_or("its schedule could not send it")
    } else {
        "moved by SQS: received too often without an answer from the function"
    }
}

/// What the scheduler writes beside a deadline that it could not send: of which schedule, and to which queue.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>
const SCHEDULE: &str = "SCHEDULE_ARN";
const TARGET: &str = "TARGET_ARN";

/// The queue that a dead letter of `queue` goes back to, without the stack's name: that queue, and of a deadline
/// that no schedule could send the one that it was for.
pub(crate) fn came_from<'l>(stack: &'l Stack, queue: &'l str, letter: &Received) -> Result<&'l str, String> {
    if queue != DEADLINES {
        return Ok(queue);
    }
    let target = letter.attributes.get(TARGET).and_then(Attribute::as_text);
    let named = target.and_then(|arn| arn.rsplit(':').next());
    let deadlines = stack.bundle.registry.deadlines();
    let meant = deadlines
        .into_iter()
        .find(|queue| named == Some(&*stack.names.of_function(queue)));
    meant.ok_or_else(|| {
        format!("its attribute {TARGET} names no queue of deadlines of this stack: send its body to the right one by hand")
    })
}

/// What its sender put beside it, without what a function or the scheduler added.
pub(crate) fn attributes_of_sender(letter: &Received) -> BTreeMap<String, Attribute> {
    if letter.attributes.contains_key(SCHEDULE) {
        // A schedule has no attributes to send.
        BTreeMap::new()
    } else {
        letter.attributes_of_sender()
    }
}

/// How many messages a queue holds; none if there is no such queue.
pub(crate) async fn counts(stack: &Stack, queue: &str) -> Result<Option<Counts>, Failure> {
    match stack.queues.counts(queue).await {
        Ok(counts) => Ok(Some(counts)),
        Err(QueueError::NoQueue(_)) => Ok(None),
        Err(error) => Err(Failure::Failed(format!("can't look at queue {queue}: {error}"))),
    }
}

/// What there was to see of a queue's messages.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Those that could be received.
    pub(crate) letters: Vec<Received>,
    /// What SQS said before they were.
    pub(crate) counts: Counts,
    /// Whether it was received until nothing more came.
    to_the_end: bool,
}

impl Look {
    /// How many messages there are, about.
    pub(crate) fn of(&self) -> usize {
        self.counts.all().max(self.letters.len())
    }

    /// How many messages are there that could not be received, though that was tried: somebody else holds
    /// them. An empty answer to a receive does not say that a queue is empty.
    pub(crate) fn held(&self) -> usize {
        let unseen = self.of() - self.letters.len();
        if self.to_the_end {
            unseen
        } else {
            unseen.min(self.counts.held)
        }
    }

    /// What an operator has to know of those that are held.
    pub(crate) fn about_held(&self) -> String {
        let (it, is, comes) = one_or_more(
            self.held(),
            ("it", "it is", "it comes back by itself"),
            ("them", "they are", "they come back by themselves"),
        );
        format!(
            "another reader holds {it} (or {is} gone, and SQS's count lags behind, by up to a minute). Unless \
             that reader deletes {it}, {comes}: within {} minutes if it is {}, after {} if it is one that \
             sets no time of its own, after 12 hours at the latest; --wait SECONDS waits for {it}",
            Purpose::Work.time().as_secs() / 60,
            crate::called::name(),
            age(self.counts.visibility_timeout),
        )
    }
}

/// Receives up to `limit` messages of a queue, after it has waited for up to `wait` until nobody else holds any; none
/// if there is no such queue.
pub(crate) async fn look(
    stack: &Stack,
    queue: &str,
    limit: usize,
    purpose: Purpose,
    wait: Duration,
    progress: &ProgressBar,
) -> Result<Option<Look>, Failure> {
    let Some(counts) = come_back(stack, queue, wait, progress).await? else {
        return Ok(None);
    };
    progress.set_length(counts.all().min(limit) as u64);
    progress.set_message("receiving messages");
    let letters = take(stack, queue, limit, purpose, counts, progress).await?;
    Ok(Some(Look {
        to_the_end: letters.len() < limit,
        letters,
        counts,
    }))
}

/// The counts of a queue once nobody holds a message of it, or when `wait` is over.
async fn come_back(
    stack: &Stack,
    queue: &str,
    wait: Duration,
    progress: &ProgressBar,
) -> Result<Option<Counts>, Failure> {
    let until = Instant::now() + wait;
    progress.set_message("waiting for another reader, messages that it holds");
    loop {
        let found = counts(stack, queue).await?;
        let held = found.map_or(0, |counts| counts.held);
        if held == 0 || Instant::now() >= until {
            return Ok(found);
        }
        progress.set_position(held as u64);
        tokio::time::sleep(POLL.min(until - Instant::now())).await;
    }
}

/// Receives up to `limit` messages of a queue that holds so many.
async fn take(
    stack: &Stack,
    queue: &str,
    limit: usize,
    purpose: Purpose,
    counts: Counts,
    progress: &ProgressBar,
) -> Result<Vec<Received>, Failure> {
    let mut letters = Vec::new();
    let mut seen = BTreeSet::new();
    // Whoever only looks has seen all, as far as anybody can tell; whoever does something with them looks on.
    let all_that_is_counted = match purpose {
        Purpose::Look => counts.visible,
        Purpose::Work => usize::MAX,
    };
    while letters.len() < limit {
        let how = Receive {
            limit: limit - letters.len(),
            visibility: Some(purpose.time()),
            // All servers of the queue are asked, where a receive that does not wait asks a few. It waits in vain
            // where nothing is left.
            wait: if letters.len() < all_that_is_counted {
                Duration::from_secs(1)
            } else {
                Duration::ZERO
            },
        };
        let received = stack.receive(queue, how).await?;
        let mut news = false;
        for letter in received {
            // One that comes twice is back because its time was over: then all the others are, too.
            if seen.insert(letter.message_id.clone()) {
                news = true;
                letters.push(letter);
            }
        }
        progress.set_position(letters.len() as u64);
        if !news {
            break;
        }
    }
    Ok(letters)
}

/// Receives messages of a queue, to look at them, until the one comes that has this id; none if all that could be
/// received are others.
pub(crate) async fn find(stack: &Stack, queue: &str, id: &str) -> Result<Option<Received>, Failure> {
    let how = Receive {
        visibility: Some(Purpose::Look.time()),
        wait: Duration::from_secs(1),
        ..Receive::default()
    };
    let mut seen = BTreeSet::new();
    loop {
        let received = stack.receive(queue, how).await?;
        let mut news = false;
        for letter in received {
            if letter.message_id == id {
                return Ok(Some(letter));
            }
            news |= seen.insert(letter.message_id);
        }
        if !news {
            return Ok(None);
        }
    }
}

/// Deletes messages; of each, what went wrong if anything did.
pub(crate) async fn delete(stack: &Stack, queue: &str, letters: &[&Received]) -> Vec<Result<(), QueueError>> {
    let receipts: Vec<_> = letters.iter().map(|letter| letter.receipt.as_str()).collect();
    let results = stack.queues.delete(queue, &receipts).await;
    let deleted = receipts.iter().zip(&results);
    let gone: Vec<_> = deleted
        .filter(|(_, deleted)| deleted.is_ok())
        .map(|(receipt, _)| *receipt)
        .collect();
    stack.forget(queue, &gone);
    results
}

/// The command in `body` under a fixed id, if it is a JSON object that has none: put in as text, so that
/// not a digit of the rest changes, and in place of a `null`, for a name may not come twice.
pub(crate) fn with_id(body: &str, id: &str) -> String {
    let Some(fields) = Fields::of(body) else {
        return body.to_owned();
    };
    let id = serde_json::Value::from(id).to_string();
    let with_id = match (fields.place("id"), body.trim_end().strip_suffix('}')) {
        (Some(place), _) if &body[place.clone()] == "null" => {
            format!("{}{id}{}", &body[..place.start], &body[place.end..])
        }
        (None, Some(inside)) => {
            let comma = if inside.trim() == "{" { "" } else { "," };
            format!("{inside}{comma}\"id\":{id}}}")
        }
        _ => body.to_owned(),
    };
    sendable(with_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_an_id_gets_one_and_keeps_every_digit() {
        let body = r#" {"command": {"amount": 19.90}} "#;
        assert_eq!(
            with_id(body, "m-1"),
            r#" {"command": {"amount": 19.90},"id":"m-1"}"#
        );
        assert_eq!(with_id("{}", "m-1"), r#"{"id":"m-1"}"#);
        assert_eq!(
            with_id(r#"{"\u0069d" : null, "x":1.0}"#, "m-1"),
            r#"{"\u0069d" : "m-1", "x":1.0}"#
        );
        assert_eq!(with_id("{}", "\u{ffff}"), r#"{"id":"\uffff"}"#);
    }

    #[test]
    fn an_id_that_is_there_stays_and_what_is_no_object_is_left_alone() {
        for body in [r#"{"id":"a"}"#, r#"{"id":7}"#, "[1]", "no json", "", "{\"a\":"] {
            assert_eq!(with_id(body, "m-1"), body);
        }
    }
}
