//! Plays the demo's scenarios on a stack that is deployed somewhere: an emulator, AWS, `cargo local up`.
//!
//! Time passes as it does there, so deadlines should be short. Ids are new each time, so that it can be
//! played again and again, and beside what other people play.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_adapters::{Connection, Environment, EnvironmentError, Names, Proxies};
use bundle::Bundle;
use bundle::scenario::{Refused, Scenario};
use eventsourcing::SettingValues;
use futures::future::join_all;
use indicatif::ProgressBar;
use terminal::note;

use crate::player::{PlayError, Player};
use crate::progress::progress;
use crate::report::{self, Played};

/// Why the scenarios could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayRunError {
    /// The environment does not say which stack.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The stack is not there.
    #[error(
        "queue {queue} can't be found: {why}; is the stack deployed, and does AWS_ENDPOINT_URL name its endpoint?"
    )]
    NoStack {
        /// The queue that was looked for.
        queue: String,
        /// The service's words.
        why: String,
    },
    /// Nothing of the business can be sent from outside.
    #[error("the bundle takes no commands from outside, so that there is nothing to play")]
    NoEntrance,
    /// What came of it could not be seen.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The report could not be printed, or the process not be set up.
    #[error(transparent)]
    Process(#[from] std::io::Error),
}

/// Which stack, and how long it may take.
#[derive(Clone, Debug)]
pub struct PlayOptions {
    /// The stack's name.
    pub stack: String,
    /// How long the outside world has for its answers there.
    pub settings: SettingValues,
    /// How long to wait for the last outcome beyond that.
    pub patience: Duration,
}

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often progress is printed, where there is no terminal for a bar.
const NEWS: Duration = Duration::from_secs(10);
/// How long everything has to stay right in the end: a second effect comes after the first.
const AFTERMATH: Duration = Duration::from_secs(10);

/// Plays every scenario; whether every outcome was right.
pub fn run(bundle: &Bundle, options: &PlayOptions) -> Result<bool, PlayRunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play(bundle, options))
}

async fn play(bundle: &Bundle, options: &PlayOptions) -> Result<bool, PlayRunError> {
    let started = Instant::now();
    let connection = Connection::open_through(&Environment::from_process()?, &Proxies::from_process()?);
    let names = Names::of(&options.stack);
    let prefix = queue_url_prefix(bundle, &connection, &names).await?;
    let patience = bundle.longest_wait(&options.settings) + options.patience;
    let outsider = Player::new(&connection, &names, &prefix, patience);
    let program = Program::new(outsider, bundle);
    let played = program.play(patience).await?;
    let took = format!("played in {:.1} s", started.elapsed().as_secs_f64());
    Ok(report::print(&mut terminal::out(), &played, &took)?)
}

/// What the URLs of the stack's queues begin with, up to and including its name and a dash.
async fn queue_url_prefix(
    bundle: &Bundle,
    connection: &Connection,
    names: &Names,
) -> Result<String, PlayRunError> {
    let name = bundle.entrance().ok_or(PlayRunError::NoEntrance)?;
    let queue = names.of_function(name);
    let no_stack = |why: String| PlayRunError::NoStack {
        queue: queue.clone(),
        why,
    };
    let found = connection.sqs.get_queue_url().queue_name(&queue).send().await;
    let url = found
        .map_err(|error| no_stack(aws_sdk_sqs::error::DisplayErrorContext(error).to_string()))?
        .queue_url
        .unwrap_or_default();
    let prefix = names.queue_url_prefix(&url, name);
    prefix.ok_or_else(|| no_stack(format!("its URL is {url:?}")))
}

/// All scenarios, for this one time.
struct Program<'a> {
    player: Player,
    bundle: &'a Bundle,
    scenarios: Vec<Scenario>,
}

/// How the scripts came to their ends.
type Scripts = Vec<Result<(), PlayError>>;

impl<'a> Program<'a> {
    fn new(player: Player, bundle: &'a Bundle) -> Self {
        let time = uuid::Uuid::new_v4().simple().to_string();
        Self {
            player,
            bundle,
            scenarios: bundle.scenarios(&time[..8]),
        }
    }

    /// Plays until everything is as expected and stays so, or the patience is at its end.
    async fn play(&self, patience: Duration) -> Result<Vec<Played>, PlayRunError> {
        let news = News::of(self.scenarios.len());
        let scripts = self.scripts(&news).await;
        let queues = self.bundle.registry.queues();
        let started = Instant::now();
        let mut refused = Vec::new();
        let mut right_since = None;
        loop {
            let is_own = |body: &str| self.is_own(body);
            refused.extend(self.player.refused_of(&queues, &is_own).await?);
            let played = self.look(&refused, &scripts).await?;
            let right = played.iter().filter(|one| one.is_right()).count();
            news.tell(right, "ended as expected");
            if right < played.len() {
                right_since = None;
            } else if right_since.get_or_insert_with(Instant::now).elapsed() > AFTERMATH {
                return Ok(played);
            }
            if started.elapsed() > patience {
                return Ok(played);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn scripts(&self, news: &News) -> Scripts {
        let done = AtomicUsize::new(0);
        let count = async |script: Result<(), PlayError>| {
            news.tell(done.fetch_add(1, Ordering::Relaxed) + 1, "scripts are played");
            script
        };
        let scripts = self.scenarios.iter();
        join_all(scripts.map(async |one| count(self.player.play(one).await).await)).await
    }

    fn is_own(&self, body: &str) -> bool {
        self.scenarios.iter().any(|one| one.is_told_of_in(body))
    }

    /// What has become of each scenario so far.
    async fn look(&self, refused: &[Refused], scripts: &Scripts) -> Result<Vec<Played>, PlayError> {
        let mut played = Vec::new();
        for (scenario, script) in self.scenarios.iter().zip(scripts) {
            let outcome = self.player.outcome(scenario, refused).await?;
            played.push(Played::scenario(scenario, script, outcome));
        }
        Ok(played)
    }
}

/// How far it has come: a bar on a terminal, a line now and then elsewhere.
struct News {
    bar: ProgressBar,
    of: usize,
    started: Instant,
    told: Mutex<Instant>,
}

impl News {
    fn of(scenarios: usize) -> Self {
        let now = Instant::now();
        Self {
            bar: progress(scenarios, "scenarios"),
            of: scenarios,
            started: now,
            told: Mutex::new(now),
        }
    }

    fn tell(&self, number: usize, what: &'static str) {
        self.bar.set_message(what);
        self.bar.set_position(number as u64);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_hidden() && told.elapsed() > NEWS {
            *told = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            note!("{number} of {} {what} after {seconds} s", self.of);
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
