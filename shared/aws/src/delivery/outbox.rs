//! The outbox: commits whose events the relay could not deliver, as a reference to where they are.
//!
//! The event table's stream is what publishes events; this table holds only the exceptions, so that
//! one of them does not hold up its shard. An entry is *pending* until the sweeper has sent it, which
//! makes it *published*, or until there is no sense in sending it, which makes it *parked*: then it stays until a
//! person has it sent again or drops it. There is none once a failure can't pass by itself, or when one that may
//! has lasted for [`OUTBOX_PATIENCE`].
//!
//! Everything that changes an entry is one conditional write on what was seen of it, so that a relay, a
//! sweeper and a person can be at it at once.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use eventsourcing::{Timestamp, Transient};
use serde::Deserialize;

use crate::client::connection::timeouts;
use crate::client::failure::{FailureKind, reason};
use crate::client::jitter::jittered;
use crate::delivery::undelivered::Undelivered;
use crate::store::commit_ref::{CommitRef, KeyNumber};

/// For how long an entry is sent again whose failures may pass, from the first of them on: over a weekend, on
/// which nobody mends a permission or a key.
pub const OUTBOX_PATIENCE: Duration = Duration::from_hours(3 * 24);

/// How long an entry waits before it is sent again: a minute at first, which a short fault is over by, and
/// twice as long after each failure, but no longer than the second.
const DELAYS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(15));

/// How long a published entry is kept, for whoever wants to know what was late and why.
pub const PUBLISHED_RETENTION: Duration = Duration::from_hours(14 * 24);

/// The index by what has become of an entry and when it is due.
pub const OUTBOX_INDEX: &str = "by-delivery";

/// What has become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The sweeper sends it when it is due.
    Pending,
    /// Nobody sends it until a person says so.
    Parked,
    /// It was sent. The entry goes [`PUBLISHED_RETENTION`] later.
    Published,
}

impl Delivery {
    /// Its name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Published => "published",
        }
    }
}

/// A commit that was not, or not wholly, delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The commit.
    pub commit: CommitRef,
    /// What has become of it.
    pub delivery: Delivery,
    /// How often it could not be delivered.
    pub attempts: u32,
    /// What went wrong the last time, without any payload.
    pub last_error: String,
    /// The queues that have not got its events, and [`EVENT_BUS`](crate::EVENT_BUS) if that has not; all that they go
    /// to if none is named.
    pub undelivered_to: BTreeSet<String>,
    /// When it was saved.
    pub first_attempt_at: Timestamp,
    /// Since when it has failed without a break: since it was saved, or redriven. None if it was redriven and
    /// has not failed since, or is parked.
    pub failing_since: Option<Timestamp>,
    /// When it could not be delivered the last time.
    pub last_attempt_at: Timestamp,
    /// When it is due; of an entry that is not pending, since when that is so.
    pub next_attempt_at: Timestamp,
}

/// What a failed attempt amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again at that time.
    Again(Timestamp),
    /// It is not tried again.
    Parked,
    /// Somebody else has changed the entry meanwhile; nothing was counted.
    MovedOn,
}

/// A person's wish that can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// There is no such entry, or it was published.
    #[error("the outbox has no pending or parked entry for {0}")]
    NotThere(CommitRef),
    /// It may work the next time.
    #[error(transparent)]
    Transient(#[from] Transient),
}

/// The outbox table of one stack.
#[derive(Clone, Debug)]
pub struct Outbox {
    client: Client,
    table: String,
}

impl Outbox {
    /// The outbox in the table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The same outbox, whose calls take no longer than `attempt` each time, and `operation` with all the
    /// client's retries.
    pub(crate) fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        let config = self.client.config().to_builder();
        let config = config.timeout_config(timeouts(attempt, operation)).build();
        Self {
            client: Client::from_conf(config),
            ..self
        }
    }

    /// Saves a commit that could not be delivered, or counts one more attempt of one that is there
    /// already. Whatever had become of that, it is pending now, or parked if this failure can't pass.
    pub async fn save(
        &self,
        commit: &CommitRef,
        failure: &Undelivered,
        now: Timestamp,
    ) -> Result<(), Transient> {
        let (delivery, next, days) = match failure.kind {
            FailureKind::Transient => (
                Delivery::Pending,
                now.plus(jittered(delay(1))),
                ", failing_since = if_not_exists(failing_since, :now)",
            ),
            FailureKind::Permanent => (Delivery::Parked, now, " REMOVE failing_since"),
        };
        let saved = self
            .update(commit)
            .update_expression(format!(
                "ADD attempts :one SET last_error = :error, last_attempt_at = :now, next_attempt_at = :next, \
                 delivery = :delivery, undelivered_to = :queues, \
                 first_attempt_at = if_not_exists(first_attempt_at, :now){days}"
            ))
            // The SDK repeats a write whose reply was lost: the same attempt is not counted twice.
            .condition_expression("attribute_not_exists(last_attempt_at) OR last_attempt_at <> :now")
            .expression_attribute_values(":error", text(&last_error(&failure.why)))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":next", time(next))
            .expression_attribute_values(":delivery", text(delivery.as_str()))
            .expression_attribute_values(":queues", undelivered_to(failure, now))
            .expression_attribute_values(":one", number(&1))
            .send()
            .await;
        match saved {
            Err(error) if !is_conditional(&error) => Err(not_changed(commit, &reason(&error))),
            _ => Ok(()),
        }
    }

    /// Goes through the pending entries that are due at `now`, those first that have been due longest. The index
    /// lags behind a little: an entry may be missing that was saved just now, or be there once more that was
    /// just marked.
    pub fn due(&self, now: Timestamp) -> Due<'_> {
        Due {
            outbox: self,
            now,
            from: None,
            read: false,
        }
    }

    /// Up to `limit` entries in this state, oldest first.
    pub async fn list(&self, delivery: Delivery, limit: usize) -> Result<Vec<OutboxEntry>, Transient> {
        let mut items = self.by_delivery(delivery).into_paginator().items().send();
        let mut entries = Vec::new();
        while entries.len() < limit
            && let Some(item) = items.next().await
        {
            entries.push(entry(item.map_err(|error| not_read(&reason(&error)))?)?);
        }
        Ok(entries)
    }

    /// How many entries are in this state.
    pub async fn count(&self, delivery: Delivery) -> Result<u64, Transient> {
        let mut pages = self
            .by_delivery(delivery)
            .select(Select::Count)
            .into_paginator()
            .send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| not_read(&reason(&error)))?;
            count += u64::try_from(page.count).unwrap_or_default();
        }
        Ok(count)
    }

    /// Marks an entry as published. False if somebody else has changed it meanwhile: then it stays as it
    /// is, for there may have been another failure.
    pub async fn mark_published(&self, entry: &OutboxEntry, now: Timestamp) -> Result<bool, Transient> {
        let expires_at = now.plus(PUBLISHED_RETENTION).millis() / 1000;
        let marked = self
            .update_seen(entry)
            .update_expression(
                "SET delivery = :published, next_attempt_at = :now, published_at = :now, expires_at = :expires \
                 REMOVE undelivered_to, failing_since",
            )
            .expression_attribute_values(":published", text(Delivery::Published.as_str()))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":expires", number(&expires_at));
        self.if_as_seen(entry, marked).await
    }

    /// Counts a failed attempt of an entry, with its error and the time of the next one, or parks it if
    /// there is none: the failure can't pass, or has lasted for [`OUTBOX_PATIENCE`].
    pub async fn count_failure(
        &self,
        entry: &OutboxEntry,
        failure: &Undelivered,
        now: Timestamp,
    ) -> Result<AfterFailure, Transient> {
        let since = entry.failing_since.unwrap_or(now);
        let may_pass = failure.kind == FailureKind::Transient && now.since(since) < OUTBOX_PATIENCE;
        let counted = self
            .update_seen(entry)
            .expression_attribute_values(":error", text(&last_error(&failure.why)))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":queues", undelivered_to(failure, now))
            .expression_attribute_values(":one", number(&1));
        let change = "ADD attempts :one SET last_error = :error, last_attempt_at = :now, next_attempt_at = :next, \
                      delivery = :delivery, undelivered_to = :queues";
        let (counted, outcome) = if may_pass {
            let next = now.plus(jittered(delay(entry.attempts.saturating_add(1))));
            let counted = counted
                .update_expression(format!("{change}, failing_since = :since"))
                .expression_attribute_values(":next", time(next))
                .expression_attribute_values(":delivery", text(Delivery::Pending.as_str()))
                .expression_attribute_values(":since", time(since));
            (counted, AfterFailure::Again(next))
        } else {
            // Whoever sends it again gives it new days.
            let counted = counted
                .update_expression(format!("{change} REMOVE failing_since"))
                .expression_attribute_values(":next", time(now))
                .expression_attribute_values(":delivery", text(Delivery::Parked.as_str()));
            (counted, AfterFailure::Parked)
        };
        let counted = self.if_as_seen(entry, counted).await?;
        Ok(if counted { outcome } else { AfterFailure::MovedOn })
    }

    /// Makes an entry due at once, with all its attempts and days before it. It is due since 1970: whether that is
    /// past is for the sweeper's clock to say, and whoever asks may have one that is ahead of it.
    pub async fn redrive(&self, commit: &CommitRef) -> Result<(), OutboxError> {
        let redriven = self
            .update(commit)
            .update_expression(
                "SET delivery = :pending, next_attempt_at = :due, attempts = :none REMOVE failing_since",
            )
            .condition_expression("delivery IN (:pending, :parked)")
            .expression_attribute_values(":pending", text(Delivery::Pending.as_str()))
            .expression_attribute_values(":parked", text(Delivery::Parked.as_str()))
            .expression_attribute_values(":due", time(Timestamp::from_millis(0)))
            .expression_attribute_values(":none", number(&0))
            .send()
            .await;
        as_asked(commit, redriven)
    }

    /// Removes an entry that was not published; its event stays in the event table, undelivered.
    pub async fn drop_entry(&self, commit: &CommitRef) -> Result<(), OutboxError> {
        let dropped = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(commit)))
            .condition_expression("delivery IN (:pending, :parked)")
            .expression_attribute_values(":pending", text(Delivery::Pending.as_str()))
            .expression_attribute_values(":parked", text(Delivery::Parked.as_str()))
            .send()
            .await;
        as_asked(commit, dropped)
    }

    fn by_delivery(&self, delivery: Delivery) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(OUTBOX_INDEX)
            .key_condition_expression("delivery = :delivery")
            .expression_attribute_values(":delivery", text(delivery.as_str()))
    }

    fn update(&self, commit: &CommitRef) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(commit)))
    }

    /// A change on the condition that the entry is as it was seen.
    fn update_seen(&self, entry: &OutboxEntry) -> UpdateItemFluentBuilder {
        self.update(&entry.commit)
            .condition_expression("delivery = :seen AND attempts = :attempts")
            .expression_attribute_values(":seen", text(entry.delivery.as_str()))
            .expression_attribute_values(":attempts", number(&entry.attempts))
    }

    /// Whether the entry was as seen, and so changed.
    async fn if_as_seen(
        &self,
        entry: &OutboxEntry,
        update: UpdateItemFluentBuilder,
    ) -> Result<bool, Transient> {
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_conditional(&error) => Ok(false),
            Err(error) => Err(not_changed(&entry.commit, &reason(&error))),
        }
    }
}

/// The entries that are due, page by page.
pub struct Due<'a> {
    outbox: &'a Outbox,
    now: Timestamp,
    /// Where the next page begins.
    from: Option<HashMap<String, AttributeValue>>,
    /// Whether the last page was read.
    read: bool,
}

impl Due<'_> {
    /// The next `limit` entries at most (1 to 1,000); none when there are no more.
    pub async fn next(&mut self, limit: i32) -> Result<Vec<OutboxEntry>, Transient> {
        while !self.read {
            let due = self
                .outbox
                .by_delivery(Delivery::Pending)
                .key_condition_expression("delivery = :delivery AND next_attempt_at <= :now")
                .expression_attribute_values(":now", time(self.now))
                .limit(limit)
                .set_exclusive_start_key(self.from.take());
            let page = due.send().await.map_err(|error| not_read(&reason(&error)))?;
            self.from = page.last_evaluated_key;
            self.read = self.from.is_none();
            let items = page.items.unwrap_or_default();
            if !items.is_empty() {
                return items.into_iter().map(entry).collect();
            }
        }
        Ok(vec![])
    }
}

/// How long until the next attempt after so many failed ones, before jitter.
fn delay(attempts: u32) -> Duration {
    let (first, longest) = DELAYS;
    let doublings = attempts.clamp(1, 16) - 1;
    (first * 2_u32.pow(doublings)).min(longest)
}

/// Which queues have not got the events, as of the attempt at `now`. It says of which attempt it is: code that
/// does not know it leaves it behind, and then it must not count.
fn undelivered_to(failure: &Undelivered, now: Timestamp) -> AttributeValue {
    let mut of_attempt = HashMap::from([("at".to_owned(), time(now))]);
    if !failure.queues.is_empty() {
        let queues = failure.queues.keys().cloned().collect();
        of_attempt.insert("queues".to_owned(), AttributeValue::Ss(queues));
    }
    AttributeValue::M(of_attempt)
}

fn key(commit: &CommitRef) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("stream_id".to_owned(), text(&commit.stream)),
        ("revision".to_owned(), number(&commit.revision)),
    ])
}

/// An error as an entry holds it, cut to what people read of it. Some speak in the words of a service, or
/// name a type that stands in the table, and one too long for an item could never be saved.
fn last_error(error: &str) -> String {
    error.chars().take(1000).collect()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn time(time: Timestamp) -> AttributeValue {
    AttributeValue::S(time.to_string())
}

fn number<N: ToString>(number: &N) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn is_conditional<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    code == Some("ConditionalCheckFailedException")
}

/// What a person's wish came to.
fn as_asked<T, E>(commit: &CommitRef, done: Result<T, SdkError<E>>) -> Result<(), OutboxError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match done {
        Ok(_) => Ok(()),
        Err(error) if is_conditional(&error) => Err(OutboxError::NotThere(commit.clone())),
        Err(error) => Err(OutboxError::Transient(not_changed(commit, &reason(&error)))),
    }
}

fn not_read(why: &str) -> Transient {
    Transient {
        doing: "reading the outbox".to_owned(),
        why: why.to_owned(),
    }
}

fn not_changed(commit: &CommitRef, why: &str) -> Transient {
    Transient {
        doing: format!("writing the outbox's entry for {commit}"),
        why: why.to_owned(),
    }
}

/// An entry as its item holds it.
#[derive(Deserialize)]
struct StoredEntry {
    stream_id: String,
    delivery: Delivery,
    attempts: u32,
    last_error: String,
    first_attempt_at: String,
    last_attempt_at: String,
    next_attempt_at: String,
    failing_since: Option<String>,
    undelivered_to: Option<UndeliveredTo>,
}

/// The queues that have not got the events, as of one attempt. See [`undelivered_to`].
#[derive(Deserialize)]
struct UndeliveredTo {
    at: String,
    #[serde(default)]
    queues: BTreeSet<String>,
}

fn entry(item: HashMap<String, AttributeValue>) -> Result<OutboxEntry, Transient> {
    let revision = item.get("revision").and_then(|value| value.as_n().ok());
    let revision = KeyNumber::read(revision.map_or("", String::as_str));
    let stored: StoredEntry = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| not_read(&format!("an item is no entry: {error}")))?;
    let time = |name: &str, value: &str| {
        let parsed = value.parse::<Timestamp>();
        parsed.map_err(|_| not_read(&format!("an entry's {name} is not a timestamp")))
    };
    let first_attempt_at = time("first_attempt_at", &stored.first_attempt_at)?;
    let failing_since = match &stored.failing_since {
        Some(since) => Some(time("failing_since", since)?),
        // Saved by a version that did not count days. One without attempts was redriven.
        None => (stored.attempts > 0).then_some(first_attempt_at),
    };
    let of_latest = stored.undelivered_to.filter(|of| of.at == stored.last_attempt_at);
    Ok(OutboxEntry {
        undelivered_to: of_latest.map(|of| of.queues).unwrap_or_default(),
        failing_since,
        first_attempt_at,
        last_attempt_at: time("last_attempt_at", &stored.last_attempt_at)?,
        next_attempt_at: time("next_attempt_at", &stored.next_attempt_at)?,
        commit: CommitRef {
            stream: stored.stream_id,
            revision,
        },
        delivery: stored.delivery,
        attempts: stored.attempts,
        last_error: stored.last_error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_further_and_further_apart_up_to_a_quarter_of_an_hour() {
        let minutes = [1, 2, 3, 4, 5, 6, 400, u32::MAX].map(|n| delay(n).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 8, 15, 15, 15, 15]);
        // After the attempts that a redrive sets to none, as after the first.
        assert_eq!(delay(0), delay(1));
    }
}
