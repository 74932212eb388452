//! Why a stack can't start, or ended.

use std::path::PathBuf;

use aws_adapters::RepublishError;
use embedded_aws::dynamodb::DynamoDbError;
use embedded_aws::mapping::MappingError;
use embedded_aws::{EarlierFileError, StoreError};
use embedded_sqs::SqsError;

use crate::folder::FolderError;

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The folder for the tables can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder holds a stack whose name is the same but for case.
    #[error(
        "the folder {folder} holds the tables of stack {held}, and names that differ only in case can't be told \
         apart there: start with --stack {held}, or give stack {asked} a folder of its own",
        folder = .folder.display()
    )]
    NameButForCase {
        /// The folder.
        folder: PathBuf,
        /// The stack whose tables are there.
        held: String,
        /// The stack that was asked for.
        asked: String,
    },
    /// The database can't be used.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// The file in which all is kept can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of an earlier version can't be taken up.
    #[error(transparent)]
    EarlierFile(#[from] EarlierFileError),
    /// What is written can't be kept any more. All that was acknowledged is.
    #[error(
        "{0}. What was acknowledged until then is kept: see to the disk, and start again with the same folder"
    )]
    NotKept(String),
    /// A table could not be created.
    #[error("a table could not be created: {0}")]
    Table(String),
    /// A queue could not be created.
    #[error("queue {queue} could not be created: {source}")]
    Queue {
        /// The queue.
        queue: String,
        /// Why.
        source: SqsError,
    },
    /// A mapping ended by itself.
    #[error("the mapping of {function} ended: {source}")]
    Mapping {
        /// The function.
        function: String,
        /// Why.
        source: MappingError,
    },
    /// A mapping panicked, which is a fault of this program.
    #[error("a mapping crashed: {0}")]
    Crashed(String),
    /// What a folder held could not be published again.
    #[error("the stored events could not be published again: {0}")]
    Republish(#[from] RepublishError),
}
