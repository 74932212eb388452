//! What this process, not a client of the API, may be refused.

use std::path::PathBuf;

/// Why the embedded DynamoDB could not do what this process (not a client of the API) asked.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The database in memory could not be set up.
    #[error("the database in memory could not be set up: {reason}")]
    Memory {
        /// The database's words.
        reason: String,
    },
    /// The file can't be used. It is left as it was found.
    #[error("{path} {problem}: {remedy}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The tables could not be listed.
    #[error("the database {problem}")]
    Tables {
        /// What is wrong with it.
        problem: String,
    },
    /// The table is missing or has no stream.
    #[error(
        "table {table} has no stream to read: {reason}; create it with StreamSpecification.StreamEnabled = true"
    )]
    NoStream {
        /// The table that was asked for.
        table: String,
        /// What was found instead.
        reason: String,
    },
    /// The stream did not give its records.
    #[error("the stream of table {table} could not be read: {reason}")]
    Read {
        /// The stream's table.
        table: String,
        /// The database's words.
        reason: String,
    },
    /// The sweep for expired items failed.
    #[error("expired items could not be swept: {reason}")]
    Sweep {
        /// The database's words.
        reason: String,
    },
}
