//! The user's wish that a command ends: Ctrl-C, or a signal of whoever ends the process or its terminal.
//!
//! A command that only looks is dropped where it stands. One that changes something says so first, and then
//! ends by itself: it finishes the request that is under way, begins no other, and tells what was done. If
//! it is interrupted again, it does not wait for the request either.

use std::io;

use terminal::note;
use tokio::sync::watch;

/// Whether the command was interrupted, and who sees to it.
pub(crate) struct Interruption(watch::Sender<State>);

#[derive(Clone, Copy, Default)]
struct State {
    /// How often it was interrupted.
    times: u32,
    /// Whether the command ends by itself.
    is_minded: bool,
    /// Whether it finishes something first.
    takes_time: bool,
}

impl Interruption {
    /// Listens from now on, for as long as the process lives.
    pub(crate) fn listen() -> io::Result<Self> {
        let state = watch::Sender::new(State::default());
        let mut signals = Signals::listen()?;
        let told = state.clone();
        tokio::spawn(async move {
            while signals.next().await.is_ok() {
                let mut is_waited_for = false;
                told.send_modify(|state| {
                    state.times += 1;
                    is_waited_for = state.takes_time && state.times == 1;
                });
                if is_waited_for {
                    note!(
                        "interrupted: what is under way is finished first; another interrupt ends that, too"
                    );
                }
            }
        });
        Ok(Self(state))
    }

    /// Nobody interrupts it: what it belongs to goes on until its process is ended.
    pub(crate) fn never() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// From now on, the command asks whether it was interrupted, and ends by itself: when what is under way
    /// is finished.
    pub(crate) fn mind(&self) {
        self.0.send_modify(|state| {
            state.is_minded = true;
            state.takes_time = true;
        });
    }

    /// The same, but for what is under way: it is not waited for.
    pub(crate) fn mind_at_once(&self) {
        self.0.send_modify(|state| state.is_minded = true);
    }

    /// Whether the command was interrupted.
    pub(crate) fn came(&self) -> bool {
        self.0.borrow().times > 0
    }

    /// Resolves when a command is interrupted that does not mind it.
    pub(crate) async fn unminded(&self) {
        self.until(|state| state.times > 0 && !state.is_minded).await;
    }

    /// What `work` comes to; none if it was interrupted twice before it had ended.
    pub(crate) async fn unless_twice<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.until(|state| state.times > 1) => None,
        }
    }

    /// What `work` comes to; none if it was interrupted once before it had ended.
    pub(crate) async fn unless_once<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.until(|state| state.times > 0) => None,
        }
    }

    async fn until(&self, is_so: impl FnMut(&State) -> bool) {
        let mut state = self.0.subscribe();
        if state.wait_for(is_so).await.is_err() {
            // Nobody can interrupt any more; the sender lives as long as this, so it does not happen.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) -> io::Result<()> {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok(())
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
