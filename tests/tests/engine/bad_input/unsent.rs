//! What becomes of an event whose commands a queue does not take.

use std::sync::Arc;
use std::time::Duration;

use embedded_aws::transport::{Fault, Faults};
use local::StackOptions;
use testkit::malformed::assert_refused;
use testkit::running::Running;
use testkit::weather::{faults, refused_by_sqs};
use tokio::time::Instant;

use crate::loans::{ALL, lend};
use crate::options;

/// What the step sends is refused with that code, for so long.
fn refused(code: &'static str, long: Duration) -> Arc<dyn Faults> {
    let began = Instant::now();
    faults(move |call| {
        let hit = call.operation == "SendMessageBatch" && call.resource() == Some("local-remind-member");
        if hit && began.elapsed() < long {
            refused_by_sqs(code)
        } else {
            Fault::None
        }
    })
}

async fn started(faults: Arc<dyn Faults>) -> Running {
    let options = StackOptions {
        faults: Some(faults),
        ..options()
    };
    Running::start(options).await
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_command_is_refused_for_what_it_is_is_a_dead_letter_at_once_and_can_be_redriven() {
    for code in [
        "InvalidMessageContents",
        "BatchRequestTooLong",
        "InvalidParameterValue",
    ] {
        let bundle = started(refused(code, Duration::from_mins(5))).await;
        let stream = lend(&bundle, "l-1").await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let letters = bundle.letters().await;
        let [letter] = &letters[..] else {
            panic!("one letter is right: {letters:?}");
        };
        assert_eq!(letter.queue, "on-book-lent");
        assert_refused(letter, "rejected", "remind-member");
        assert!(letter.attribute("error").contains(code), "{letter:?}");
        assert!(letter.sent < Duration::from_secs(30), "{:?}", letter.sent);
        tokio::time::sleep(Duration::from_mins(5)).await;
        bundle.redrive("on-book-lent").await;
        bundle.settle().await;
        assert_eq!(bundle.types(&stream).await, ALL);
        assert_eq!(bundle.letters().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_command_may_pass_when_somebody_mends_the_queue_leaves_no_dead_letter() {
    for code in [
        "AccessDeniedException",
        "KmsAccessDenied",
        "QueueDoesNotExist",
        "a code of tomorrow",
    ] {
        let bundle = started(refused(code, Duration::from_hours(3))).await;
        let stream = lend(&bundle, "l-1").await;
        bundle.settle().await;
        assert_eq!(bundle.letters().await, [], "{code}");
        assert_eq!(bundle.types(&stream).await, ALL, "{code}");
    }
}
