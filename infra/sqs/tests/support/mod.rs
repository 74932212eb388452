//! A service on tokio's clock, for the tests of both doors.

// Each file of tests uses what it needs of this.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use embedded_sqs::{Outgoing, QueueAttributes, Receive, Received, RedrivePolicy, Settings, Sqs};
use tokio::time::Instant;

pub mod json;

/// Seconds since 1970 at which every test begins.
pub const START_S: u64 = 1_800_000_000;

/// A service whose timestamps move with tokio's clock, so that pausing one pauses all.
pub fn service() -> Sqs {
    service_since(Instant::now())
}

/// The same on a clock that began then, as another process sees it.
pub fn service_since(start: Instant) -> Sqs {
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

/// `jobs`, which gives up to `jobs-dlq` what was received twice.
pub fn service_with_dead_letters() -> Sqs {
    let sqs = service();
    create_jobs_with_dead_letters(&sqs);
    sqs
}

/// The queues of [`service_with_dead_letters`].
pub fn create_jobs_with_dead_letters(sqs: &Sqs) {
    sqs.create_queue("jobs-dlq", QueueAttributes::default()).unwrap();
    let redrive = RedrivePolicy {
        dead_letter_queue: "jobs-dlq".to_owned(),
        max_receive_count: 2,
    };
    let attributes = QueueAttributes {
        redrive: Some(redrive),
        ..QueueAttributes::default()
    };
    sqs.create_queue("jobs", attributes).unwrap();
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

/// One message, without waiting.
pub const ONE: Receive = Receive {
    max: 1,
    wait: Duration::ZERO,
    visibility: None,
};
/// Up to ten messages, without waiting.
pub const TEN: Receive = Receive {
    max: 10,
    wait: Duration::ZERO,
    visibility: None,
};

pub fn waiting(seconds: u64) -> Receive {
    Receive {
        max: 10,
        wait: Duration::from_secs(seconds),
        visibility: None,
    }
}

pub fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

/// Receives the one message that is there.
pub async fn receive_one(sqs: &Sqs, queue: &str) -> Received {
    let mut received = sqs.receive(queue, ONE).await.unwrap();
    assert_eq!(received.len(), 1, "one message in {queue}");
    received.remove(0)
}
