//! Keeps what long streams amount to between invocations, so that a load reads only what is new.
//!
//! Only a shortcut: what is kept is the true state at a position that was really seen, commits never
//! change, and an append at that position fails if the stream has moved on. A new process starts with
//! nothing and reads the stream whole. (Whoever restores or edits the event table by hand has to restart
//! the functions.)

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use eventsourcing::{Decider, History, StreamId};

/// The states of the streams that were used last.
pub(crate) struct Warm<D: Decider> {
    histories: Mutex<VecDeque<(StreamId, History<D>)>>,
}

/// Enough for the streams that one instance works on at a time; a group of 5,000 takes about a megabyte.
const MOST: usize = 16;

impl<D: Decider> Default for Warm<D> {
    fn default() -> Self {
        Self {
            histories: Mutex::default(),
        }
    }
}

impl<D: Decider> Warm<D> {
    /// What is kept of the stream, if its kind is worth it and it was used lately.
    pub(crate) fn get(&self, stream: &StreamId) -> Option<History<D>> {
        let histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        histories
            .iter()
            .find(|(kept, _)| kept == stream)
            .map(|(_, history)| history.clone())
    }

    /// Keeps a history that was seen, unless a newer one of the stream is kept already.
    pub(crate) fn keep(&self, stream: &StreamId, history: &History<D>) {
        if !D::GROWS || !history.seen() {
            return;
        }
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = histories.iter().position(|(kept, _)| kept == stream);
        if kept.is_some_and(|at| histories[at].1.position() > history.position()) {
            return;
        }
        if let Some(at) = kept {
            histories.remove(at);
        }
        histories.push_front((stream.clone(), history.clone()));
        histories.truncate(MOST);
    }
}
