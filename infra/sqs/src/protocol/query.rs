//! The Query protocol, version 2012-11-05: a form in, XML out. SDKs and CLIs spoke it with SQS until the end of 2023.
//!
//! A form has no nesting, so that its names spell out where a value belongs: `MessageAttribute.2.Value.StringValue`.
//! They are read into the tree that the JSON protocol would have brought, and an answer's tree is written as XML: the
//! tables below are all that the two protocols differ in. Lists and maps are flat in both directions.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html>,
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::operations::{Protocol, apply, known};
use super::xml::Xml;
use crate::error::SqsError;
use crate::service::Sqs;
use crate::totals::Operation;

pub(super) const VERSION: &str = "2012-11-05";
const CONTENT_TYPE: &str = "text/xml";
const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// Lists in requests: a value's name, numbered, and the member that it belongs to.
const LISTS: [(&str, &str); 11] = [
    ("AWSAccountId", "AWSAccountIds"),
    ("ActionName", "Actions"),
    ("AttributeName", "AttributeNames"),
    ("BinaryListValue", "BinaryListValues"),
    ("ChangeMessageVisibilityBatchRequestEntry", "Entries"),
    ("DeleteMessageBatchRequestEntry", "Entries"),
    ("MessageAttributeName", "MessageAttributeNames"),
    ("MessageSystemAttributeName", "MessageSystemAttributeNames"),
    ("SendMessageBatchRequestEntry", "Entries"),
    ("StringListValue", "StringListValues"),
    ("TagKey", "TagKeys"),
];

/// Maps in requests and answers: an entry's name, what its key is called, and the member.
const MAPS: [(&str, &str, &str); 4] = [
    ("Attribute", "Name", "Attributes"),
    ("MessageAttribute", "Name", "MessageAttributes"),
    ("MessageSystemAttribute", "Name", "MessageSystemAttributes"),
    ("Tag", "Key", "Tags"),
];

/// What is a number and no text.
const NUMBERS: [&str; 6] = [
    "DelaySeconds",
    "MaxNumberOfMessages",
    "MaxNumberOfMessagesPerSecond",
    "MaxResults",
    "VisibilityTimeout",
    "WaitTimeSeconds",
];

/// Operations whose answer has no result, not even an empty one.
const WITHOUT_RESULT: [Operation; 9] = [
    Operation::AddPermission,
    Operation::ChangeMessageVisibility,
    Operation::DeleteMessage,
    Operation::DeleteQueue,
    Operation::PurgeQueue,
    Operation::RemovePermission,
    Operation::SetQueueAttributes,
    Operation::TagQueue,
    Operation::UntagQueue,
];

/// Operations that are not on a queue, and so not at its address.
const ON_NO_QUEUE: [Operation; 2] = [Operation::CreateQueue, Operation::ListQueues];

/// A request of this protocol.
pub(super) struct Call<'a> {
    /// `Action`.
    pub(super) action: &'a str,
    /// All parameters, in the order in which they came.
    pub(super) parameters: &'a [(String, String)],
    /// The path that was asked; a queue's own stands for its `QueueUrl`.
    pub(super) path: &'a str,
    pub(super) trace_header: Option<&'a str>,
    pub(super) request_id: &'a str,
}

/// Answers one request, whatever it holds.
pub(super) async fn answer(sqs: &Sqs, call: Call<'_>) -> Answer {
    let at_queue = call.path.trim_matches('/').contains('/');
    let operation = known(call.action).and_then(|operation| match operation {
        at_no_queue if at_queue && ON_NO_QUEUE.contains(&at_no_queue) => Err(SqsError::UnknownOperation {
            operation: call.action.to_owned(),
        }),
        operation => Ok(operation),
    });
    let outcome = match operation {
        Ok(operation) => {
            let form = Form {
                operation,
                call: &call,
                at_queue,
            };
            apply(sqs, operation, &form).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(body) => Answer {
            status: 200,
            content_type: CONTENT_TYPE,
            body,
            error_type: None,
        },
        Err(error) => refusal(&error, call.request_id),
    }
}

/// What a refused request is answered with.
pub(super) fn refusal(error: &SqsError, request_id: &str) -> Answer {
    let shape = error.shape();
    let mut xml = Xml::new();
    xml.open_in(NAMESPACE, "ErrorResponse");
    xml.element("Error", |xml| {
        xml.text("Type", "Sender");
        xml.text("Code", shape.query_code);
        xml.text("Message", &words(error));
        xml.element("Detail", |_| {});
    });
    xml.text("RequestId", request_id);
    xml.close("ErrorResponse");
    Answer {
        status: shape.status,
        content_type: CONTENT_TYPE,
        body: xml.into_bytes(),
        error_type: None,
    }
}

/// An error as this protocol puts it: one of them it has its own words for.
fn words(error: &SqsError) -> String {
    let text = error.to_string();
    match error {
        SqsError::QueueDoesNotExist { .. } => {
            text.replacen("does not exist", "does not exist for this wsdl version", 1)
        }
        _ => text,
    }
}

struct Form<'a> {
    operation: Operation,
    call: &'a Call<'a>,
    at_queue: bool,
}

impl Protocol for Form<'_> {
    fn read<Request: DeserializeOwned>(&self) -> Result<Request, SqsError> {
        let mut tree = Node::default();
        for (name, value) in self.call.parameters {
            tree.put(name, value);
        }
        let mut members = tree.structure()?;
        // This one member is spelled with a small letter in AWS's model.
        if self.operation == Operation::CreateQueue
            && let Some(tags) = members.remove("Tags")
        {
            members.insert("tags".to_owned(), tags);
        }
        if self.at_queue {
            members.entry("QueueUrl").or_insert_with(|| self.call.path.into());
        }
        serde_json::from_value(Value::Object(members)).map_err(|error| SqsError::Serialization {
            reason: error.to_string(),
        })
    }

    fn write(&self, answer: &impl Serialize) -> Vec<u8> {
        let answer = serde_json::to_value(answer)
            .expect("answers have names for keys, and nothing in them fails to be written");
        let name = self.operation.name();
        let response = format!("{name}Response");
        let mut xml = Xml::new();
        xml.open_in(NAMESPACE, &response);
        if !WITHOUT_RESULT.contains(&self.operation) {
            xml.element(&format!("{name}Result"), |xml| {
                self.structure(xml, &answer);
            });
        }
        xml.element("ResponseMetadata", |xml| {
            xml.text("RequestId", self.call.request_id);
        });
        xml.close(&response);
        xml.into_bytes()
    }

    fn trace_header(&self) -> Option<&str> {
        self.call.trace_header
    }
}

impl Form<'_> {
    fn structure(&self, xml: &mut Xml, members: &Value) {
        for (name, value) in members.as_object().into_iter().flatten() {
            self.member(xml, name, value);
        }
    }

    fn member(&self, xml: &mut Xml, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                let element = self.element_of(name);
                for item in items {
                    self.member(xml, &element, item);
                }
            }
            Value::Object(entries) => match MAPS.iter().find(|(_, _, member)| *member == name) {
                Some((entry, key_name, _)) => {
                    for (key, value) in entries {
                        xml.element(entry, |xml| {
                            xml.text(key_name, key);
                            self.member(xml, "Value", value);
                        });
                    }
                }
                None => xml.element(name, |xml| self.structure(xml, value)),
            },
            Value::String(text) => xml.text(name, text),
            Value::Number(_) | Value::Bool(_) => xml.text(name, &value.to_string()),
        }
    }

    /// What each item of a list in an answer is called.
    fn element_of(&self, list: &str) -> String {
        let operation = self.operation.name();
        match list {
            "Failed" => "BatchResultErrorEntry".to_owned(),
            "Messages" => "Message".to_owned(),
            "QueueUrls" | "queueUrls" => "QueueUrl".to_owned(),
            _ => format!("{operation}ResultEntry"),
        }
    }
}

/// Parameters by what their names have in common.
#[derive(Default)]
struct Node {
    text: Option<String>,
    parts: BTreeMap<String, Node>,
}

impl Node {
    /// A member's value in an entry of a batch is this deep, `StringListValue` not least. What is deeper is unknown.
    const DEEPEST: usize = 8;

    fn put(&mut self, name: &str, value: &str) {
        let mut node = self;
        for part in name.splitn(Self::DEEPEST, '.') {
            node = node.parts.entry(part.to_owned()).or_default();
        }
        node.text = Some(value.to_owned());
    }

    /// The members of a structure, as JSON has them.
    fn structure(self) -> Result<Map<String, Value>, SqsError> {
        let mut members = Map::new();
        for (name, node) in self.parts {
            if let Some((_, member)) = LISTS.iter().find(|(item, _)| *item == name) {
                let items = node.numbered().into_iter().map(|item| item.value(&name));
                members.insert((*member).to_owned(), items.collect::<Result<_, _>>()?);
            } else if let Some((_, key, member)) = MAPS.iter().find(|(entry, _, _)| *entry == name) {
                members.insert((*member).to_owned(), node.map(key, member)?);
            } else if !is_empty_list(&name, &node) {
                members.insert(name.clone(), node.value(&name)?);
            }
        }
        Ok(members)
    }

    fn value(self, name: &str) -> Result<Value, SqsError> {
        match self.text {
            Some(text) if self.parts.is_empty() => scalar(name, text),
            _ => self.structure().map(Value::Object),
        }
    }

    fn map(self, key_name: &str, member: &'static str) -> Result<Value, SqsError> {
        let mut map = Map::new();
        for mut entry in self.numbered() {
            let key = entry.parts.remove(key_name).and_then(|key| key.text);
            let key = key.unwrap_or_default();
            let value = entry.parts.remove("Value").unwrap_or_default();
            if map.contains_key(&key) {
                return Err(SqsError::invalid(member, &key, "The name is given twice."));
            }
            map.insert(key, value.value("Value")?);
        }
        Ok(Value::Object(map))
    }

    /// The parts `1`, `2`, … in this order. What came without a number is the only one, as AWS's first clients wrote it.
    fn numbered(self) -> Vec<Self> {
        let mut numbered = BTreeMap::new();
        let mut rest = Self {
            text: self.text,
            parts: BTreeMap::new(),
        };
        for (name, part) in self.parts {
            match name.parse::<u32>() {
                Ok(number) => drop(numbered.insert(number, part)),
                Err(_) => drop(rest.parts.insert(name, part)),
            }
        }
        if numbered.is_empty()
            && (rest.text.as_ref().is_some_and(|text| !text.is_empty()) || !rest.parts.is_empty())
        {
            return vec![rest];
        }
        numbered.into_values().collect()
    }
}

/// Clients write a list without items as its member's name and no value.
fn is_empty_list(name: &str, node: &Node) -> bool {
    let is_list = LISTS.iter().any(|(_, member)| *member == name);
    is_list && node.parts.is_empty()
}

fn scalar(name: &str, text: String) -> Result<Value, SqsError> {
    match NUMBERS.into_iter().find(|number| *number == name) {
        None => Ok(text.into()),
        Some(parameter) => match text.parse::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(SqsError::invalid(parameter, &text, "Must be a whole number.")),
        },
    }
}
