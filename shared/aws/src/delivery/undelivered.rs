//! Why a commit was not, or not wholly, delivered, and what that means for the next attempt.

use std::collections::BTreeMap;

use crate::client::failure::FailureKind;
use crate::delivery::bus::SendError;

/// A commit of which at least one message was not sent. The text says why, without any payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// What went wrong: of several, the first that decided the kind.
    pub why: String,
    /// Whether the same commit may be delivered another time. It may as long as one of its queues may take
    /// what it has not got: only then is what the others refuse all that is left.
    pub kind: FailureKind,
    /// The queues that did not get all they asked for, [`EVENT_BUS`](crate::EVENT_BUS) if that did not, and why not. All others got theirs. Of a commit that
    /// was not sent at all there are none: it goes to all.
    pub queues: BTreeMap<String, FailureKind>,
}

impl Undelivered {
    /// It was not sent for what it is, and won't be until somebody changes that.
    pub fn permanently(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            kind: FailureKind::Permanent,
            queues: BTreeMap::new(),
        }
    }

    /// It was not sent for a reason that passes.
    pub fn transiently(why: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Transient,
            ..Self::permanently(why)
        }
    }

    /// The same, where it says nothing of queues because none was sent anything: it was to go to these.
    pub(crate) fn keeping(mut self, queues: impl IntoIterator<Item = String>) -> Self {
        if self.queues.is_empty() {
            self.queues = queues.into_iter().map(|queue| (queue, self.kind)).collect();
        }
        self
    }

    /// One of its messages was not sent.
    pub(crate) fn of(error: &SendError) -> Self {
        Self {
            why: error.to_string(),
            kind: error.kind(),
            queues: BTreeMap::from([(error.queue.clone(), error.kind())]),
        }
    }

    /// The same, and another of its messages was not sent either.
    pub(crate) fn and(&self, error: &SendError) -> Self {
        let mut both = self.clone();
        let of_queue = both.queues.entry(error.queue.clone()).or_insert(error.kind());
        if error.kind() == FailureKind::Transient {
            *of_queue = FailureKind::Transient;
            if both.kind == FailureKind::Permanent {
                both.kind = FailureKind::Transient;
                both.why = error.to_string();
            }
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::queues::QueueError;

    fn error(queue: &str, why: QueueError) -> SendError {
        let queue = queue.to_owned();
        SendError { queue, why }
    }

    #[test]
    fn a_commit_may_be_delivered_as_long_as_one_of_its_queues_may_take_it() {
        let refused = error("a", QueueError::Refused("its characters".into()));
        let throttled = error("b", QueueError::Fault("throttled".into()));
        for (first, second) in [(&refused, &throttled), (&throttled, &refused)] {
            let both = Undelivered::of(first).and(second);
            assert_eq!(both.kind, FailureKind::Transient);
            assert!(both.why.contains("throttled"), "{both}");
            let queues = [("a", FailureKind::Permanent), ("b", FailureKind::Transient)];
            let queues = queues.map(|(queue, kind)| (queue.to_owned(), kind));
            assert_eq!(both.queues, BTreeMap::from(queues));
        }
        assert_eq!(
            Undelivered::of(&refused).and(&refused).kind,
            FailureKind::Permanent
        );
    }
}
