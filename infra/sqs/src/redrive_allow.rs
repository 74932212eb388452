//! Who may give its dead letters to a queue: the attribute `RedriveAllowPolicy`.

use serde_json::Value;

/// The most sources that can be named; more than that are allowed by allowing all.
const MAX_SOURCES: usize = 10;

/// Which queues may name this one as their dead-letter queue.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RedriveAllow {
    #[default]
    All,
    None,
    /// Those with these ARNs.
    Queues(Vec<String>),
}

impl RedriveAllow {
    /// Reads `{"redrivePermission": …, "sourceQueueArns": […]}`; the error says what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::All);
        }
        let policy: Value =
            serde_json::from_str(text).map_err(|error| format!("it must be JSON ({error})"))?;
        let sources = sources(&policy)?;
        match (policy["redrivePermission"].as_str(), sources) {
            (Some("allowAll"), None) => Ok(Self::All),
            (Some("denyAll"), None) => Ok(Self::None),
            (Some("allowAll" | "denyAll"), Some(_)) => {
                Err("sourceQueueArns go with the redrivePermission byQueue only".to_owned())
            }
            (Some("byQueue"), Some(sources)) if (1..=MAX_SOURCES).contains(&sources.len()) => {
                Ok(Self::Queues(sources))
            }
            (Some("byQueue"), _) => Err(format!("byQueue needs 1 to {MAX_SOURCES} sourceQueueArns")),
            _ => Err("redrivePermission must be allowAll, denyAll or byQueue".to_owned()),
        }
    }

    /// Whether the queue with this ARN may give its dead letters here.
    pub(crate) fn allows(&self, source_arn: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Queues(arns) => arns.iter().any(|arn| arn == source_arn),
        }
    }
}

fn sources(policy: &Value) -> Result<Option<Vec<String>>, String> {
    match policy.get("sourceQueueArns") {
        None => Ok(None),
        Some(Value::Array(arns)) => {
            let arns = arns.iter().map(|arn| arn.as_str().map(str::to_owned));
            let arns: Option<Vec<_>> = arns.collect();
            arns.map(Some)
                .ok_or_else(|| "sourceQueueArns must be a list of ARNs".to_owned())
        }
        Some(_) => Err("sourceQueueArns must be a list of ARNs".to_owned()),
    }
}
