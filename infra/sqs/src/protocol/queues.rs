//! Operations on queues themselves: create, find, configure, tag, purge, delete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parts::{Listing, Nothing, page, queue_name, required};
use crate::address::check_name;
use crate::attributes::is_attribute_name;
use crate::error::SqsError;
use crate::moment::Moment;
use crate::state::State;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    queue_name: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    #[serde(rename = "tags")]
    tags: Option<BTreeMap<String, String>>,
}

/// Attributes that the request leaves out are not compared with those of an existing queue, as in AWS.
pub(super) fn create(state: &mut State, moment: Moment, request: CreateQueue) -> Result<UrlAnswer, SqsError> {
    let name = required(request.queue_name, "QueueName")?;
    check_name(&name)?;
    let existing = state.queues.get(&name).map(|queue| queue.configuration.clone());
    let is_new = existing.is_none();
    let tags = request.tags.unwrap_or_default();
    check_tags(&name, &tags)?;
    let mut configuration = existing.unwrap_or_default();
    configuration.set(&request.attributes.unwrap_or_default(), &state.address)?;
    state.create_queue(&name, configuration, moment)?;
    if is_new {
        state.queue(&name)?.change_tags(|kept| *kept = tags);
    }
    Ok(UrlAnswer {
        queue_url: state.address.url(&name),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UrlAnswer {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    queue_url: Option<String>,
}

pub(super) fn delete(state: &mut State, _: Moment, request: OfQueue) -> Result<Nothing, SqsError> {
    state.delete_queue(&queue_name(request.queue_url)?)?;
    Ok(Nothing {})
}

pub(super) fn purge(state: &mut State, _: Moment, request: OfQueue) -> Result<Nothing, SqsError> {
    state.queue(&queue_name(request.queue_url)?)?.purge();
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: Option<String>,
}

pub(super) fn url(state: &mut State, _: Moment, request: GetQueueUrl) -> Result<UrlAnswer, SqsError> {
    let name = required(request.queue_name, "QueueName")?;
    state.queue(&name)?;
    Ok(UrlAnswer {
        queue_url: state.address.url(&name),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    queue_name_prefix: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list(state: &mut State, _: Moment, request: ListQueues) -> Result<ListAnswer, SqsError> {
    let prefix = request.queue_name_prefix.unwrap_or_default();
    let names = state
        .queues
        .keys()
        .filter(|name| name.starts_with(&prefix))
        .cloned();
    let (names, next_token) = page(
        Listing::Queues(&prefix),
        names,
        request.max_results,
        request.next_token,
    )?;
    Ok(ListAnswer {
        queue_urls: urls(state, &names),
        next_token,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeadLetterSourceQueues {
    queue_url: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// The list is there even with nothing in it: it is a required member in AWS's model, and spelled with a small letter.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SourcesAnswer {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list_dead_letter_sources(
    state: &mut State,
    _: Moment,
    request: ListDeadLetterSourceQueues,
) -> Result<SourcesAnswer, SqsError> {
    let name = queue_name(request.queue_url)?;
    state.queue(&name)?;
    let sources = state.dead_letter_sources(&name).map(str::to_owned);
    let listing = Listing::DeadLetterSources(&name);
    let (names, next_token) = page(listing, sources, request.max_results, request.next_token)?;
    Ok(SourcesAnswer {
        queue_urls: urls(state, &names),
        next_token,
    })
}

fn urls(state: &State, names: &[String]) -> Vec<String> {
    names.iter().map(|name| state.address.url(name)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributesAnswer {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
}

pub(super) fn attributes(
    state: &mut State,
    moment: Moment,
    request: GetQueueAttributes,
) -> Result<AttributesAnswer, SqsError> {
    let name = queue_name(request.queue_url)?;
    let queue = state.settled_queue(&name, moment)?;
    let wanted = request.attribute_names.unwrap_or_default();
    if let Some(unknown) = wanted.iter().find(|wanted| !is_attribute_name(wanted)) {
        let hint = "No queue attribute has that name.";
        return Err(SqsError::InvalidAttributeName {
            name: unknown.clone(),
            hint,
        });
    }
    let counts = queue.counts();
    let told = [
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        (
            "ApproximateNumberOfMessagesNotVisible",
            counts.in_flight.to_string(),
        ),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", (queue.created_ms / 1000).to_string()),
        ("LastModifiedTimestamp", (queue.modified_ms / 1000).to_string()),
        ("QueueArn", state.address.arn(&name)),
    ];
    let mut attributes = state.queue(&name)?.configuration.clone().texts(&state.address);
    attributes.extend(told);
    if !wanted.iter().any(|wanted| wanted == "All") {
        attributes.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
    }
    Ok(AttributesAnswer { attributes })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    queue_url: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

pub(super) fn set_attributes(
    state: &mut State,
    moment: Moment,
    request: SetQueueAttributes,
) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    let changes = request.attributes.ok_or(SqsError::MissingParameter {
        parameter: "Attributes",
    })?;
    state.configure_queue(&name, &changes, moment)?;
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    queue_url: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) fn tag(state: &mut State, _: Moment, request: TagQueue) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    let queue = state.queue(&name)?;
    let tags = request.tags.filter(|tags| !tags.is_empty());
    let added = tags.ok_or(SqsError::MissingParameter { parameter: "Tags" })?;
    let mut tags = queue.tags().clone();
    tags.extend(added);
    check_tags(&name, &tags)?;
    queue.change_tags(|kept| *kept = tags);
    Ok(Nothing {})
}

/// The most tags of a queue, and the most characters of their keys and values.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html>
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

fn check_tags(queue: &str, tags: &BTreeMap<String, String>) -> Result<(), SqsError> {
    let refuse = |value: &str, reason: String| Err(SqsError::invalid("Tags", value, reason));
    if tags.len() > MAX_TAGS {
        let reason = format!("Too many tags added for queue {queue}: it can have {MAX_TAGS}.");
        return refuse(&tags.len().to_string(), reason);
    }
    for (key, value) in tags {
        if !(1..=MAX_TAG_KEY).contains(&key.chars().count()) {
            let reason = format!("Tag keys must be between 1 and {MAX_TAG_KEY} characters in length.");
            return refuse(key, reason);
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse(key, "Tag keys that start with aws: are AWS's own.".to_owned());
        }
        if value.chars().count() > MAX_TAG_VALUE {
            let reason = format!("Tag values must be at most {MAX_TAG_VALUE} characters in length.");
            return refuse(value, reason);
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagQueue {
    queue_url: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(super) fn untag(state: &mut State, _: Moment, request: UntagQueue) -> Result<Nothing, SqsError> {
    let queue = state.queue(&queue_name(request.queue_url)?)?;
    let keys = request.tag_keys.filter(|keys| !keys.is_empty());
    let keys = keys.ok_or(SqsError::MissingParameter { parameter: "TagKeys" })?;
    queue.change_tags(|tags| tags.retain(|key, _| !keys.contains(key)));
    Ok(Nothing {})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagsAnswer {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

pub(super) fn tags(state: &mut State, _: Moment, request: OfQueue) -> Result<TagsAnswer, SqsError> {
    let queue = state.queue(&queue_name(request.queue_url)?)?;
    Ok(TagsAnswer {
        tags: queue.tags().clone(),
    })
}
