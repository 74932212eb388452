//! Parts that many requests and answers have: members, batches, pages.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::name_in_url;
use crate::encoding::{from_base64, to_base64};
use crate::error::SqsError;
use crate::message::check_batch_length;

/// A member that a request can't do without. Empty text is no value either.
pub(super) fn required(value: Option<String>, parameter: &'static str) -> Result<String, SqsError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or(SqsError::MissingParameter { parameter })
}

/// The queue that a request's URL stands for.
pub(super) fn queue_name(url: Option<String>) -> Result<String, SqsError> {
    let url = required(url, "QueueUrl")?;
    Ok(name_in_url(&url).to_owned())
}

/// Seconds of the wire. Upper limits are the business of whoever takes the duration.
pub(super) fn seconds(parameter: &'static str, value: i64) -> Result<Duration, SqsError> {
    let seconds = u64::try_from(value);
    let seconds =
        seconds.map_err(|_| SqsError::invalid(parameter, &value, "Must be >= 0 seconds, if provided."))?;
    Ok(Duration::from_secs(seconds))
}

/// An answer without members.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// An entry of a batch, as far as every batch looks at it.
pub(super) trait Entry {
    fn id(&mut self) -> Option<String>;
}

/// The entries with their ids, if the batch as a whole is in order.
pub(super) fn checked_batch<E: Entry>(entries: Option<Vec<E>>) -> Result<Vec<(String, E)>, SqsError> {
    let entries = entries.unwrap_or_default();
    check_batch_length(entries.len())?;
    let mut seen = HashSet::new();
    let mut batch = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let id = entry.id().ok_or(SqsError::MissingParameter { parameter: "Id" })?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=80).contains(&id.len()) || !id.bytes().all(allowed) {
            return Err(SqsError::InvalidBatchEntryId { id });
        }
        if !seen.insert(id.clone()) {
            return Err(SqsError::BatchEntryIdsNotDistinct { id });
        }
        batch.push((id, entry));
    }
    Ok(batch)
}

/// The answer to a batch. AWS leaves out a list that has nothing in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer<T> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successful: Vec<Done<T>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Done<T> {
    id: String,
    #[serde(flatten)]
    outcome: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

/// An entry that was refused doesn't hold the others up.
pub(super) fn batch_answer<T>(
    outcomes: impl IntoIterator<Item = (String, Result<T, SqsError>)>,
) -> BatchAnswer<T> {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(outcome) => successful.push(Done { id, outcome }),
            Err(error) => failed.push(Failed {
                id,
                sender_fault: true,
                code: error.code(),
                message: error.to_string(),
            }),
        }
    }
    BatchAnswer { successful, failed }
}

/// One of the listings that are told page by page. AWS wants the same parameters for each page.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum Listing<'a> {
    /// Queues whose names begin so.
    Queues(&'a str),
    /// The queues that give their dead letters to this one.
    DeadLetterSources(&'a str),
}

/// The page of a listing that a request asks for, and the token of the next one. AWS gives a token only to those that
/// set a page size.
pub(super) fn page(
    listing: Listing<'_>,
    names: impl Iterator<Item = String>,
    max_results: Option<i64>,
    next_token: Option<String>,
) -> Result<(Vec<String>, Option<String>), SqsError> {
    const MOST: usize = 1000;
    let size = match max_results {
        None => MOST,
        Some(asked) => usize::try_from(asked)
            .ok()
            .filter(|size| (1..=MOST).contains(size))
            .ok_or_else(|| SqsError::invalid("MaxResults", &asked, "Must be between 1 and 1000."))?,
    };
    let token = next_token.filter(|token| !token.is_empty());
    let after = token.map_or(Ok(String::new()), |token| name_in_token(listing, &token))?;
    let mut names = names.filter(|name| *name > after);
    let page: Vec<String> = names.by_ref().take(size).collect();
    let is_last = max_results.is_none() || names.next().is_none();
    let last = page.last().filter(|_| !is_last);
    let token = last.map(|name| token_after(listing, name));
    Ok((page, token))
}

/// The token of the page that follows this name, in Base64 so that nobody reads more into it. The queue may be gone when
/// the token comes back.
fn token_after(listing: Listing<'_>, name: &str) -> String {
    let json = serde_json::to_vec(&(listing, name)).expect("texts can be written as JSON");
    to_base64(&json)
}

fn name_in_token(listing: Listing<'_>, token: &str) -> Result<String, SqsError> {
    let refuse = |reason| SqsError::invalid("NextToken", token, reason);
    let json = from_base64(token).unwrap_or_default();
    let read = serde_json::from_slice::<(Listing<'_>, String)>(&json);
    let (of, name) = read.map_err(|_| {
        refuse("Invalid or expired next token. Use the one of the page before, or none for the first page.")
    })?;
    if of != listing {
        let reason = "If you are passing in NextToken, you must not change the other request parameters.";
        return Err(refuse(reason));
    }
    Ok(name)
}
