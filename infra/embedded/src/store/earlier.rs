//! Files of versions before there was one store: a line of JSON for each change of a service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a file of an earlier version can't be taken up. It is left as it was found.
#[derive(Debug, thiserror::Error)]
#[error("{path} {problem}: {remedy}", path = .path.display())]
pub struct EarlierFileError {
    path: PathBuf,
    problem: String,
    remedy: String,
}

/// What stands in the file, changes of `things`; nothing if it is not there.
pub(crate) fn read<E: DeserializeOwned>(path: &Path, things: &str) -> Result<Vec<E>, EarlierFileError> {
    let remedy = || format!("name another folder, or move the file away to begin without {things}");
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(EarlierFileError {
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
            serde_json::from_str(line).map_err(|_| EarlierFileError {
                path: path.to_owned(),
                problem: format!("holds no {things} in line {}", number + 1),
                remedy: remedy(),
            })
        })
        .collect()
}
