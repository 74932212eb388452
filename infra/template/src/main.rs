//! `cargo template`: writes `template.yaml` at the root of the workspace.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    fs::write(path, template::template(&functions::registry()))?;
    terminal::announce(format_args!("template.yaml is up to date"));
    Ok(())
}
