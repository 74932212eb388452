//! Scenarios that are played beside everything else, and watched until they have ended as expected.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_adapters::Names;
use bundle::scenario::Refused;
use bundle::{Bundle, Scenario};
use embedded_aws::{Clock, Sqs};
use ops::console::{PlayState, Played};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::player::{PlayError, Player};
use crate::stack::Controls;

/// How many are remembered. What is forgotten is watched no more.
const REMEMBERED: usize = 20;

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long everything has to stay right in the end: a second effect comes after the first.
const AFTERMATH: Duration = Duration::from_secs(2);

/// How long a script waits for an event. Whoever watches can move the clock, or start over.
const PATIENCE: Duration = Duration::from_hours(24);

/// All that is played.
pub(super) struct Playing {
    runtime: Handle,
    watcher: Arc<Watcher>,
    plays: Mutex<VecDeque<Play>>,
}

/// One of them.
struct Play {
    played: Arc<Mutex<Played>>,
    task: AbortHandle,
}

impl Drop for Play {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Playing {
    /// Plays on that stack, on the runtime that it is on.
    pub(super) fn on(runtime: Handle, controls: &Controls) -> Self {
        let (connection, names) = (&controls.connection, controls.names.clone());
        Self {
            runtime,
            watcher: Arc::new(Watcher {
                player: Player::new(connection, &names, &controls.queue_url_prefix, PATIENCE),
                bundle: controls.bundle.clone(),
                sqs: controls.wire.sqs().clone(),
                clock: controls.clock.clone(),
                names,
            }),
            plays: Mutex::default(),
        }
    }

    /// Begins a scenario.
    pub(super) fn begin(&self, scenario: Scenario) {
        let played = Arc::new(Mutex::new(Played {
            title: scenario.title.to_owned(),
            streams: scenario.streams.clone(),
            began: self.watcher.clock.now().into(),
            state: PlayState::GoesOn(Vec::new()),
        }));
        let watching = self.watcher.clone().watch(scenario, played.clone());
        let task = self.runtime.spawn(watching).abort_handle();
        let mut plays = self.plays();
        plays.push_front(Play { played, task });
        plays.truncate(REMEMBERED);
    }

    /// All, the latest first.
    pub(super) fn all(&self) -> Vec<Played> {
        let plays = self.plays();
        plays.iter().map(|play| locked(&play.played).clone()).collect()
    }

    /// Ends and forgets all.
    pub(super) fn end(&self) {
        self.plays().clear();
    }

    fn plays(&self) -> MutexGuard<'_, VecDeque<Play>> {
        locked(&self.plays)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a scenario stands.
struct Stands {
    /// How it has ended; none if it has not.
    ending: Option<String>,
    /// What is wrong with that.
    problems: Vec<String>,
}

impl Stands {
    /// For as long as it is not known to be right.
    fn shown(self) -> PlayState {
        match self.ending {
            Some(ending) if !self.problems.is_empty() => PlayState::Otherwise(ending, self.problems),
            _ => PlayState::GoesOn(self.problems),
        }
    }
}

/// Plays, and looks at what comes of it.
struct Watcher {
    player: Player,
    bundle: Arc<Bundle>,
    sqs: Sqs,
    clock: Clock,
    names: Names,
}

impl Watcher {
    async fn watch(self: Arc<Self>, scenario: Scenario, played: Arc<Mutex<Played>>) {
        let show = |state| locked(&played).state = state;
        let script = self.player.play(&scenario);
        let looking = async {
            loop {
                tokio::time::sleep(INTERVAL).await;
                match self.look(&scenario).await {
                    Ok(stands) => show(stands.shown()),
                    Err(error) => return error,
                }
            }
        };
        let broke = tokio::select! {
            played = script => played.err(),
            error = looking => Some(error),
        };
        let ended = match broke {
            Some(error) => Err(error),
            None => self.until_right(&scenario, &show).await,
        };
        show(match ended {
            Ok(ending) => PlayState::Ended(ending),
            Err(error) => PlayState::Broke(error.to_string()),
        });
    }

    /// Waits until it has ended as expected, and stays so.
    async fn until_right(&self, scenario: &Scenario, show: &impl Fn(PlayState)) -> Result<String, PlayError> {
        let mut right_since = None;
        loop {
            let stands = self.look(scenario).await?;
            if !stands.problems.is_empty() {
                right_since = None;
            } else if right_since.get_or_insert_with(Instant::now).elapsed() > AFTERMATH {
                return Ok(stands.ending.unwrap_or_else(|| "Refused".to_owned()));
            }
            show(stands.shown());
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn look(&self, scenario: &Scenario) -> Result<Stands, PlayError> {
        let outcome = self.player.outcome(scenario, &self.refused(scenario)).await?;
        Ok(Stands {
            ending: outcome.ending(),
            problems: scenario.problems(&outcome),
        })
    }

    /// What of it is in dead-letter queues. It stays there, for whoever wants to mend it.
    fn refused(&self, scenario: &Scenario) -> Vec<Refused> {
        let queues = self.bundle.registry.queues().into_iter();
        let refused = queues.flat_map(|queue| {
            let letters = self.sqs.look_at(&self.names.dead_letter_queue(queue));
            letters.into_iter().map(move |letter| {
                let attribute = |name: &str| {
                    let attribute = letter.message_attributes.get(name);
                    attribute.and_then(|attribute| attribute.string_value.clone())
                };
                Refused {
                    queue: queue.to_owned(),
                    code: attribute("error_code").unwrap_or_default(),
                    error: attribute("error").unwrap_or_default(),
                    body: letter.body.clone(),
                }
            })
        });
        refused
            .filter(|letter| scenario.is_told_of_in(&letter.body))
            .collect()
    }
}
