//! What this process, not a client of the API, may be refused.

use crate::store::StoreError;

/// Why the embedded DynamoDB could not do what this process (not a client of the API) asked.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// What the tables are kept in can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
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
