//! A service on tokio's clock, for the tests of both doors.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use embedded_sqs::{Outgoing, QueueAttributes, Settings, Sqs};
use tokio::time::Instant;

/// Seconds since 1970 at which every test begins.
pub const START_S: u64 = 1_800_000_000;

/// A service whose timestamps move with tokio's clock, so that pausing one pauses all.
pub fn service() -> Sqs {
    let start = Instant::now();
    Sqs::new(Settings {
        region: "eu-central-1".to_owned(),
        account: "123456789012".to_owned(),
        base_url: "http://127.0.0.1:4566".to_owned(),
        clock: Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(START_S) + start.elapsed()),
    })
}

/// A service with one queue, `jobs`, of default attributes.
pub fn service_with_jobs() -> Sqs {
    let sqs = service();
    sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
    sqs
}

pub fn message(body: &str) -> Outgoing {
    Outgoing {
        body: body.to_owned(),
        ..Outgoing::default()
    }
}

pub async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
