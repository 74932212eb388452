//! When a group ends: as soon as somebody waits for it, and soon in any case.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long a group stays open for which nobody waits.
const LINGER: Duration = Duration::from_millis(100);

/// What is written, what is kept, and who waits for it. Groups are numbered from 1.
pub(crate) struct Pace {
    /// The group that takes part in what is written now.
    open: AtomicU64,
    /// The last group that something is written in.
    marked: AtomicU64,
    kept: watch::Sender<Kept>,
    asked: Mutex<Asked>,
    changed: Condvar,
}

/// What is kept.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// The last group of it.
    group: u64,
    /// Why nothing more will be.
    failure: Option<String>,
}

#[derive(Default)]
struct Asked {
    is_marked: bool,
    is_waited_for: bool,
    is_over: bool,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Commit,
    /// Once more, and then no more.
    Last,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(1),
            marked: AtomicU64::new(0),
            kept: watch::Sender::default(),
            asked: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Pace {
    /// Something was written. Comes after the write: what is marked before it could be taken for kept too early.
    pub(crate) fn mark(&self) {
        self.marked
            .fetch_max(self.open.load(Ordering::SeqCst), Ordering::SeqCst);
        let mut asked = self.asked();
        if !asked.is_marked {
            asked.is_marked = true;
            self.changed.notify_one();
        }
    }

    /// Refuses what can't be kept any more.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.kept.borrow().failure.clone().map_or(Ok(()), Err)
    }

    /// Resolves when all that was written before is kept.
    pub(crate) async fn until_kept(&self) -> Result<(), String> {
        let marked = self.marked.load(Ordering::SeqCst);
        let mut kept = self.kept.subscribe();
        let is_kept = |kept: &Kept| kept.group >= marked || kept.failure.is_some();
        if !is_kept(&kept.borrow()) {
            {
                let mut asked = self.asked();
                asked.is_waited_for = true;
                self.changed.notify_one();
            }
            // The sender is here.
            drop(kept.wait_for(is_kept).await);
        }
        let kept = kept.borrow();
        match &kept.failure {
            Some(failure) if kept.group < marked => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Resolves if nothing more can be kept, with the reason.
    pub(crate) async fn failed(&self) -> String {
        let mut kept = self.kept.subscribe();
        match kept.wait_for(|kept| kept.failure.is_some()).await {
            Ok(kept) => kept.failure.clone().unwrap_or_default(),
            // The sender is here.
            Err(_) => std::future::pending().await,
        }
    }

    /// Has the committer commit a last time.
    pub(super) fn end(&self) {
        self.asked().is_over = true;
        self.changed.notify_one();
    }

    /// Waits until there is something to do.
    pub(super) fn next(&self) -> Next {
        let mut asked = self.asked();
        while !asked.is_marked && !asked.is_waited_for && !asked.is_over {
            asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
        let end = Instant::now() + LINGER;
        while !asked.is_waited_for && !asked.is_over {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(asked, left);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (asked.is_marked, asked.is_waited_for) = (false, false);
        if asked.is_over { Next::Last } else { Next::Commit }
    }

    /// What is written from now on is of another group; the number of the one that ends. Held up are those who write.
    pub(super) fn turn(&self) -> u64 {
        self.open.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn is_kept(&self, group: u64) {
        self.kept.send_modify(|kept| kept.group = group);
    }

    pub(super) fn fail(&self, reason: String) {
        self.kept.send_modify(|kept| kept.failure = Some(reason));
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
