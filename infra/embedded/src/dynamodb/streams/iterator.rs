//! A shard iterator: a place in a shard, good for a quarter of an hour.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::base64;
use serde::{Deserialize, Serialize};

/// For how long one is good
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html>).
const GOOD_FOR: Duration = Duration::from_mins(15);

/// A place in a stream's one shard. Clients see the stream's ARN, a version, and the rest as text that is
/// none of their business, as at AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    /// The stream.
    pub stream: String,
    /// The number of the last record before it.
    pub position: i64,
    /// When it was given out, in milliseconds since the Unix epoch.
    given: u64,
}

#[derive(Serialize, Deserialize)]
struct Place {
    position: i64,
    given: u64,
}

impl ShardIterator {
    pub fn new(stream: impl Into<String>, position: i64, now: SystemTime) -> Self {
        Self {
            stream: stream.into(),
            position,
            given: milliseconds(now),
        }
    }

    pub fn has_expired(&self, now: SystemTime) -> bool {
        milliseconds(now).saturating_sub(self.given) >= milliseconds(UNIX_EPOCH + GOOD_FOR)
    }

    pub fn to_text(&self) -> String {
        let Self {
            stream,
            position,
            given,
        } = self;
        let place = format!(r#"{{"position":{position},"given":{given}}}"#);
        format!("{stream}|1|{}", base64::encode(place))
    }

    pub fn read(text: &str) -> Option<Self> {
        let (stream, place) = text.split_once("|1|")?;
        let Place { position, given } = serde_json::from_slice(&base64::decode(place).ok()?).ok()?;
        Some(Self {
            stream: stream.to_owned(),
            position,
            given,
        })
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
