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

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bundle::Bundle;
use template::written::{Stale, stale_of};

pub use messages::Message;

/// Where the catalogue is, from the workspace's root.
pub const FOLDER: &str = "infra/catalogue";

/// The folder of the schemas, in the catalogue.
pub const SCHEMAS: &str = "schemas";

/// The schema of a message, as it stands in its file.
pub fn schema(message: &Message<'_>) -> String {
    schema::schema(&message.shape, &message.examples).page()
}

/// The document of all queues and the event bus.
pub fn asyncapi(bundle: &Bundle) -> String {
    asyncapi::document(bundle, &Message::all(bundle))
}

/// All files that follow from the bundle alone, from the workspace's root, with what stands in them.
pub fn written(bundle: &Bundle) -> BTreeMap<PathBuf, String> {
    let folder = Path::new(FOLDER);
    let schemas = Message::all(bundle).into_iter().map(|message| {
        let name = folder.join(SCHEMAS).join(message.name()).with_extension("json");
        (name, schema(&message))
    });
    let asyncapi = (folder.join("asyncapi.yaml"), asyncapi(bundle));
    schemas.chain([asyncapi]).collect()
}

/// The files below `root` that are not what the bundle says.
pub fn stale(bundle: &Bundle, root: &Path) -> io::Result<Vec<Stale>> {
    let schemas = format!("{FOLDER}/{SCHEMAS}");
    stale_of(&written(bundle), root, &schemas)
}
