//! The service's JSON protocol: the operation's name stands in a header, all else in the body.

use embedded_sqs::Sqs;
use serde_json::{Value, json};

use super::EventBridge;
use super::pattern::Pattern;
use super::refused::Refused;
use super::request::{required, text};

/// What a request is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON.
    pub body: Value,
}

/// The operations that are embedded here, for whoever asks for another one.
const SERVED: &str = "PutEvents, TestEventPattern, PutRule, DescribeRule, ListRules, EnableRule, DisableRule, \
                      DeleteRule, PutTargets, ListTargetsByRule, RemoveTargets, CreateEventBus, DescribeEventBus, \
                      ListEventBuses and DeleteEventBus";

impl EventBridge {
    /// Answers one request, on the queues of `sqs`.
    pub fn handle(&self, operation: &str, body: &[u8], sqs: &Sqs) -> Answer {
        let request = if body.is_empty() {
            Some(json!({}))
        } else {
            serde_json::from_slice(body).ok().filter(Value::is_object)
        };
        let answer = match request {
            Some(request) => self.carry_out(operation, &request, sqs),
            None => Err(Refused::Invalid("the body is no JSON object".to_owned())),
        };
        answer.map_or_else(refusal, |body| Answer { status: 200, body })
    }

    fn carry_out(&self, operation: &str, request: &Value, sqs: &Sqs) -> Result<Value, Refused> {
        match operation {
            "PutEvents" => self.put_events(request, sqs),
            "TestEventPattern" => test_event_pattern(request),
            "PutRule" => self.put_rule(request),
            "DescribeRule" => self.describe_rule(request),
            "ListRules" => self.list_rules(request),
            "EnableRule" => self.switch_rule(request, true),
            "DisableRule" => self.switch_rule(request, false),
            "DeleteRule" => self.delete_rule(request),
            "PutTargets" => self.put_targets(request),
            "ListTargetsByRule" => self.list_targets(request),
            "RemoveTargets" => self.remove_targets(request),
            "CreateEventBus" => self.create_event_bus(request),
            "DescribeEventBus" => self.describe_event_bus(request),
            "ListEventBuses" => self.list_event_buses(request),
            "DeleteEventBus" => self.delete_event_bus(request),
            _ => Err(Refused::NotServed(format!(
                "{operation} is not served here; {SERVED} are"
            ))),
        }
    }
}

fn test_event_pattern(request: &Value) -> Result<Value, Refused> {
    let pattern = required(text(request, "EventPattern")?, "eventPattern")?;
    let event = required(text(request, "Event")?, "event")?;
    let pattern = Pattern::read(&pattern).map_err(Refused::InvalidPattern)?;
    let event: Value = serde_json::from_str(&event)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| "Parameter Event is not valid.".to_owned())?;
    Ok(json!({ "Result": pattern.matches(&event) }))
}

fn refusal(refused: Refused) -> Answer {
    let (status, error_type, message) = match refused {
        Refused::Invalid(message) => (400, "ValidationException", message),
        Refused::InvalidPattern(why) => (
            400,
            "InvalidEventPatternException",
            format!("Event pattern is not valid. Reason: {why}"),
        ),
        Refused::NotFound(message) => (400, "ResourceNotFoundException", message),
        Refused::AlreadyExists(message) => (400, "ResourceAlreadyExistsException", message),
        Refused::TooMany(message) => (400, "LimitExceededException", message),
        Refused::NotServed(message) => (400, "UnknownOperationException", message),
    };
    Answer {
        status,
        body: json!({ "__type": error_type, "message": message }),
    }
}
