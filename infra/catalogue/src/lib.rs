//! Writes the catalogue: what other systems have to know of a bundle's messages, in the formats of their tools.
//!
//! | file in `infra/catalogue` | what it is |
//! | --- | --- |
//! | `schemas/TYPE.json` | JSON Schema 2020-12 of a command or an event, the whole message as it stands on a queue |
//! | `asyncapi.yaml` | AsyncAPI 3: all queues and the event bus, who sends and who receives |
//! | `released.json` | what the last release promised, to which [`breaks`](compatibility::breaks) compares |
//!
//! All of it follows from the declarations of messages and functions, as their readers do. `cargo catalogue` renews
//! it, and a test fails when it is stale.

mod asyncapi;
pub mod compatibility;
mod json;
mod messages;
pub mod released;
mod schema;
mod written;

pub use asyncapi::asyncapi;
pub use messages::Message;
pub use schema::{SCHEMAS, schema};
pub use written::{FOLDER, stale, written};
