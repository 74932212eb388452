//! What only a stack on this machine can do, told to the console by the process that runs it.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bundle::Scenario;
use eventsourcing::{StreamId, Timestamp};

/// Why something was not done, in words for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotDone(pub String);

/// A stack that runs in this process.
#[async_trait]
pub trait LocalStack: Send + Sync {
    /// What its clock shows.
    fn clock(&self) -> LocalClock;

    /// What is due next: the earliest of the messages that wait for their time, in queues and as schedules.
    fn next_due(&self) -> Option<Due>;

    /// Moves its clock ahead. What is due then is handled at once.
    fn move_clock(&self, by: Duration) -> Result<(), NotDone>;

    /// Moves its clock past the next deadline that is set for the thing of that id, and waits until that is handled; what
    /// it was.
    async fn pass_deadline(&self, id: &str) -> Result<Due, NotDone>;

    /// Whether a function takes messages; none if it does not run here.
    fn takes_messages(&self, function: &str) -> Option<bool>;

    /// Has a function take messages, or leave them in its queue.
    fn take_messages(&self, function: &str, takes: bool) -> Result<(), NotDone>;

    /// The messages in a queue, given without the stack's name, as they wait. They stay as they are.
    fn waiting(&self, queue: &str) -> Vec<WaitingMessage>;

    /// Takes a message out of a queue for good.
    fn drop_message(&self, queue: &str, id: &str) -> Result<(), NotDone>;

    /// What is going to happen to functions, by name.
    fn mishaps(&self) -> Vec<(String, Mishap)>;

    /// What has happened to them so, the latest first.
    fn happened(&self) -> Vec<Happened>;

    /// Has that happen to a function's next invocation, or nothing.
    fn set_mishap(&self, function: &str, mishap: Option<Mishap>) -> Result<(), NotDone>;

    /// Plays a scenario. It goes on when this returns.
    fn play(&self, scenario: Scenario);

    /// What was played, the latest first.
    fn played(&self) -> Vec<Played>;

    /// The folder in which its tables survive the process; none if they are in memory.
    fn folder(&self) -> Option<PathBuf>;

    /// Throws everything away that is in tables, queues and schedules, and what functions remember. The clock goes on.
    async fn start_over(&self) -> Result<(), NotDone>;
}

/// What a clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalClock {
    /// The time.
    pub now: Timestamp,
    /// By how much it was moved ahead of this machine's.
    pub ahead: Duration,
}

/// How long after a time it has passed wherever it is compared in whole seconds.
pub const PASSED: Duration = Duration::from_secs(1);

/// After how long a time has passed: no less than a second, the least by which timers follow a clock.
pub fn passed_in(time: Timestamp, now: Timestamp) -> Duration {
    time.since(now) + PASSED
}

/// A message that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its time.
    pub at: Timestamp,
    /// The queue that it is in or is going to, without the stack's name.
    pub queue: String,
}

impl Due {
    /// After how long it has passed.
    pub fn passed_in(&self, now: Timestamp) -> Duration {
        passed_in(self.at, now)
    }
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its id in the queue.
    pub id: String,
    /// The body.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether nobody can receive it yet: it was sent with a delay, or somebody has received it.
    pub is_hidden: bool,
}

/// What can happen to the next invocation of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// It fails before it has done anything.
    Fails,
    /// It is killed when it has done its work, before it can say so.
    Killed,
    /// It gets its messages twice.
    Twice,
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fails, Self::Killed, Self::Twice];

    /// What happens, to complete "its next invocation …".
    pub const fn about(self) -> &'static str {
        match self {
            Self::Fails => "fails before it does anything",
            Self::Killed => "is killed after its work, before it can say so",
            Self::Twice => "gets its messages twice",
        }
    }

    /// Its name in a form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Killed => "killed",
            Self::Twice => "twice",
        }
    }
}

/// What has happened to an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The function, without the stack's name.
    pub function: String,
    /// What.
    pub mishap: Mishap,
    /// When.
    pub at: Timestamp,
}

/// A scenario that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// What it shows.
    pub title: String,
    /// The streams that it is about.
    pub streams: Vec<StreamId>,
    /// When it began.
    pub began: Timestamp,
    /// How far it has come.
    pub state: PlayState,
}

/// How far a scenario has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayState {
    /// It goes on; what is still missing from its expected ending.
    GoesOn(Vec<String>),
    /// It has ended, and not as expected: how, and what is wrong with that. Something may still come.
    Otherwise(String, Vec<String>),
    /// It ended as expected: how, in words.
    Ended(String),
    /// It could not be played, or looked at.
    Broke(String),
}
