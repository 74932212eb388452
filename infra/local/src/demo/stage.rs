//! The stack that the demo plays on, and what all it plays has in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use eventsourcing::SettingValues;
use indicatif::ProgressBar;

use crate::scenarios::{PlayError, Player};
use crate::{Stack, StackError, StackOptions};

/// Why the demo could not be played.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The file with carts can't be read.
    #[error("{file} can't be read: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Carts in the file are no carts.
    #[error(
        "{}\na cart is {{\"cart_id\", \"client_id\", \"product_items\": [{{\"product_id\", \"quantity\", \"unit_price\"}}], \"total_price\"}}",
        .0.join("\n")
    )]
    Carts(Vec<String>),
    /// There is no cart in the file.
    #[error("{file} holds no cart; expected one cart as JSON, or one on each line", file = .file.display())]
    NoCart {
        /// The file.
        file: PathBuf,
    },
    /// The stack did not start.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A scenario could not be played.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The report could not be printed.
    #[error("the report could not be printed: {0}")]
    Print(#[from] std::io::Error),
}

/// A stack whose clock is moved on, and somebody outside it.
pub(super) async fn start(settings: SettingValues) -> Result<(Stack, Player), DemoError> {
    let options = StackOptions {
        epoch: SystemTime::now(),
        settings,
        faults: Some(Arc::new(Latency)),
        sweep_interval: Some(Duration::from_mins(15)),
        ..StackOptions::of(functions::bundle())
    };
    let stack = Stack::start(options).await?;
    let prefix = stack.wire().sqs().queue_url(&stack.names().prefix());
    // Longer than any deadline: what has not happened by then never will.
    let patience = stack.bundle().longest_wait(stack.settings()) + Duration::from_hours(1);
    let player = Player::new(&stack.observer(), stack.names(), &prefix, patience);
    Ok((stack, player))
}

/// Has the clock jump from delay to delay until nothing is left to do.
pub(super) async fn settle(stack: &Stack, progress: &ProgressBar) {
    progress.set_message("the clock moves on to the last deadline");
    progress.tick();
    stack.until_quiet(Duration::from_secs(15)).await;
    progress.finish_and_clear();
}

/// Calls take as long as within a region, so that the times of a timeline mean something.
struct Latency;

#[async_trait]
impl Faults for Latency {
    async fn before(&self, call: &Call) -> Fault {
        let (least, most) = match call.service {
            Service::Sqs => (4, 12),
            _ => (2, 6),
        };
        // By the call's number instead of by chance: two runs take the same time.
        Fault::Delay(Duration::from_millis(
            least + call.number * 7 % (most - least + 1),
        ))
    }
}
