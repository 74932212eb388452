//! Which streams a table has had: each time its stream is switched on, a new one begins, with a label, an ARN
//! and records of its own.
//!
//! `dynoxide` 3.2 keeps one list of records for all tables that ever had a name, and of its streams the newest
//! label. What is missing is written down beside the label by triggers, in the same transaction as the label
//! itself: a JSON list, newest first, of `{label, view, after, ended}`. A later version that keeps streams
//! apart makes [`SCHEMA`] superfluous.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::storage::TableMetadata;
use serde::Deserialize;

use crate::clock;

/// Run on each database when it is opened; what is there already stays.
///
/// The database keeps both images of each change, whatever the stream shows: only so can be told, when a record
/// is read, whether anything changed. What the stream shows is decided then, by `view`.
pub(crate) const SCHEMA: &str = "
    CREATE TRIGGER IF NOT EXISTS _stream_begins AFTER UPDATE OF stream_label ON _tables
    WHEN NEW.stream_enabled = 1 AND NEW.stream_label NOT LIKE '[%'
    BEGIN
        UPDATE _tables SET
            stream_view_type = 'NEW_AND_OLD_IMAGES',
            stream_label = '[' || json_object(
                'label', NEW.stream_label,
                'view', NEW.stream_view_type,
                'after', (SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0)
                          FROM _stream_records WHERE table_name = NEW.table_name)
            ) || CASE WHEN OLD.stream_label LIKE '[{%' THEN ',' || substr(OLD.stream_label, 2) ELSE ']' END
        WHERE table_name = NEW.table_name;
    END;
    CREATE TRIGGER IF NOT EXISTS _stream_ends AFTER UPDATE OF stream_enabled ON _tables
    WHEN NEW.stream_enabled = 0 AND OLD.stream_enabled = 1 AND NEW.stream_label LIKE '[{%'
    BEGIN
        UPDATE _tables SET stream_label = json_set(NEW.stream_label, '$[0].ended',
            (SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0)
             FROM _stream_records WHERE table_name = NEW.table_name))
        WHERE table_name = NEW.table_name;
    END;
    UPDATE _tables SET
        stream_label = json_array(json_object('label', stream_label, 'view', stream_view_type, 'after', 0)),
        stream_view_type = 'NEW_AND_OLD_IMAGES'
    WHERE stream_enabled = 1 AND stream_label IS NOT NULL AND stream_label NOT LIKE '[%';
";

/// For how long a stream that was switched off can be read
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>).
const RETENTION: Duration = Duration::from_hours(24);

/// What a number in the database is shown as: the sum of both, which has the 21 digits that DynamoDB's have.
const NUMBERS_FROM: u128 = 100_000_000_000_000_000_000;

/// One of a table's streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dynamodb) struct Life {
    /// `StreamLabel`: when it was switched on, to the millisecond. No two of a table are the same.
    pub label: String,
    /// The same since the Unix epoch.
    pub began: Duration,
    /// `StreamViewType`.
    pub view: String,
    /// The number of the last record of whatever was before it. Its own are greater.
    after: i64,
    /// The number of its last record, if it was switched off.
    ended: Option<i64>,
}

/// As the triggers write it.
#[derive(Deserialize)]
struct Written {
    label: String,
    view: Option<String>,
    after: i64,
    ended: Option<i64>,
}

impl Life {
    /// `StartingSequenceNumber`.
    pub fn first_number(&self) -> u128 {
        shown(self.after) + 1
    }

    /// `EndingSequenceNumber`, if it was switched off.
    pub fn last_number(&self) -> Option<u128> {
        self.ended.map(|ended| shown(ended.max(self.after)))
    }

    /// Where a reader stands before its first record.
    pub fn beginning(&self) -> i64 {
        self.after
    }

    /// Where a reader stands after its last record, if it was switched off.
    pub fn end(&self) -> Option<i64> {
        self.ended
    }

    pub fn shows_new_images(&self) -> bool {
        self.view.contains("NEW")
    }

    pub fn shows_old_images(&self) -> bool {
        self.view.contains("OLD")
    }
}

/// A number of the database as it is shown.
pub(super) fn shown(number: i64) -> u128 {
    NUMBERS_FROM + u128::from(number.unsigned_abs())
}

/// What is shown as `number`, if a record could have it.
pub(super) fn stored(number: u128) -> Option<i64> {
    i64::try_from(number.checked_sub(NUMBERS_FROM)?).ok()
}

/// All streams of a table, the oldest first. The last one is the newest, and is on if the table says so.
pub(in crate::dynamodb) fn of(metadata: &TableMetadata) -> Vec<Life> {
    match &metadata.stream_label {
        Some(written) => read(written, metadata.stream_view_type.as_deref()),
        None => Vec::new(),
    }
}

/// The same of what the database keeps as a label.
pub(in crate::dynamodb) fn read(written: &str, view: Option<&str>) -> Vec<Life> {
    let mut all: Vec<Written> = serde_json::from_str(written).unwrap_or_else(|_| {
        let plain = Written {
            label: written.to_owned(),
            view: view.map(str::to_owned),
            after: 0,
            ended: None,
        };
        vec![plain]
    });
    all.reverse();
    let mut lives = Vec::<Life>::with_capacity(all.len());
    for written in all {
        let mut began = to_the_millisecond(&written.label);
        // Two of one moment, which a test's clock makes easily, are a millisecond apart.
        if let Some(before) = lives.last()
            && began <= before.began
        {
            began = before.began + Duration::from_millis(1);
        }
        lives.push(Life {
            label: label(began),
            began,
            view: written.view.unwrap_or_else(|| "NEW_AND_OLD_IMAGES".to_owned()),
            after: written.after,
            ended: written.ended,
        });
    }
    lives
}

/// Those which can be read at `now`: one that another followed is gone a day later.
pub(in crate::dynamodb) fn readable(mut lives: Vec<Life>, now: SystemTime) -> Vec<Life> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let gone = lives
        .windows(2)
        .take_while(|pair| pair[1].began + RETENTION < now)
        .count();
    lives.drain(..gone);
    lives
}

/// The stream that a record with this number is of: records of an earlier table of the name count as the first's.
pub(super) fn holding(lives: &[Life], number: i64) -> Option<&Life> {
    lives
        .iter()
        .rev()
        .find(|life| life.after < number)
        .or(lives.first())
}

/// `dynoxide`'s label is seconds and nanoseconds since the Unix epoch.
fn to_the_millisecond(label: &str) -> Duration {
    let (seconds, nanoseconds) = label.split_once('.').unwrap_or((label, "0"));
    let whole = Duration::from_secs(seconds.parse().unwrap_or_default());
    let part = Duration::from_nanos(nanoseconds.parse().unwrap_or_default());
    whole + Duration::from_millis(u64::from(part.subsec_millis()))
}

/// `2026-11-29T18:04:05.678`.
fn label(began: Duration) -> String {
    let at = clock::to_the_millisecond(UNIX_EPOCH + began);
    at.trim_end_matches('Z').to_owned()
}
