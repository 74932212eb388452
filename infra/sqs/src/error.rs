//! Errors: what a request did wrong, and how the wire names it.
//!
//! SQS moved from the query protocol to JSON. A client sees two names for one error: the new one in
//! the body's `__type`, the old one in the `x-amzn-query-error` header, which SDKs prefer.

use thiserror::Error;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SqsError {
    /// No queue has that name, or it was deleted while the request waited.
    #[error("The specified queue does not exist: `{queue}`. Create it, or correct the end of the queue URL.")]
    QueueDoesNotExist {
        /// The name that was looked for.
        queue: String,
    },
    /// A queue of that name exists with other settings.
    #[error(
        "A queue named `{queue}` already exists with a different value for attribute {attribute}. Create it with \
         the same attributes, or change them with SetQueueAttributes."
    )]
    QueueNameExists {
        /// The queue's name.
        queue: String,
        /// The first attribute that differs.
        attribute: &'static str,
    },
    /// FIFO queues are another thing altogether, and none is kept here.
    #[error(
        "`{name}` asks for a FIFO queue. Only standard queues are supported: leave the `.fifo` suffix out."
    )]
    FifoQueue {
        /// The queue's name.
        name: String,
    },
    /// The operation, or a part of it, exists in SQS and not here; or it can't be done in this state.
    #[error("Unsupported operation: {reason}")]
    UnsupportedOperation {
        /// What was asked for, and what to do instead.
        reason: String,
    },
    /// The request names no operation of SQS, or one that is not for a queue's own address.
    #[error("The action {operation} is not valid for this endpoint.")]
    UnknownOperation {
        /// What followed `AmazonSQS.` in the target header, or the parameter `Action`.
        operation: String,
    },
    /// The request carries no signature.
    #[error("Request is missing Authentication Token: sign it, any access key will do.")]
    Unsigned,
    /// The body isn't what the operation takes.
    #[error("The request body can't be read: {reason}")]
    Serialization {
        /// What the parser met.
        reason: String,
    },
    /// A required member of the request is missing or empty.
    #[error("The request must contain the parameter {parameter}.")]
    MissingParameter {
        /// The member's name.
        parameter: &'static str,
    },
    /// A member of the request is out of its limits.
    #[error("Value {value} for parameter {parameter} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        /// The member's name.
        parameter: &'static str,
        /// What it was.
        value: String,
        /// What would be right.
        reason: String,
    },
    /// A queue has no attribute of that name, or it can't be set.
    #[error("Unknown Attribute {name}. {hint}")]
    InvalidAttributeName {
        /// The attribute's name.
        name: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A queue attribute is out of its limits.
    #[error("Invalid value `{value}` for the attribute {name}: {expected}.")]
    InvalidAttributeValue {
        /// The attribute's name.
        name: &'static str,
        /// What it was.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// The message holds a character that SQS doesn't carry.
    #[error(
        "Invalid binary character '#x{code_point:X}' was found in the {part}. Allowed are #x9 | #xA | #xD | #x20 \
         to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF; encode anything else, in Base64 for instance."
    )]
    InvalidMessageContents {
        /// The first such character.
        code_point: u32,
        /// Where it stood: the message body, or an attribute.
        part: String,
    },
    /// The receipt handle was not made by this queue.
    #[error(
        "The input receipt handle \"{receipt_handle}\" is not a valid receipt handle. Use the one of the latest \
         receive, on the queue it came from."
    )]
    ReceiptHandleIsInvalid {
        /// What was given.
        receipt_handle: String,
    },
    /// So many messages are received and not deleted that no more are handed out.
    #[error(
        "The queue `{queue}` has {limit} messages in flight, which is the limit. Delete messages once they are \
         processed."
    )]
    OverLimit {
        /// The queue's name.
        queue: String,
        /// The limit.
        limit: usize,
    },
    /// A permission with too many actions, or one permission too many.
    #[error("{limit} is the most {what}. Take some away, or set the queue's Policy.")]
    TooManyPermissions {
        /// What there would be too many of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A batch without an entry.
    #[error("There should be at least one entry in the request's batch.")]
    EmptyBatchRequest,
    /// A batch with more than ten entries.
    #[error("Maximum number of entries per request are 10. You have sent {entries}.")]
    TooManyEntriesInBatchRequest {
        /// How many there were.
        entries: usize,
    },
    /// Two entries of a batch have the same id.
    #[error("Id {id} repeated: the ids of a batch's entries must differ.")]
    BatchEntryIdsNotDistinct {
        /// The id that came twice.
        id: String,
    },
    /// An entry's id has the wrong form.
    #[error(
        "The batch entry id `{id}` is invalid: it can have 1 to 80 alphanumeric characters, hyphens and underscores."
    )]
    InvalidBatchEntryId {
        /// What was given.
        id: String,
    },
    /// The messages of a batch are too large together.
    #[error("Batch requests cannot be longer than {limit} bytes. You have sent {bytes} bytes.")]
    BatchRequestTooLong {
        /// The size of bodies and attributes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A message move task refers to a queue or a task that isn't there.
    #[error("The resource that you specified for the {parameter} parameter doesn't exist: `{value}`.")]
    ResourceNotFound {
        /// The member's name.
        parameter: &'static str,
        /// What it was.
        value: String,
    },
    /// The source has no message move task of that id, or has forgotten it.
    #[error(
        "Task does not exist: `{task}`. ListMessageMoveTasks tells the handle of the one that is running."
    )]
    NoSuchTask {
        /// The id in the task handle.
        task: String,
    },
}

/// How an error appears on the wire.
pub(crate) struct ErrorShape {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body's `__type`.
    pub(crate) type_name: &'static str,
    /// The code of the query protocol.
    pub(crate) query_code: &'static str,
}

impl SqsError {
    /// The code that the query protocol gave this error, which SDKs still report.
    pub fn code(&self) -> &'static str {
        self.shape().query_code
    }

    /// The names and status of this error. Modelled errors are in the service's namespace, general
    /// ones in that of AWS's framework.
    pub(crate) fn shape(&self) -> ErrorShape {
        let (status, type_name, query_code) = match self {
            Self::QueueDoesNotExist { .. } => (
                400,
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            Self::QueueNameExists { .. } => (400, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists"),
            Self::FifoQueue { .. } | Self::UnsupportedOperation { .. } => (
                400,
                "com.amazonaws.sqs#UnsupportedOperation",
                "AWS.SimpleQueueService.UnsupportedOperation",
            ),
            Self::UnknownOperation { .. } => (
                400,
                "com.amazon.coral.service#UnknownOperationException",
                "InvalidAction",
            ),
            Self::Unsigned => (
                403,
                "com.amazon.coral.service#MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
            ),
            Self::Serialization { .. } => (
                400,
                "com.amazon.coral.service#SerializationException",
                "SerializationException",
            ),
            Self::MissingParameter { .. } => (
                400,
                "com.amazon.coral.service#MissingRequiredParameterException",
                "MissingParameter",
            ),
            Self::InvalidParameterValue { .. } => (
                400,
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
            ),
            Self::InvalidAttributeName { .. } => (
                400,
                "com.amazonaws.sqs#InvalidAttributeName",
                "InvalidAttributeName",
            ),
            Self::InvalidAttributeValue { .. } => (
                400,
                "com.amazonaws.sqs#InvalidAttributeValue",
                "InvalidAttributeValue",
            ),
            Self::InvalidMessageContents { .. } => (
                400,
                "com.amazonaws.sqs#InvalidMessageContents",
                "InvalidMessageContents",
            ),
            Self::ReceiptHandleIsInvalid { .. } => (
                404,
                "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                "ReceiptHandleIsInvalid",
            ),
            Self::OverLimit { .. } | Self::TooManyPermissions { .. } => {
                (403, "com.amazonaws.sqs#OverLimit", "OverLimit")
            }
            Self::EmptyBatchRequest => (
                400,
                "com.amazonaws.sqs#EmptyBatchRequest",
                "AWS.SimpleQueueService.EmptyBatchRequest",
            ),
            Self::TooManyEntriesInBatchRequest { .. } => (
                400,
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::BatchEntryIdsNotDistinct { .. } => (
                400,
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            ),
            Self::InvalidBatchEntryId { .. } => (
                400,
                "com.amazonaws.sqs#InvalidBatchEntryId",
                "AWS.SimpleQueueService.InvalidBatchEntryId",
            ),
            Self::BatchRequestTooLong { .. } => (
                400,
                "com.amazonaws.sqs#BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
            ),
            Self::ResourceNotFound { .. } | Self::NoSuchTask { .. } => (
                404,
                "com.amazonaws.sqs#ResourceNotFoundException",
                "ResourceNotFoundException",
            ),
        };
        ErrorShape {
            status,
            type_name,
            query_code,
        }
    }

    /// An [`SqsError::InvalidParameterValue`] from anything that can be shown.
    pub(crate) fn invalid(
        parameter: &'static str,
        value: &(impl ToString + ?Sized),
        reason: impl Into<String>,
    ) -> Self {
        Self::InvalidParameterValue {
            parameter,
            value: value.to_string(),
            reason: reason.into(),
        }
    }
}
