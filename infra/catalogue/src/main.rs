//! `cargo catalogue`: writes the catalogue of this repository's messages anew, and says what it changed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catalogue::released::{self, RELEASED};
use catalogue::{FOLDER, Message, SCHEMAS, stale, written};
use clap::Parser;
use template::written::{changes, renew};

/// Writes the catalogue anew: JSON Schemas of all messages, and AsyncAPI of all queues.
#[derive(Debug, Parser)]
#[command(name = "catalogue", bin_name = "cargo catalogue")]
struct Arguments {
    /// Also records it as that of a release: what is promised in it is promised from then on
    #[arg(long)]
    release: bool,
    /// The workspace's root
    #[arg(long, hide = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    root: PathBuf,
}

fn main() -> io::Result<ExitCode> {
    let Arguments { release, root } = Arguments::parse();
    let bundle = functions::bundle();
    let messages = Message::all(&bundle);
    let commands = messages.iter().filter(|message| message.is_command()).count();
    let written = written(&bundle);
    let stale = stale(&bundle, &root)?;
    renew(&written, &root, &stale)?;
    terminal::announce(format_args!(
        "{FOLDER}: {commands} commands and {} events in {SCHEMAS}, all queues in asyncapi.yaml: {}",
        messages.len() - commands,
        changes(&stale)
    ));
    let broken = released::breaks(&bundle, &root)?;
    if !broken.is_empty() {
        let broken: Vec<_> = broken.iter().map(|broken| format!("- {broken}\n")).collect();
        terminal::note!(
            "What the last release promised is not kept:\n{}",
            broken.concat().trim_end()
        );
    }
    if release && broken.is_empty() {
        let path = Path::new(FOLDER).join(RELEASED);
        std::fs::write(root.join(&path), released::record(&bundle))?;
        terminal::announce(format_args!("{}: recorded", path.display()));
    }
    Ok(if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
