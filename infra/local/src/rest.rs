//! What a stack has still to do: what is on its way, and what waits, for a time or for somebody else.

use std::collections::BTreeMap;

use aws_adapters::source_queue;
use embedded_aws::mapping::{Activity, Status};
use embedded_sqs::Counts;
use eventsourcing::Timestamp;

use crate::stack::Controls;
use crate::tables;

/// What is on its way: all of it goes on by itself, now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OnItsWay {
    /// The functions at work, the relay among them while there are events that it has not read.
    pub(crate) at_work: Vec<String>,
    /// How many messages each queue has that its function takes as soon as it can.
    pub(crate) messages: BTreeMap<String, usize>,
    /// How many events are due to be sent once more by the sweeper, which looks each minute.
    pub(crate) outbox: usize,
}

impl OnItsWay {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What waits, of a stack on which nothing is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// What comes to functions at its time, the next first.
    pub(crate) for_a_time: Vec<Timed>,
    /// How many messages each queue has that no function here takes.
    pub(crate) for_others: BTreeMap<String, usize>,
    /// How many letters each dead-letter queue has.
    pub(crate) dead_letters: BTreeMap<String, usize>,
    /// How many events the sweeper sends once more, later.
    pub(crate) outbox: usize,
}

/// The messages for a queue that come at their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) next_due: Timestamp,
    pub(crate) queue: String,
    /// Sent with a delay.
    pub(crate) delayed: usize,
    /// Received before, and not handled: they come again.
    pub(crate) retried: usize,
    /// Schedules that send a message.
    pub(crate) scheduled: usize,
}

impl Controls {
    /// What is on its way.
    ///
    /// One thing is looked at after the other, while functions go on. That it is nothing is still sure: whatever leaves its
    /// place before that is looked at is in a function's hands then, or was, which the function's counters tell in the end.
    pub(crate) fn on_its_way(&self) -> OnItsWay {
        let before = self.activities();
        let now = self.clock.now();
        let fires = self.scheduler.next().filter(|(at, _)| *at <= now);
        let mut messages: BTreeMap<_, _> = fires.map(|(_, queue)| (queue, 1)).into_iter().collect();
        for queue in self.taken_queues() {
            let counts = self.wire.sqs().counts(&queue).unwrap_or_default();
            if counts.visible > 0 {
                *messages.entry(queue).or_default() += counts.visible;
            }
        }
        let outbox = tables::unsent(self.wire.dynamodb(), &self.names);
        let now = Timestamp::from(now);
        let outbox = outbox.iter().filter(|due| **due <= now).count();
        let after = self.activities();
        let both = before.into_iter().zip(after);
        let at_work = both.filter(|(before, after)| before != after || !after.is_quiet);
        OnItsWay {
            at_work: at_work.map(|(_, after)| after.function).collect(),
            messages,
            outbox,
        }
    }

    /// What waits.
    pub(crate) fn waiting(&self) -> Waiting {
        let sqs = self.wire.sqs();
        let now = Timestamp::from(self.clock.now());
        let taken: Vec<_> = self.taken_queues().collect();
        let mut timed: BTreeMap<String, Timed> = BTreeMap::new();
        let mut add = |queue: &str, next_due: Timestamp, counts: Counts, scheduled: usize| {
            let of_queue = timed.entry(queue.to_owned()).or_insert_with(|| Timed {
                next_due,
                queue: queue.to_owned(),
                delayed: 0,
                retried: 0,
                scheduled: 0,
            });
            of_queue.next_due = of_queue.next_due.min(next_due);
            of_queue.delayed += counts.delayed;
            of_queue.retried += counts.in_flight;
            of_queue.scheduled += scheduled;
        };
        let mut waiting = Waiting::default();
        for queue in sqs.queue_names() {
            let counts = sqs.counts(&queue).unwrap_or_default();
            let all = counts.visible + counts.in_flight + counts.delayed;
            if all == 0 {
            } else if source_queue(&queue).is_some() {
                waiting.dead_letters.insert(queue, all);
            } else if !taken.contains(&queue) {
                waiting.for_others.insert(queue, all);
            } else if let Some(left) = sqs.next_visible(&queue) {
                add(&queue, now.plus(left), counts, 0);
            }
        }
        for pending in self.scheduler.pending() {
            add(&pending.queue, pending.at.into(), Counts::default(), 1);
        }
        waiting.for_a_time = timed.into_values().collect();
        waiting.for_a_time.sort_by_key(|timed| timed.next_due);
        waiting.outbox = tables::unsent(self.wire.dynamodb(), &self.names).len();
        waiting
    }

    /// The names of the functions that run.
    pub(crate) fn functions(&self) -> Vec<&str> {
        let relay = self.relays.iter().map(|_| bundle::RELAY);
        relay.chain(self.mappings.keys().map(String::as_str)).collect()
    }

    /// A function that takes nothing yet, if there is one.
    pub(crate) fn not_listening(&self) -> Option<String> {
        let seen = self.activities().into_iter();
        let mut seen = seen.filter(|seen| !seen.activity.listening);
        seen.next().map(|seen| seen.function)
    }

    /// The queues whose messages functions here take, but for those that somebody has told to leave them.
    fn taken_queues(&self) -> impl Iterator<Item = String> {
        let taking = self.mappings.iter().filter(|(_, mapping)| mapping.is_enabled());
        taking.filter_map(|(function, _)| {
            let queue = self.bundle.registry.function(function)?.queue()?;
            Some(self.names.of_function(queue))
        })
    }

    fn activities(&self) -> Vec<Seen> {
        let relays = self.relays.iter().map(|relay| (bundle::RELAY, relay));
        let others = self
            .mappings
            .iter()
            .map(|(function, mapping)| (function.as_str(), mapping));
        relays
            .chain(others)
            .map(|(function, status)| Seen::of(function, status))
            .collect()
    }
}

/// What a mapping was doing at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    function: String,
    activity: Activity,
    is_quiet: bool,
}

impl Seen {
    fn of(function: &str, status: &Status) -> Self {
        Self {
            function: function.to_owned(),
            activity: status.activity(),
            is_quiet: status.is_quiet(),
        }
    }
}
