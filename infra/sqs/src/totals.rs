//! Totals: what was asked of the service since it started, for costs and for assertions in tests.

use std::collections::BTreeMap;
use std::fmt;

/// A request's payload is billed as one request for each 64 KiB of it, or part of that.
///
/// Source: <https://aws.amazon.com/sqs/pricing/>
pub const BILLING_UNIT_BYTES: usize = 64 * 1024;

/// Exact counts since start. A request of the typed API counts like one over the wire; one that was
/// refused counts too, as a request and one billing unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that were sent, each entry of a batch for itself.
    pub sends: u64,
    /// Messages that were handed out; one that came twice counts twice.
    pub receives: u64,
    /// Messages that a delete removed. A delete of what is gone already counts as a request only.
    pub deletes: u64,
    /// Receives that ended without a message.
    pub empty_receives: u64,
    /// Messages that went to a dead-letter queue because they were received too often.
    pub dead_lettered: u64,
    /// Messages that reached the end of their retention period.
    pub expired: u64,
    /// Requests by operation; an operation that was never asked for is absent.
    pub requests: BTreeMap<Operation, u64>,
    /// Requests as billed, by their payload. A request without one, an empty receive for instance,
    /// counts one.
    pub billing_units: u64,
}

impl Totals {
    /// The requests of all operations.
    pub fn all_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// A request came in, and nothing is known of its payload yet.
    pub(crate) fn count_request(&mut self, operation: Operation) {
        *self.requests.entry(operation).or_default() += 1;
        self.billing_units += 1;
    }

    /// The payload of a request that is counted already.
    pub(crate) fn count_payload(&mut self, bytes: usize) {
        let units = bytes.div_ceil(BILLING_UNIT_BYTES).max(1);
        self.billing_units += (units - 1) as u64;
    }
}

/// Declares [`Operation`] with the names of the wire, so that each is written once.
macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation of SQS, by its name in both protocols.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name),+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// The operation of that name; none if SQS has none.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

operations! {
    AddPermission,
    CancelMessageMoveTask,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    CreateQueue,
    DeleteMessage,
    DeleteMessageBatch,
    DeleteQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListDeadLetterSourceQueues,
    ListMessageMoveTasks,
    ListQueueTags,
    ListQueues,
    PurgeQueue,
    ReceiveMessage,
    RemovePermission,
    SendMessage,
    SendMessageBatch,
    SetQueueAttributes,
    StartMessageMoveTask,
    TagQueue,
    UntagQueue,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
