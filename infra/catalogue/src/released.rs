//! What the last release promised: recorded when it is made, and compared to ever after.

use std::io;
use std::path::Path;

use bundle::{Bundle, Sender, Trigger};
use serde_json::{Map, Value, json};
use template::written::read;

use crate::compatibility::{self, Break};
use crate::messages::Message;
use crate::schema::schema;
use crate::written::FOLDER;

/// The file, in the catalogue.
pub const RELEASED: &str = "released.json";

/// What the bundle promises, a message or a queue to a line: schemas without their words, and who may use which queue.
pub fn record(bundle: &Bundle) -> String {
    let messages = Message::all(bundle);
    let promised = messages.iter().map(|message| {
        let schema = serde_json::from_str(&schema(message));
        // It was written as JSON just now.
        let mut schema: Value = schema.expect("a schema is JSON");
        strip(&mut schema, true);
        let promise = json!({ "version": message.shape.schema_version, "schema": schema });
        format!("    \"{}\": {promise}", message.name())
    });
    let queues = queues(bundle, &messages).into_iter();
    let queues = queues.map(|(name, promise)| format!("    \"{name}\": {promise}"));
    format!(
        "{{\n  \"release\": \"{}\",\n  \"queues\": {{\n{}\n  }},\n  \"messages\": {{\n{}\n  }}\n}}\n",
        env!("CARGO_PKG_VERSION"),
        queues.collect::<Vec<_>>().join(",\n"),
        promised.collect::<Vec<_>>().join(",\n"),
    )
}

/// What the bundle does not keep of what is recorded below `root`; nothing if no release is.
pub fn breaks(bundle: &Bundle, root: &Path) -> io::Result<Vec<Break>> {
    let path = Path::new(FOLDER).join(RELEASED);
    let Some(before) = read(&root.join(&path))? else {
        return Ok(vec![]);
    };
    let unreadable = |error| io::Error::other(format!("{} is no JSON: {error}", path.display()));
    let before = serde_json::from_str(&before).map_err(unreadable)?;
    // It is written as JSON.
    let now = serde_json::from_str(&record(bundle)).expect("a record is JSON");
    Ok(compatibility::breaks(&before, &now))
}

/// The queues that systems outside use: those that they may send to, and those that they read.
fn queues(bundle: &Bundle, messages: &[Message<'_>]) -> Map<String, Value> {
    let open = messages.iter().filter_map(|message| {
        let function = message.function.filter(|function| {
            matches!(
                function.trigger,
                Trigger::Commands(Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways)
            )
        })?;
        let promise = json!({ "carries": [message.name()], "open": true });
        Some((function.name.clone(), promise))
    });
    let outbound = bundle.registry.outbound.iter().map(|outbound| {
        let promise = json!({ "carries": outbound.events, "open": false });
        (outbound.queue.to_owned(), promise)
    });
    open.chain(outbound).collect()
}

/// Takes the words for people out of a schema; the names of properties are no words of its own.
fn strip(schema: &mut Value, is_schema: bool) {
    match schema {
        Value::Object(fields) => {
            if is_schema {
                for word in ["$schema", "title", "description", "examples"] {
                    fields.remove(word);
                }
            }
            for (name, value) in fields {
                strip(
                    value,
                    !(is_schema && ["properties", "$defs"].contains(&name.as_str())),
                );
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| strip(entry, is_schema)),
        _ => {}
    }
}
