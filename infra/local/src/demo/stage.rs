//! The stack that the demo plays on, and what all it plays has in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bundle::Bundle;
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use eventsourcing::SettingValues;
use indicatif::ProgressBar;

use crate::player::{PlayError, Player};
use crate::report::{self, Played};
use crate::{Stack, StackError, StackOptions};

/// Why the demo could not be played.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The file with entries can't be read.
    #[error("{file} can't be read: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Entries of the file are not what they should be.
    #[error("{}\n{shape}", .wrong.join("\n"))]
    Entries {
        /// What is wrong, each with its place.
        wrong: Vec<String>,
        /// What an entry looks like.
        shape: &'static str,
    },
    /// There is nothing in the file.
    #[error("{file} holds no {entry}; expected one {entry} as JSON, or one on each line", file = .file.display())]
    NoEntry {
        /// The file.
        file: PathBuf,
        /// What an entry is called.
        entry: &'static str,
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
pub(super) async fn start(
    bundle: Arc<Bundle>,
    settings: SettingValues,
) -> Result<(Stack, Player), DemoError> {
    let options = StackOptions {
        epoch: SystemTime::now(),
        settings,
        faults: Some(Arc::new(Latency)),
        sweep_interval: Some(Duration::from_mins(15)),
        ..StackOptions::of(bundle)
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

/// Shows what came of it, and stops the stack; whether every outcome was right.
pub(super) async fn finish(
    stack: Stack,
    played: &[Played],
    began: SystemTime,
    started: Instant,
) -> Result<bool, DemoError> {
    let moved = stack.clock().now().duration_since(began).unwrap_or_default();
    let metrics = stack.metrics().total();
    let totals = format!(
        "{} messages, {} write units; {} handled, {} refused, {} retried, {} conflicts\n\
         the clock was moved on by {}, in {:.1} s",
        stack.wire().sqs().totals().sends,
        stack.wire().dynamodb().totals().all().write,
        metrics.handled,
        metrics.refused,
        metrics.retried,
        metrics.conflicts,
        report::clock(moved),
        started.elapsed().as_secs_f64()
    );
    let right = report::print(&mut terminal::out(), played, &totals)?;
    stack.stop().await?;
    Ok(right)
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
