//! The files of the catalogue, and which of them are stale.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bundle::Bundle;
use template::written::{Stale, stale_of};

use crate::asyncapi::asyncapi;
use crate::messages::Message;
use crate::schema::{SCHEMAS, schema};

/// Where the catalogue is, from the workspace's root.
pub const FOLDER: &str = "infra/catalogue";

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
