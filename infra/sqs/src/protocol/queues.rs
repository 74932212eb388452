//! Operations on queues themselves: create, find, configure, tag, purge, delete.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::{page, queue_name, required};
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
pub(super) fn create(state: &mut State, moment: Moment, request: CreateQueue) -> Result<Value, SqsError> {
    let name = required(request.queue_name, "QueueName")?;
    check_name(&name)?;
    let existing = state.queues.get(&name).map(|queue| queue.configuration.clone());
    let is_new = existing.is_none();
    let mut configuration = existing.unwrap_or_default();
    configuration.set(&request.attributes.unwrap_or_default(), &state.address)?;
    state.create_queue(&name, configuration, moment)?;
    if is_new {
        state
            .queue(&name)?
            .change_tags(|tags| *tags = request.tags.unwrap_or_default());
    }
    Ok(json!({ "QueueUrl": state.address.url(&name) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    queue_url: Option<String>,
}

pub(super) fn delete(state: &mut State, _: Moment, request: OfQueue) -> Result<Value, SqsError> {
    state.delete_queue(&queue_name(request.queue_url)?)?;
    Ok(json!({}))
}

pub(super) fn purge(state: &mut State, _: Moment, request: OfQueue) -> Result<Value, SqsError> {
    state.queue(&queue_name(request.queue_url)?)?.purge();
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: Option<String>,
}

pub(super) fn url(state: &mut State, _: Moment, request: GetQueueUrl) -> Result<Value, SqsError> {
    let name = required(request.queue_name, "QueueName")?;
    state.queue(&name)?;
    Ok(json!({ "QueueUrl": state.address.url(&name) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    queue_name_prefix: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list(state: &mut State, _: Moment, request: ListQueues) -> Result<Value, SqsError> {
    let prefix = request.queue_name_prefix.unwrap_or_default();
    let names = state
        .queues
        .keys()
        .filter(|name| name.starts_with(&prefix))
        .cloned();
    let (names, token) = page(names, request.max_results, request.next_token)?;
    Ok(queue_list(state, "QueueUrls", &names, token))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeadLetterSourceQueues {
    queue_url: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list_dead_letter_sources(
    state: &mut State,
    _: Moment,
    request: ListDeadLetterSourceQueues,
) -> Result<Value, SqsError> {
    let name = queue_name(request.queue_url)?;
    state.queue(&name)?;
    let sources = state.dead_letter_sources(&name).map(str::to_owned);
    let (names, token) = page(sources, request.max_results, request.next_token)?;
    // This one listing is spelled with a small letter in AWS's model.
    Ok(queue_list(state, "queueUrls", &names, token))
}

fn queue_list(state: &State, member: &str, names: &[String], token: Option<String>) -> Value {
    let urls: Vec<String> = names.iter().map(|name| state.address.url(name)).collect();
    let mut answer = json!({ member: urls });
    if let Some(token) = token {
        answer["NextToken"] = token.into();
    }
    answer
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
}

pub(super) fn attributes(
    state: &mut State,
    moment: Moment,
    request: GetQueueAttributes,
) -> Result<Value, SqsError> {
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
    Ok(if attributes.is_empty() {
        json!({})
    } else {
        json!({ "Attributes": attributes })
    })
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
) -> Result<Value, SqsError> {
    let name = queue_name(request.queue_url)?;
    let changes = request.attributes.ok_or(SqsError::MissingParameter {
        parameter: "Attributes",
    })?;
    state.configure_queue(&name, &changes, moment)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    queue_url: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) fn tag(state: &mut State, _: Moment, request: TagQueue) -> Result<Value, SqsError> {
    let queue = state.queue(&queue_name(request.queue_url)?)?;
    let tags = request.tags.filter(|tags| !tags.is_empty());
    let added = tags.ok_or(SqsError::MissingParameter { parameter: "Tags" })?;
    queue.change_tags(|tags| tags.extend(added));
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagQueue {
    queue_url: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(super) fn untag(state: &mut State, _: Moment, request: UntagQueue) -> Result<Value, SqsError> {
    let queue = state.queue(&queue_name(request.queue_url)?)?;
    let keys = request.tag_keys.filter(|keys| !keys.is_empty());
    let keys = keys.ok_or(SqsError::MissingParameter { parameter: "TagKeys" })?;
    queue.change_tags(|tags| tags.retain(|key, _| !keys.contains(key)));
    Ok(json!({}))
}

pub(super) fn tags(state: &mut State, _: Moment, request: OfQueue) -> Result<Value, SqsError> {
    let queue = state.queue(&queue_name(request.queue_url)?)?;
    Ok(if queue.tags().is_empty() {
        json!({})
    } else {
        json!({ "Tags": queue.tags() })
    })
}
