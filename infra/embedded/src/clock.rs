//! Wall time: the system's, or one that moves with tokio's clock, so that a paused test can let hours pass
//! at once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use embedded_sqs::WallClock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::time::Instant;

/// Wall time. Everything in a stack has to read the same clock: clones agree with each other.
///
/// A clock that was given its moment ([`Clock::starting_at`]) shows that moment plus what has passed on
/// tokio's clock since: it moves with a paused clock.
///
/// The system's clock ([`Clock::real`]) is followed instead: tokio's timers stand still while a machine
/// sleeps, and wall time does not. When it jumps ahead, so does this one, at once. When it is set back, this
/// one goes on from the latest time it showed at half speed until the two agree: time never goes backwards,
/// so what happens later is stamped later, and ages and deadlines stay as they are. Timers don't jump by
/// themselves: see [`Clock::jumps`].
///
/// The database takes it, in memory ([`DynamoDb::in_memory`](crate::DynamoDb::in_memory)) and in a file
/// ([`Store::open`](crate::Store::open)), which keeps how far it was moved ahead
/// ([`Store::keep_clock`](crate::Store::keep_clock)).
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Moved { epoch: SystemTime, started: Instant },
    Followed(Arc<Followed>),
}

/// Another clock, and what was last shown of it, and when.
struct Followed {
    clock: WallClock,
    shown: Mutex<(SystemTime, Instant)>,
    /// By how much this one was moved ahead of it.
    ahead: watch::Sender<Duration>,
    /// Who writes that down, if somebody does.
    kept: Mutex<Option<Keep>>,
}

type Keep = Box<dyn Fn(Duration) + Send + Sync>;

impl Followed {
    /// The other clock, moved ahead. No move leads beyond what a time can be.
    fn moved(&self) -> SystemTime {
        let now = (self.clock)();
        now.checked_add(*self.ahead.borrow()).unwrap_or(now)
    }

    fn now(&self) -> SystemTime {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (latest, at) = *shown;
        let instant = Instant::now();
        // Half speed leaves the other clock time to catch up.
        let least = latest.checked_add((instant - at) / 2).unwrap_or(latest);
        let now = self.moved().max(least);
        *shown = (now, instant);
        now
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock that shows `epoch` now and moves with tokio's.
    pub fn starting_at(epoch: SystemTime) -> Self {
        Self(Source::Moved {
            epoch,
            started: Instant::now(),
        })
    }

    /// The system's clock.
    pub fn real() -> Self {
        Self::following(Arc::new(SystemTime::now))
    }

    /// A clock that follows another one, as it follows the system's otherwise.
    pub fn following(clock: WallClock) -> Self {
        let shown = Mutex::new((clock(), Instant::now()));
        let ahead = watch::Sender::new(Duration::ZERO);
        Self(Source::Followed(Arc::new(Followed {
            clock,
            shown,
            ahead,
            kept: Mutex::default(),
        })))
    }

    /// Moves a clock that follows another one ahead of it, for all who read it, by so much more; whether it did. One
    /// that was given its moment moves with tokio's alone, and nothing is moved beyond the year 9999, the last that
    /// timestamps can show.
    ///
    /// Timers don't move by themselves: see [`Clock::jumps`].
    pub fn move_ahead(&self, by: Duration) -> bool {
        let Source::Followed(followed) = &self.0 else {
            return false;
        };
        let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        let is_before = self.now().checked_add(by).is_some_and(|then| then <= last);
        if is_before {
            followed.ahead.send_modify(|ahead| *ahead += by);
            if let Some(keep) = &*followed.kept.lock().unwrap_or_else(PoisonError::into_inner) {
                keep(self.ahead());
            }
        }
        is_before
    }

    /// Has `keep` told by how much it is ahead, each time that it is moved. A clock that can't be moved tells nothing.
    pub(crate) fn keep_ahead(&self, keep: impl Fn(Duration) + Send + Sync + 'static) {
        if let Source::Followed(followed) = &self.0 {
            *followed.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(keep));
        }
    }

    /// By how much it was moved ahead of the clock that it follows.
    pub fn ahead(&self) -> Duration {
        match &self.0 {
            Source::Moved { .. } => Duration::ZERO,
            Source::Followed(followed) => *followed.ahead.borrow(),
        }
    }

    /// Tells of each time that it is moved ahead; none if it can't be.
    pub(crate) fn moves(&self) -> Option<watch::Receiver<Duration>> {
        match &self.0 {
            Source::Moved { .. } => None,
            Source::Followed(followed) => Some(followed.ahead.subscribe()),
        }
    }

    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            // Out of range only for an epoch at the end of what the system can represent.
            Source::Moved { epoch, started } => epoch.checked_add(started.elapsed()).unwrap_or(*epoch),
            Source::Followed(followed) => followed.now(),
        }
    }

    /// Whether it follows another clock, and so can jump.
    pub fn follows(&self) -> bool {
        matches!(self.0, Source::Followed(_))
    }

    /// The jumps of this clock against tokio's, from now on.
    pub fn jumps(&self) -> Jumps {
        Jumps {
            clock: self.clone(),
            latest: self.now(),
            at: Instant::now(),
        }
    }

    /// The same clock as `embedded-sqs` takes it.
    pub fn for_sqs(&self) -> WallClock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }

    /// Time since 1970; zero for a clock that was set before that.
    fn since_unix_epoch(&self) -> Duration {
        self.now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// Less than this is how two clocks are read one after the other, and no jump.
const LEAST_JUMP: Duration = Duration::from_secs(1);

/// Finds out by how much a clock has run ahead of tokio's timers, which stand still while a machine sleeps.
#[derive(Debug)]
pub struct Jumps {
    clock: Clock,
    latest: SystemTime,
    at: Instant,
}

impl Jumps {
    /// By how much the clock has jumped ahead since it was last asked for, if it has: at least a second.
    /// Pass it on to [`Sqs::skip`](embedded_sqs::Sqs::skip).
    pub fn since_last_asked(&mut self) -> Option<Duration> {
        let (now, instant) = (self.clock.now(), Instant::now());
        let shown = now.duration_since(self.latest).unwrap_or_default();
        let jump = shown.checked_sub(instant - self.at);
        (self.latest, self.at) = (now, instant);
        jump.filter(|jump| *jump >= LEAST_JUMP)
    }
}

/// For the `time_source` of an SDK client. A client on a paused clock needs it: between the system's time
/// and tokio's timers it would see requests stall that do not.
impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        self.since_unix_epoch().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.since_unix_epoch().as_secs_f64()
    }
}

/// RFC 3339 in UTC, to the second, as EventBridge and the stream mapping's failure records write it.
pub(crate) fn to_the_second(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    rfc3339(at.replace_nanosecond(0).unwrap_or(at))
}

/// RFC 3339 in UTC with the milliseconds, also when they are zero.
pub(crate) fn to_the_millisecond(at: SystemTime) -> String {
    let milliseconds = OffsetDateTime::from(at).millisecond();
    let seconds = to_the_second(at);
    format!("{}.{milliseconds:03}Z", seconds.trim_end_matches('Z'))
}

fn rfc3339(at: OffsetDateTime) -> String {
    // Years past 9999 have no RFC 3339 form; such a clock still has to show something.
    at.format(&Rfc3339)
        .unwrap_or_else(|_| at.unix_timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system's clock that is set by hand.
    fn system() -> (Arc<Mutex<SystemTime>>, Clock) {
        let time = Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_hours(1_000)));
        let read = time.clone();
        let clock = Clock::following(Arc::new(move || {
            *read.lock().unwrap_or_else(PoisonError::into_inner)
        }));
        (time, clock)
    }

    fn set(time: &Mutex<SystemTime>, change: impl FnOnce(SystemTime) -> SystemTime) {
        let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
        *time = change(*time);
    }

    /// Time that passes on both clocks.
    async fn pass(time: &Mutex<SystemTime>, by: Duration) {
        set(time, |now| now + by);
        tokio::time::advance(by).await;
    }

    const HOUR: Duration = Duration::from_hours(1);
    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_jump_ahead_of_the_systems_clock_is_followed_at_once_and_told_once() {
        let (time, clock) = system();
        let (began, mut jumps) = (clock.now(), clock.jumps());
        pass(&time, MINUTE).await;
        assert_eq!(jumps.since_last_asked(), None);
        set(&time, |now| now + HOUR);
        assert_eq!(clock.now(), began + MINUTE + HOUR);
        assert_eq!(jumps.since_last_asked(), Some(HOUR));
        pass(&time, MINUTE).await;
        assert_eq!(jumps.since_last_asked(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_never_shows_an_earlier_time_and_comes_to_agree() {
        let (time, clock) = system();
        let (began, mut jumps) = (clock.now(), clock.jumps());
        set(&time, |now| now - HOUR);
        let mut latest = clock.now();
        assert_eq!(latest, began);
        for _ in 0..120 {
            pass(&time, MINUTE).await;
            let now = clock.now();
            assert_eq!(now, latest + MINUTE / 2);
            assert_eq!(jumps.since_last_asked(), None);
            latest = now;
        }
        pass(&time, MINUTE).await;
        let system = *time.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((clock.now(), jumps.since_last_asked()), (system, None));
        // What is put right again is no jump, but for what was not shown.
        set(&time, |now| now - HOUR);
        assert_eq!(clock.now(), system);
        set(&time, |now| now + HOUR);
        assert_eq!((clock.now(), jumps.since_last_asked()), (system, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_follows_another_one_can_be_moved_ahead_of_it_and_stays_there() {
        let (time, clock) = system();
        let (began, mut jumps) = (clock.now(), clock.jumps());
        let other = clock.clone();
        assert!(other.move_ahead(HOUR * 24));
        assert!(other.move_ahead(MINUTE));
        assert_eq!(clock.now(), began + HOUR * 24 + MINUTE);
        assert_eq!(jumps.since_last_asked(), Some(HOUR * 24 + MINUTE));
        pass(&time, HOUR).await;
        assert_eq!(clock.now(), began + HOUR * 25 + MINUTE);
        assert_eq!(
            (jumps.since_last_asked(), clock.ahead()),
            (None, HOUR * 24 + MINUTE)
        );
        let centuries = HOUR * 24 * 366 * 9000;
        assert!(!clock.move_ahead(centuries) && !clock.move_ahead(Duration::MAX));
        assert!(!Clock::starting_at(UNIX_EPOCH).move_ahead(HOUR));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_given_its_moment_moves_with_tokios_alone() {
        let clock = Clock::starting_at(UNIX_EPOCH);
        let mut jumps = clock.jumps();
        tokio::time::advance(HOUR * 24).await;
        assert_eq!(
            (clock.now(), jumps.since_last_asked()),
            (UNIX_EPOCH + HOUR * 24, None)
        );
    }
}
