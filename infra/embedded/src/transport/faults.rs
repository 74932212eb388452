//! What can go wrong between a function and a service, and who decides.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

use crate::wire::Service;

/// Decides about each call before it is sent.
#[async_trait]
pub trait Faults: Send + Sync {
    /// What is to happen to `call`. It may wait, for instance until another call has arrived.
    async fn before(&self, call: &Call) -> Fault;
}

/// A call on its way.
#[derive(Debug)]
pub struct Call {
    /// The name that the client was made for.
    pub caller: Arc<str>,
    /// The service that is called.
    pub service: Service,
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// How many calls the transport had seen before this one.
    pub number: u64,
    body: Bytes,
    parsed: OnceLock<Value>,
}

impl Call {
    pub(super) fn new(caller: Arc<str>, service: Service, operation: &str, number: u64, body: Bytes) -> Self {
        Self {
            caller,
            service,
            operation: operation.to_owned(),
            number,
            body,
            parsed: OnceLock::new(),
        }
    }

    /// The request's JSON, parsed when it is first asked for.
    pub fn request(&self) -> &Value {
        // What is no JSON is nobody's table or queue; the service is going to say what is wrong with it.
        self.parsed
            .get_or_init(|| serde_json::from_slice(&self.body).unwrap_or_default())
    }

    /// The table, the queue, the event bus or the group of schedules it is about; the first one of several.
    pub fn resource(&self) -> Option<&str> {
        let request = self.request();
        if self.service == Service::Scheduler {
            return request["GroupName"].as_str();
        }
        if self.service == Service::EventBridge {
            let of_entry = || request["Entries"][0]["EventBusName"].as_str();
            return request["EventBusName"].as_str().or_else(of_entry);
        }
        if self.service == Service::Sqs {
            let queue = request["QueueUrl"]
                .as_str()
                .or_else(|| request["QueueName"].as_str())?;
            return queue.rsplit('/').next();
        }
        let in_batch = || {
            request["RequestItems"]
                .as_object()?
                .keys()
                .next()
                .map(String::as_str)
        };
        let in_transaction = || {
            let actions = request["TransactItems"].as_array()?.first()?.as_object()?;
            actions.values().next()?["TableName"].as_str()
        };
        request["TableName"]
            .as_str()
            .or_else(in_batch)
            .or_else(in_transaction)
    }
}

/// What happens to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    #[default]
    None,
    /// It is refused and nothing happens.
    FailBefore(Failure),
    /// The connection is lost before the request arrives: nothing happens.
    DropRequest,
    /// It happens, and the connection is lost before the answer arrives.
    DropReply,
    /// It happens twice, and the second answer arrives.
    Twice,
    /// It happens after this time.
    Delay(Duration),
    /// A read that did not ask for consistency is answered as if the last so many writes to its partition
    /// had not reached the replica it read from. All others are answered as they are.
    ///
    /// It is done by cutting: a Query loses that many items at the end of its sort order, if this answer
    /// holds that end, and a `GetItem` finds nothing. That is true to streams of items that are only ever
    /// added; an item that was changed vanishes instead of showing its older state.
    StaleRead(usize),
    /// A `GetRecords` is answered with an empty page and an iterator to the same place, as a shard does now and
    /// then in its middle. All other calls are answered as they are.
    EmptyPage,
    /// No answer ever comes and nothing happens: the caller waits until its patience or its time is up.
    Never,
    /// The caller is killed before it sends: nothing happens, and nothing of what it was about to do does.
    /// Its task unwinds. That of an invocation ends with it, and the mapping counts it as crashed.
    CrashBefore,
    /// It happens, and the caller is killed before it learns that. See [`Fault::CrashBefore`].
    CrashAfter,
}

/// A refusal in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The value of `__type`, by which the SDK tells errors apart.
    pub error_type: String,
    /// The message.
    pub message: String,
}

impl Failure {
    /// Too many requests: the SDK tries again.
    pub fn throttled(service: Service) -> Self {
        match service {
            Service::Sqs => Self::new(
                400,
                "com.amazonaws.sqs#RequestThrottled",
                "The request was throttled.",
            ),
            Service::Scheduler => Self::new(429, "ThrottlingException", "Rate exceeded"),
            Service::EventBridge => Self::new(400, "ThrottlingException", "Rate exceeded"),
            Service::DynamoDb | Service::DynamoDbStreams => Self::new(
                400,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            ),
        }
    }

    /// A fault of the service: the SDK tries again.
    pub fn internal(service: Service) -> Self {
        match service {
            Service::Sqs => Self::new(500, "com.amazonaws.sqs#InternalFailure", "The request failed."),
            Service::Scheduler => Self::new(500, "InternalServerException", "Unexpected error"),
            Service::EventBridge => Self::new(
                500,
                "InternalException",
                "This exception occurs due to unexpected causes.",
            ),
            Service::DynamoDb | Service::DynamoDbStreams => Self::new(
                500,
                "com.amazonaws.dynamodb.v20120810#InternalServerError",
                "The request failed because of an unknown error.",
            ),
        }
    }

    /// Another transaction holds the item of this single write. (What a transaction itself gets is a
    /// `TransactionCanceledException` with reasons, which this shape of error does not hold.)
    pub fn transaction_conflict() -> Self {
        Self::new(
            400,
            "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "Transaction is ongoing for the item",
        )
    }

    fn new(status: u16, error_type: &str, message: &str) -> Self {
        Self {
            status,
            error_type: error_type.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// The answer to `call` as a replica gives it that has not seen the last `writes` yet.
pub(super) fn stale(call: &Call, answer: Response<Bytes>, writes: usize) -> Response<Bytes> {
    let request = call.request();
    let may_be_stale = request["ConsistentRead"] != true && answer.status().is_success() && writes > 0;
    let cut: fn(&Value, &mut Value, usize) = match call.operation.as_str() {
        "Query" if may_be_stale => cut_query,
        "GetItem" if may_be_stale => cut_item,
        _ => return answer,
    };
    let Ok(mut shown) = serde_json::from_slice(answer.body()) else {
        return answer;
    };
    cut(request, &mut shown, writes);
    let body = Bytes::from(shown.to_string());
    let checksum = crc32fast::hash(&body);
    let mut answer = answer.map(|_| body);
    answer.headers_mut().insert("x-amz-crc32", checksum.into());
    answer
}

/// An empty page of a shard in its middle, if `call` asks for a page.
pub(super) fn empty_page(call: &Call) -> Option<Value> {
    let iterator = call.request().get("ShardIterator")?;
    let asked = call.operation == "GetRecords";
    asked.then(|| serde_json::json!({ "Records": [], "NextShardIterator": iterator }))
}

fn cut_item(_request: &Value, answer: &mut Value, _writes: usize) {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("Item");
    }
}

fn cut_query(request: &Value, answer: &mut Value, writes: usize) {
    let backwards = request["ScanIndexForward"] == false;
    let holds_the_end = if backwards {
        request.get("ExclusiveStartKey").is_none_or(Value::is_null)
    } else {
        answer.get("LastEvaluatedKey").is_none_or(Value::is_null)
    };
    let Some(items) = answer["Items"].as_array_mut().filter(|_| holds_the_end) else {
        return;
    };
    let gone = writes.min(items.len());
    if backwards {
        items.drain(..gone);
    } else {
        items.truncate(items.len() - gone);
    }
    for count in ["Count", "ScannedCount"] {
        let counted = answer[count].as_u64().unwrap_or_default();
        answer[count] = counted.saturating_sub(gone as u64).into();
    }
}
