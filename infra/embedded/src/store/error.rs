//! Why a file can't keep anything.

use std::path::PathBuf;

/// Why a file can't keep anything. It is left as it was found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database in memory could not be set up.
    #[error("the database in memory could not be set up: {reason}")]
    Memory {
        /// The database's words.
        reason: String,
    },
    /// The file can't be used.
    #[error("{path} {problem}: {remedy}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// What a service kept there is no longer what it can read.
    #[error("{path} holds {what} that this version can't read: {remedy}", path = .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What is kept there.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}
