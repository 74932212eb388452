//! Transactions that are remembered by their `ClientRequestToken`: each is carried out once, however often it is sent.
//!
//! A token is kept with what its transaction wrote, in one piece. So a transaction that is sent again to a process that
//! took over the file of one that was killed is known there too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::actions::execute_transaction::{ExecuteTransactionResponse, ItemResponse};
use dynoxide::storage::Storage;
use dynoxide::types::{ConsumedCapacity, Item};
use dynoxide::{DynoxideError, Result};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body;

/// What keeps them, beside the tables of DynamoDB, whose names don't begin so.
pub(crate) const SCHEMA: &str = "\
    CREATE TABLE IF NOT EXISTS _tokens (operation TEXT NOT NULL, token TEXT NOT NULL, since INTEGER NOT NULL, \
    asked TEXT NOT NULL, answer BLOB NOT NULL, PRIMARY KEY (operation, token)) WITHOUT ROWID; \
    CREATE INDEX IF NOT EXISTS _tokens_by_age ON _tokens (since)";

/// For how long a token is remembered
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
const LIFE: Duration = Duration::from_mins(10);

/// The longest token.
const LONGEST: usize = 36;

/// A transaction with a token.
pub(super) struct Once {
    operation: &'static str,
    token: String,
    /// Tells what is asked from anything else that could be.
    asked: String,
}

impl Once {
    /// A transaction that asks for `content`; none if it has no token.
    pub(super) fn of(
        operation: &'static str,
        token: Option<&str>,
        content: &impl Serialize,
    ) -> Result<Option<Self>> {
        let Some(token) = token else { return Ok(None) };
        let wrong = match token.len() {
            0 => Some("greater than or equal to 1".to_owned()),
            1..=LONGEST => None,
            _ => Some(format!("less than or equal to {LONGEST}")),
        };
        if let Some(right) = wrong {
            return Err(DynoxideError::ValidationException(format!(
                "1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: \
                 Member must have length {right}"
            )));
        }
        let asked = Uuid::new_v5(&Uuid::NAMESPACE_OID, &text_of(content)?).to_string();
        Ok(Some(Self {
            operation,
            token: token.to_owned(),
            asked,
        }))
    }

    /// What it was answered the first time, if that was less than ten minutes before `now`.
    pub(super) fn answer(&self, storage: &Storage, now: SystemTime) -> Result<Option<Vec<u8>>> {
        let oldest = now.checked_sub(LIFE).unwrap_or(UNIX_EPOCH);
        // One from a time to come is of before a clock that was set back.
        storage
            .conn()
            .prepare_cached("DELETE FROM _tokens WHERE since <= ?1")?
            .execute([milliseconds(oldest)])?;
        let mut known = storage
            .conn()
            .prepare_cached("SELECT asked, answer FROM _tokens WHERE operation = ?1 AND token = ?2")?;
        let known = known.query_row([self.operation, &self.token], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        });
        match known.optional()? {
            Some((asked, _)) if asked != self.asked => {
                Err(DynoxideError::IdempotentParameterMismatchException(
                    "An error occurred (IdempotentParameterMismatchException)".to_owned(),
                ))
            }
            known => Ok(known.map(|(_, answer)| answer)),
        }
    }

    /// Remembers it with its answer, in the transaction in which it was carried out.
    pub(super) fn remember(&self, storage: &Storage, now: SystemTime, answer: &impl Serialize) -> Result<()> {
        let answer = body::write(answer)?;
        let mut insert = storage.conn().prepare_cached(
            "INSERT INTO _tokens (operation, token, since, asked, answer) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![
            self.operation,
            self.token,
            milliseconds(now),
            self.asked,
            answer
        ])?;
        Ok(())
    }
}

/// An answer as it was remembered.
pub(super) fn read_again(answer: &[u8]) -> Result<ExecuteTransactionResponse> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        responses: Option<Vec<Response>>,
        consumed_capacity: Option<Vec<ConsumedCapacity>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        item: Option<Item>,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| internal(&error))?;
    let responses = answer.responses.map(|responses| {
        let response = |Response { item }| ItemResponse { item };
        responses.into_iter().map(response).collect()
    });
    Ok(ExecuteTransactionResponse {
        responses,
        consumed_capacity: answer.consumed_capacity,
    })
}

/// The same text for the same content, in whatever order its maps are gone through.
fn text_of(content: &impl Serialize) -> Result<Vec<u8>> {
    let mut content = serde_json::to_value(content).map_err(|error| internal(&error))?;
    content.sort_all_objects();
    body::write(&content)
}

fn internal(error: &serde_json::Error) -> DynoxideError {
    DynoxideError::InternalServerError(error.to_string())
}

/// Since the Unix epoch.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
