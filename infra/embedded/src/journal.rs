//! What a service remembers, in a file: a line of JSON for each change, added at the end. At the start what is left
//! of them is written anew, to a second file that then takes the name of the first: a kill at any moment leaves one
//! of both, whole. A last line that a kill cut short was acknowledged to nobody, and is left out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why the file can't be used. Of a file that can't be read nothing is changed.
#[derive(Debug, thiserror::Error)]
#[error("{path} {problem}: {remedy}", path = .path.display())]
pub struct JournalError {
    path: PathBuf,
    problem: String,
    remedy: String,
}

/// The file, open for more.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// A file that holds these, in place of what is there.
    pub(crate) fn anew<E: Serialize>(
        path: &Path,
        entries: impl Iterator<Item = E>,
    ) -> Result<Self, JournalError> {
        let mut next = path.as_os_str().to_owned();
        next.push(".new");
        let next = PathBuf::from(next);
        let failed = |error: io::Error| unwritable(path, &error);
        let lines: Result<Vec<_>, _> = entries.map(|entry| line(&entry)).collect();
        let mut file = File::create(&next).map_err(failed)?;
        file.write_all(lines.map_err(failed)?.concat().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&next, path))
            .map_err(failed)?;
        // The handle is of the file that has the name now; what is added goes to its end.
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    pub(crate) fn append<E: Serialize>(&mut self, entry: &E) -> Result<(), JournalError> {
        let written = line(entry).and_then(|line| self.file.write_all(line.as_bytes()));
        written.map_err(|error| unwritable(&self.path, &error))
    }
}

/// What stands in the file, changes of `things`; nothing if it is not there.
pub(crate) fn read<E: DeserializeOwned>(path: &Path, things: &str) -> Result<Vec<E>, JournalError> {
    let remedy = || format!("name another folder, or move the file away to begin without {things}");
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(JournalError {
                path: path.to_owned(),
                problem: format!("can't be read ({error})"),
                remedy: remedy(),
            });
        }
    };
    // What follows the last line feed was cut short.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate();
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|_| JournalError {
                path: path.to_owned(),
                problem: format!("holds no {things} in line {}", number + 1),
                remedy: remedy(),
            })
        })
        .collect()
}

fn line<E: Serialize>(entry: &E) -> io::Result<String> {
    Ok(serde_json::to_string(entry)? + "\n")
}

fn unwritable(path: &Path, error: &io::Error) -> JournalError {
    JournalError {
        path: path.to_owned(),
        problem: format!("can't be written ({error})"),
        remedy: "see to the space on its disk, and to who may write there".to_owned(),
    }
}
