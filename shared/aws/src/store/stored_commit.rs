//! How a commit is stored: the item's attributes, in the table and in its stream.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{Commit, RecordedEvent, TraceHeader};
use serde::{Deserialize, Serialize};

use crate::client::failure::without_value;

/// A commit as its item holds it; the same for the table and for its stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredCommit {
    pub(super) stream_id: String,
    pub(super) revision: u64,
    pub(super) last_revision: u64,
    pub(super) commit_id: String,
    pub(super) committed_at: String,
    pub(super) events: Vec<StoredEvent>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) schema_version: u32,
    pub(super) correlation_id: String,
    pub(super) causation_id: String,
    pub(super) data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
}

impl StoredCommit {
    /// The form in which `commit` is stored.
    pub fn of(commit: &Commit) -> Self {
        let stored = |event: &RecordedEvent| StoredEvent {
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
            correlation_id: event.correlation_id.clone(),
            causation_id: event.causation_id.clone(),
            data: event.data.clone(),
            trace: event.trace.as_ref().map(ToString::to_string),
        };
        Self {
            stream_id: commit.stream.to_string(),
            revision: commit.revision,
            last_revision: commit.last_revision(),
            commit_id: commit.commit_id.to_string(),
            committed_at: commit.committed_at.to_string(),
            events: commit.events.iter().map(stored).collect(),
        }
    }

    /// The commit of an item as the SDK shows it, or what is wrong with the item.
    pub fn read(item: HashMap<String, AttributeValue>) -> Result<Commit, String> {
        serde_dynamo::aws_sdk_dynamodb_1::from_item::<Self>(item)
            .map_err(|error| without_value(&error))?
            .into_commit()
    }

    /// The commit, or what is wrong with the item.
    pub fn into_commit(self) -> Result<Commit, String> {
        let events: Vec<_> = (self.revision..)
            .zip(self.events)
            .map(|(revision, event)| RecordedEvent {
                event_id: event.event_id,
                revision,
                event_type: event.event_type,
                schema_version: event.schema_version,
                data: event.data,
                correlation_id: event.correlation_id,
                causation_id: event.causation_id,
                trace: event.trace.as_deref().and_then(TraceHeader::passed_on),
            })
            .collect();
        let commit = Commit {
            stream: self
                .stream_id
                .parse()
                .map_err(|_| "stream_id has no category".to_owned())?,
            revision: self.revision,
            commit_id: self
                .commit_id
                .parse()
                .map_err(|_| "commit_id is not a UUID".to_owned())?,
            committed_at: self
                .committed_at
                .parse()
                .map_err(|_| "committed_at is not a timestamp".to_owned())?,
            events,
        };
        if commit.events.is_empty() {
            return Err("it holds no event".to_owned());
        }
        if self.last_revision != commit.last_revision() {
            return Err(format!(
                "last_revision is {}, but its events end at {}",
                self.last_revision,
                commit.last_revision()
            ));
        }
        Ok(commit)
    }
}
