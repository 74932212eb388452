//! Event sourcing and messaging without I/O: streams and commits, deciders and saga steps, message
//! envelopes and their validation.
//!
//! Nothing here knows AWS. The adapters in `aws-adapters` put [`EventStore`] on `DynamoDB` and carry
//! the envelopes over SQS; the rules in `domain` plug into [`Decider`] and [`Step`]. What decides
//! about correctness (which commit follows which, what a batch of commands amounts to) is plain
//! functions of values, so that a model checker can drive the very code that runs in production.
//!
//! A message declares its fields once, with [`message!`]; what each takes is the [`FieldForm`] of its type.
//! Reading, writing, review, the words of errors, samples and wrong values follow from that, and
//! [`message_faults`] tries them all.
//!
//! | module | what it is |
//! | --- | --- |
//! | `ids`, `timestamp` | names of streams, ids that are computed, points in time and the clock |
//! | `commit`, `store` | what is written at once and how it tiles a stream; what an event store has to do |
//! | `decider`, `saga`, `settings` | the shapes of a rule and of a step, and what rules can be set to |
//! | `batch` | several commands for one stream, decided in one go |
//! | `message`, `values` | messages and types of fields that are declared in a line |
//! | `form`, `samples`, `check` | what a field takes, as data; samples and wrong values of it; trying them all |
//! | `fields`, `field_error` | reading the fields of an object, and what is wrong with one |
//! | `review`, `reviewer` | all that is wrong with a message at once |
//! | `envelope`, `trace_header`, `structure`, `wire` | what stands around a message on a queue, and what a queue can carry |
//! | `draft` | commands as people write them |
//! | `view`, `listing` | the row that a stream amounts to, for whoever asks what became of something; how rows are listed |
//! | [`standing`] | how something stands: how it ended, or what is outstanding |

mod batch;
mod check;
mod commit;
mod decider;
mod draft;
mod envelope;
mod field_error;
mod fields;
mod form;
mod ids;
mod listing;
mod message;
mod review;
mod reviewer;
mod saga;
mod samples;
mod settings;
pub mod standing;
mod store;
mod structure;
mod timestamp;
mod trace_header;
mod values;
mod view;
mod wire;

pub use batch::{CommandMeta, History, Outcome, Planned, plan};
pub use check::message_faults;
pub use commit::{
    Commit, MAX_COMMIT_BYTES, NewEvent, Position, RecordedEvent, Stream, StreamFault, assemble,
    assemble_after,
};
pub use decider::{Command, CommandSet, CommandVisitor, Decider, Decision, EventSet, EventVisitor, Refusal};
pub use draft::{Draft, DraftFault, Form, NotJson, NotText, Written, text_of, written};
pub use envelope::{
    Announced, CommandEnvelope, EventEnvelope, Malformed, Metadata, encode_command, encode_event, ids_of,
};
pub use field_error::FieldError;
pub use fields::{FieldValue, Fields, Text, WrittenField};
pub use form::{Characters, DecimalForm, Field, FieldForm, Shape, TextForm};
pub use ids::{Category, NAMESPACE, StreamId, command_id, computed_id, event_id};
pub use listing::{Column, ColumnKind, ListedPhase, Listing};
pub use message::{Message, Unreadable, decode};
pub use review::{Review, UnknownField, nearest};
pub use reviewer::Reviewer;
pub use saga::{Dispatch, Step, StepSet, StepVisitor};
pub use samples::Wrong;
pub use settings::{MAX_SETTING_SECONDS, RuleSettings, Setting, SettingValues};
pub use store::{AppendError, EventStore, LoadError, Read, Transient};
pub use structure::MAX_DEPTH;
pub use timestamp::{Clock, InvalidTimestamp, SystemClock, Timestamp};
pub use trace_header::TraceHeader;
pub use values::InvalidId;
pub use view::{
    Attribute, DUE_AT, ENDED_AT, Figures, Index, OPEN_INDEX, OPEN_SHARD, OPEN_SHARDS, PHASE, PHASE_SINCE,
    Recorded, Row, View, Viewed,
};
pub use wire::{is_sendable, sendable, write_body};
