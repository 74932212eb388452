//! Reads a page of a query straight into commits.
//!
//! The SDK makes a map of each item, and a map of each event in it, before anything can be made of them, and that takes
//! most of the time of a load. An interceptor puts a reader in place of the SDK's for one operation, which reads the
//! answer's JSON as the commits that it is. All else, an error or an item that is no commit, it hands to the SDK's own
//! reader, so that nothing is told in other words.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::mem;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::operation::query::{Query, QueryOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Output, OutputOrError,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer};
use eventsourcing::Commit;
use serde::{Deserialize, Deserializer, de};

use crate::store::stored_commit::{StoredCommit, StoredEvent};

/// Takes in the commits of one page, whose [`QueryOutput`] then holds no items. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitPage {
    commits: Arc<Mutex<Vec<Commit>>>,
}

impl CommitPage {
    /// The commits of the last page that was read straight.
    pub(crate) fn take(&self) -> Vec<Commit> {
        mem::take(&mut *self.commits())
    }

    fn commits(&self) -> MutexGuard<'_, Vec<Commit>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for CommitPage {
    fn name(&self) -> &'static str {
        "CommitPage"
    }

    fn modify_before_deserialization(
        &self,
        _context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state()
            .store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for CommitPage {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        cfg: &ConfigBag,
    ) -> OutputOrError {
        // An attempt that came to nothing may have left some.
        self.commits().clear();
        let body = response.body().bytes().filter(|_| response.status().is_success());
        let Some((commits, last_key)) = body.and_then(read) else {
            return by_the_sdk(response, cfg);
        };
        *self.commits() = commits;
        let output = QueryOutput::builder().set_last_evaluated_key(last_key).build();
        Ok(Output::erase(output))
    }
}

/// As the SDK reads the answer.
fn by_the_sdk(response: &HttpResponse, cfg: &ConfigBag) -> OutputOrError {
    static QUERY: LazyLock<Option<FrozenLayer>> = LazyLock::new(|| Query::new().config());
    QUERY
        .as_ref()
        .and_then(|query| query.load::<SharedResponseDeserializer>())
        .expect("each operation of the SDK has a reader of its answers")
        .deserialize_nonstreaming_with_config(response, cfg)
}

type Key = HashMap<String, AttributeValue>;

/// The commits of a page and the key to go on after; `None` if anything is not as commits are written.
fn read(body: &[u8]) -> Option<(Vec<Commit>, Option<Key>)> {
    let page: Page = serde_json::from_slice(body).ok()?;
    let commits = page.items.into_iter().map(|item| item.into_commit().ok());
    let last_key = page.last_key.map(|key| {
        let key = key.into_iter().map(|(name, value)| (name, value.into()));
        key.collect()
    });
    Some((commits.collect::<Option<_>>()?, last_key))
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Items", default)]
    items: Vec<Item>,
    #[serde(rename = "LastEvaluatedKey")]
    last_key: Option<HashMap<String, KeyValue>>,
}

/// [`StoredCommit`] as the protocol writes it: each value beneath the letter of its type.
#[derive(Deserialize)]
struct Item {
    stream_id: Text,
    revision: Number<u64>,
    last_revision: Number<u64>,
    commit_id: Text,
    committed_at: Text,
    events: List<Map<Entry>>,
}

/// [`StoredEvent`] the same.
#[derive(Deserialize)]
struct Entry {
    event_id: Text,
    event_type: Text,
    schema_version: Number<u32>,
    correlation_id: Text,
    causation_id: Text,
    data: Text,
    trace: Option<Text>,
}

#[derive(Deserialize)]
enum Text {
    S(String),
}

#[derive(Deserialize)]
#[serde(bound = "T: FromStr<Err: Display>")]
enum Number<T> {
    N(#[serde(deserialize_with = "parsed")] T),
}

#[derive(Deserialize)]
enum List<T> {
    L(Vec<T>),
}

#[derive(Deserialize)]
enum Map<T> {
    M(T),
}

#[derive(Deserialize)]
enum KeyValue {
    S(String),
    N(String),
}

impl Item {
    fn into_commit(self) -> Result<Commit, String> {
        let List::L(events) = self.events;
        let stored = StoredCommit {
            stream_id: self.stream_id.into(),
            revision: self.revision.value(),
            last_revision: self.last_revision.value(),
            commit_id: self.commit_id.into(),
            committed_at: self.committed_at.into(),
            events: events.into_iter().map(|Map::M(event)| event.into()).collect(),
        };
        stored.into_commit()
    }
}

impl From<Entry> for StoredEvent {
    fn from(event: Entry) -> Self {
        Self {
            event_id: event.event_id.into(),
            event_type: event.event_type.into(),
            schema_version: event.schema_version.value(),
            correlation_id: event.correlation_id.into(),
            causation_id: event.causation_id.into(),
            data: event.data.into(),
            trace: event.trace.map(String::from),
        }
    }
}

impl From<Text> for String {
    fn from(Text::S(text): Text) -> Self {
        text
    }
}

impl<T> Number<T> {
    fn value(self) -> T {
        let Self::N(value) = self;
        value
    }
}

impl From<KeyValue> for AttributeValue {
    fn from(value: KeyValue) -> Self {
        match value {
            KeyValue::S(text) => Self::S(text),
            KeyValue::N(number) => Self::N(number),
        }
    }
}

fn parsed<'de, D, T>(number: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let number = Cow::<'de, str>::deserialize(number)?;
    number.parse().map_err(de::Error::custom)
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A page of two commits, the second of two events, as `DynamoDB` answers.
    fn page() -> Value {
        let text = |text: &str| json!({ "S": text });
        let number = |number: u64| json!({ "N": number.to_string() });
        let event = |revision: u64| {
            json!({ "M": { "event_id": text(&format!("e-{revision}")), "event_type": text("Noted"),
                "schema_version": number(1), "correlation_id": text("c"), "causation_id": text("k"),
                "data": text("{\"text\":\"a \\\"quoted\\\" \u{1F600}\"}") } })
        };
        let commit = |revision: u64, events: Vec<Value>| {
            json!({ "stream_id": text("note-1"), "revision": number(revision),
                "last_revision": number(revision + events.len() as u64 - 1),
                "commit_id": text(&uuid::Uuid::from_u128(revision.into()).to_string()),
                "committed_at": text("2026-11-23T08:00:01.204Z"), "events": { "L": events } })
        };
        json!({ "Count": 2, "ScannedCount": 2,
            "Items": [commit(1, vec![event(1)]), commit(2, vec![event(2), event(3)])],
            "LastEvaluatedKey": { "stream_id": text("note-1"), "revision": number(2) } })
    }

    fn read_page(page: &Value) -> Option<(Vec<Commit>, Option<Key>)> {
        read(page.to_string().as_bytes())
    }

    #[test]
    fn a_page_is_read_as_the_commits_that_were_stored() {
        let (commits, key) = read_page(&page()).unwrap();
        let stored: Vec<_> = commits
            .iter()
            .map(|commit| json!(StoredCommit::of(commit)))
            .collect();
        assert_eq!(
            stored[0]["events"][0]["data"],
            "{\"text\":\"a \\\"quoted\\\" \u{1F600}\"}"
        );
        assert_eq!(stored[1]["last_revision"], 3);
        assert_eq!(stored[1]["events"][1]["event_id"], "e-3");
        assert_eq!(commits[1].events[1].revision, 3);
        let key = key.unwrap();
        assert_eq!(key["stream_id"], AttributeValue::S("note-1".into()));
        assert_eq!(key["revision"], AttributeValue::N("2".into()));
    }

    #[test]
    fn what_more_an_item_holds_and_a_trace_are_read_as_well() {
        let mut page = page();
        page["Items"][0]["expires"] = json!({ "N": "1" });
        page["Items"][0]["events"]["L"][0]["M"]["note"] = json!({ "SS": ["a"] });
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        page["Items"][0]["events"]["L"][0]["M"]["trace"] = json!({ "S": trace });
        page["LastEvaluatedKey"].take();
        let (commits, key) = read_page(&page).unwrap();
        assert_eq!(commits[0].events[0].trace.as_ref().unwrap().to_string(), trace);
        assert_eq!(key, None);
    }

    #[test]
    fn a_page_with_anything_else_is_left_to_the_sdk() {
        let changed = |pointer: &str, value: Value| {
            let mut page = page();
            *page.pointer_mut(pointer).unwrap() = value;
            page
        };
        let others = [
            changed("/Items/0/revision", json!({ "S": "1" })),
            changed("/Items/0/revision", json!({ "N": "1.5" })),
            changed("/Items/0/revision", json!({ "N": "1", "S": "1" })),
            changed("/Items/0/commit_id", json!({ "S": "no UUID" })),
            changed("/Items/0/committed_at", json!({ "S": "yesterday" })),
            changed("/Items/0/stream_id", json!({ "NULL": true })),
            changed("/Items/1/last_revision", json!({ "N": "4" })),
            changed("/Items/1/events", json!({ "L": [] })),
            changed("/Items/1/events/L/0/M/data", json!({ "M": {} })),
            changed("/LastEvaluatedKey/revision", json!({ "B": "AA==" })),
            json!({ "Items": [{}] }),
            json!("no page"),
        ];
        for page in others {
            assert!(read_page(&page).is_none(), "{page}");
        }
        assert!(read(b"").is_none());
    }
}
