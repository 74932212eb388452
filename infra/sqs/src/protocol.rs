//! The wire: a request in one of SQS's two protocols becomes a typed one, is applied once, and is answered in the
//! protocol in which it came.
//!
//! Both are AWS's: JSON 1.0, which SDKs and CLIs speak since the end of 2023, and Query, a form in and XML out, which
//! they spoke before. Neither knows a rule that the other does not: they differ in how members are read and written.

mod answer;
mod http_door;
mod json;
mod messages;
mod moves;
mod operations;
mod parts;
mod permissions;
mod query;
mod queues;
mod xml;

pub use answer::Answer;
