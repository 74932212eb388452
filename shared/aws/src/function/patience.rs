//! How long a message is tried, after which delays, and when its receives say that it ends its function.
//!
//! All of it goes by the time since the message's first receive, which SQS tells with each receive. Receives
//! are a poor measure of tries: an invocation that Lambda throttles counts as one, and so does a copy that is
//! delivered twice. But they have limits: retries and throttling can explain only so many of them within a time,
//! and a message that has really waited has had a least number of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use eventsourcing::{Setting, SettingValues};

/// How often SQS lets a message be received before it moves it to the dead-letter queue by itself; the redrive
/// policy of every queue says so. It is the most that SQS takes. Functions give a message up long before; this is
/// for functions that never get as far as looking at it.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
pub const MAX_RECEIVE_COUNT: u32 = 1_000;

/// For how long a message is tried that waits for what is not there yet.
pub const GIVE_UP_WAITING: Setting = Setting {
    variable: "GIVE_UP_WAITING_SECONDS",
    default: Duration::from_hours(1),
    about: "For how long a message is tried, from its first receive on, that waits for what is not there yet.",
};

/// For how long a message is tried that fails for a transient reason. Services are down for three hours now and
/// then; who is called in the evening has until the morning.
pub const GIVE_UP_FAILING: Setting = Setting {
    variable: "GIVE_UP_FAILING_SECONDS",
    default: Duration::from_hours(12),
    about: "For how long a message is tried, from its first receive on, that fails for a transient reason.",
};

/// How many times as long as another failure a message is tried whose function can't send what follows from it: three
/// days, as long as the outbox sends an event again. One queue that takes nothing for a day, or a scheduler that
/// doesn't, is no reason to give up what has to be said to it.
const TIMES_AS_LONG: u32 = 6;

/// How long messages are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    waiting: Duration,
    failing: Duration,
}

impl Patience {
    /// What can be set of it, in every bundle.
    pub const DECLARED: [Setting; 2] = [GIVE_UP_WAITING, GIVE_UP_FAILING];

    /// What it is set to.
    pub fn of(values: &SettingValues) -> Self {
        Self {
            waiting: values.get(&GIVE_UP_WAITING),
            failing: values.get(&GIVE_UP_FAILING),
        }
    }

    /// After how long a message is tried again that has been `tried` since its first receive, of which this one is
    /// number `receives`; none if it is given up. Of the delays from half of the longest to all of it `choose` chooses
    /// one, in seconds, so that what failed together does not come back together.
    ///
    /// A message is given up when its time is over. But what waits then may have done something else before, such as
    /// failing for three hours together with what it waits for, or being thrown back by throttling. It has only just
    /// begun to wait, and is tried once a minute from then on, until that shows in its receives: for 25 minutes at
    /// least, which is longer than any delay of what it waits for, and until [`GIVE_UP_FAILING`] at most. One that
    /// has waited from the beginning is known by two things: it is there when its time is over, for its last delay
    /// is cut short, and it has had at least as many receives as the longest delays make, [`ON_THE_WAY`] included.
    /// Throttling makes fewer.
    pub(crate) fn next_try(
        self,
        why: Why,
        tried: Duration,
        receives: u32,
        choose: impl FnOnce(RangeInclusive<u64>) -> u64,
    ) -> Option<Duration> {
        let late = why == Why::Waits && tried >= self.waiting && !self.has_waited(tried, receives);
        let end = match why {
            Why::Fails => self.failing,
            Why::CanNotSend => self.failing * TIMES_AS_LONG,
            Why::Waits if late => self.waiting.max(self.failing),
            Why::Waits => self.waiting,
        };
        let left = end.checked_sub(tried).filter(|left| !left.is_zero())?;
        let delay = if late {
            Duration::from_secs(choose(SOON))
        } else {
            why.delay(tried, choose)
        };
        // The last try is when the time is up, not some minutes after. Rounded up, so that it is up by then.
        let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Some(delay.min(Duration::from_secs(left)))
    }

    /// Whether a message that waits after its time has waited all that time, or long enough since.
    fn has_waited(self, tried: Duration, receives: u32) -> bool {
        let slowest = |tried| *Why::Waits.delays(tried).end() + ON_THE_WAY.as_secs();
        // Before one that began late can have come again.
        let on_time = tried < self.waiting + Duration::from_secs(*SOON.start());
        let all_along = on_time && receives >= receives_within(self.waiting, slowest);
        all_along || receives > explained(tried)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::of(&SettingValues::default())
    }
}

/// Why a message is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// What it needs is not there yet.
    Waits,
    /// Something that it needs does not work.
    Fails,
    /// What follows from it can't be sent.
    CanNotSend,
}

impl Why {
    /// The first delay in seconds, the share of the time tried so far that the next one is, as a fraction, and the
    /// longest delay. What waits is tried again after half of that time: a race ends within seconds. What fails,
    /// after three times as long: 5, 15, 60, 240 and then 900 seconds.
    const fn terms(self) -> (u64, (u64, u64), u64) {
        match self {
            Self::Waits => (2, (1, 2), 300),
            Self::Fails | Self::CanNotSend => (5, (3, 1), 900),
        }
    }

    /// A delay after which a message that has been tried for so long is tried again.
    pub(crate) fn delay(self, tried: Duration, choose: impl FnOnce(RangeInclusive<u64>) -> u64) -> Duration {
        Duration::from_secs(choose(self.delays(tried)))
    }

    /// The shortest and the longest delay, in seconds, of a message that has been tried for so long.
    fn delays(self, tried: Duration) -> RangeInclusive<u64> {
        let (first, (times, per), most) = self.terms();
        let longest = (tried.as_secs().saturating_mul(times) / per).clamp(first, most);
        longest.div_ceil(2)..=longest
    }
}

/// From which time on a message that was received before may have ended its function then: a message comes back by
/// itself when its visibility timeout ends, which is not shorter than the functions' timeout. Before that, it came
/// back because a function had it come back.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub const SUSPICIOUS_AGE: Duration = Duration::from_secs(30);

/// After how many seconds one comes again whose receives have to tell something: sooner than by retries for long, and
/// by throttling, and later than a function may take, or it would be handled twice. Not always the same, so that two
/// of them part.
///
/// For so long a suspect is invisible while it is handled. If it ends its function it comes back after that, and what
/// came with it after the queue's own three minutes, without it. And so soon comes again what waits when its time is
/// over and has not waited for long.
pub const SOON: RangeInclusive<u64> = 45..=60;

/// How long after its delay a message is received, at most: the second for which a queue of large batches waits for
/// one to fill, and as much for all the rest.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// How many more receives than can be explained are forgiven: queues deliver at least once, and now and then a delay
/// can't be set.
const FORGIVEN: u32 = 4;

/// Whether a message may have ended the function that had it before.
///
/// To be suspected costs two requests, and the company of others. What ends within seconds, as races do, ends before
/// [`SUSPICIOUS_AGE`].
pub(crate) fn is_suspect(receives: u32, tried: Duration) -> bool {
    receives > 1 && tried >= SUSPICIOUS_AGE
}

/// Whether only a message that ends its function can have had so many receives in that time.
///
/// A function that dies again and again on a suspect makes a receive within a minute ([`SOON`]), and nothing else
/// does for long: what comes back so fast ends its function. It takes three quarters of an hour from its first receive
/// on; of one that was retried for hours before, about half as long as that more. That is also the time there is to mend a
/// deployment of which every invocation dies.
pub(crate) fn ends_its_function(receives: u32, tried: Duration) -> bool {
    receives > explained(tried) + FORGIVEN
}

/// How many receives retries and throttling can explain at most.
///
/// A retry comes at least half of its longest delay after the one before: of what waits for long, half of 300 seconds.
/// A throttled invocation takes as long as the queue's visibility timeout, 180 seconds: Lambda goes on trying until
/// it is over, and drops the message then. (On a queue whose visibility timeout somebody set to less than 150 seconds,
/// an hour of throttling would be more.)
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
fn explained(tried: Duration) -> u32 {
    let shortest = |why: Why, tried| *why.delays(tried).start();
    receives_within(tried, |tried| {
        shortest(Why::Waits, tried).min(shortest(Why::Fails, tried))
    })
}

/// How many receives there are from the first one until `time` has passed, that one included, if each follows the
/// one before after `gap`, in seconds, of the time by then. No gap is zero.
fn receives_within(time: Duration, gap: impl Fn(Duration) -> u64) -> u32 {
    let (mut at, mut receives) = (Duration::ZERO, 1);
    loop {
        at += Duration::from_secs(gap(at).max(1));
        if at > time {
            return receives;
        }
        receives += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHYS: [Why; 3] = [Why::Waits, Why::Fails, Why::CanNotSend];

    fn shortest(delays: RangeInclusive<u64>) -> u64 {
        *delays.start()
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Tries a message until it is given up: after which delays, and when.
    fn play(
        why: Why,
        patience: Patience,
        mut choose: impl FnMut(RangeInclusive<u64>) -> u64,
    ) -> (Vec<u64>, Duration) {
        let (mut delays, mut at) = (Vec::new(), Duration::ZERO);
        for receives in 1.. {
            let Some(delay) = patience.next_try(why, at, receives, &mut choose) else {
                break;
            };
            delays.push(delay.as_secs());
            at += delay;
        }
        (delays, at)
    }

    #[test]
    fn the_longest_delays_of_what_waits_and_of_what_fails() {
        let longest = |why| play(why, Patience::default(), |range| *range.end()).0;
        assert_eq!(longest(Why::Fails)[..6], [5, 15, 60, 240, 900, 900]);
        assert_eq!(
            longest(Why::Waits)[..17],
            [2, 2, 2, 3, 4, 6, 9, 14, 21, 31, 47, 70, 105, 158, 237, 300, 300]
        );
    }

    #[test]
    fn each_is_given_up_when_its_time_is_over_and_not_later() {
        let ends: [fn(RangeInclusive<u64>) -> u64; 2] = [|range| *range.start(), |range| *range.end()];
        for (why, end) in [
            (Why::Waits, 3_600),
            (Why::Fails, 43_200),
            (Why::CanNotSend, 259_200),
        ] {
            for choose in ends {
                let (_, given_up) = play(why, Patience::default(), choose);
                assert_eq!(given_up.as_secs(), end, "{why:?}");
            }
        }
    }

    #[test]
    fn what_waits_is_given_up_on_time_though_each_receive_comes_late() {
        for waiting in [5, 10, 20, 60, 300, 900, 3_600] {
            let patience = Patience {
                waiting: seconds(waiting),
                ..Patience::default()
            };
            let (mut at, mut receives) = (Duration::ZERO, 1);
            while let Some(delay) = patience.next_try(Why::Waits, at, receives, |range| *range.end()) {
                at += delay + ON_THE_WAY;
                receives += 1;
            }
            assert!(
                at <= seconds(waiting) + ON_THE_WAY,
                "{at:?}, {receives} receives, of {waiting} s"
            );
        }
    }

    /// How long one waits that does so for the first time after so long, on receive number `receives`.
    fn waits_after(tried: Duration, receives: u32) -> Duration {
        let (mut at, mut receives) = (tried, receives);
        while let Some(delay) = Patience::default().next_try(Why::Waits, at, receives, shortest) {
            at += delay;
            receives += 1;
        }
        at.saturating_sub(tried)
    }

    #[test]
    fn what_failed_or_was_throttled_for_hours_and_then_waits_has_25_minutes_at_least() {
        for hours in 1..=8 {
            let tried = Duration::from_hours(hours);
            let failing = [900, 675, 450].map(|delay| 5 + tried.as_secs() / delay);
            let throttled = 1 + tried.as_secs() / 180;
            for receives in failing.into_iter().chain([throttled]) {
                let waits = waits_after(tried, u32::try_from(receives).expect("so few"));
                assert!(waits >= Duration::from_mins(25), "{waits:?} after {tried:?}");
            }
        }
    }

    #[test]
    fn what_has_begun_to_wait_late_is_not_suspected_of_ending_its_function() {
        let (mut at, mut receives) = (Duration::from_hours(3), 61);
        while let Some(delay) = Patience::default().next_try(Why::Waits, at, receives, shortest) {
            assert!(
                !ends_its_function(receives, at),
                "receive {receives} after {at:?}"
            );
            at += delay;
            receives += 1;
        }
        assert!(
            !ends_its_function(receives, at),
            "receive {receives} after {at:?}"
        );
    }

    #[test]
    fn what_waits_is_given_up_at_the_latest_when_what_fails_is() {
        let patience = Patience::default();
        assert_eq!(
            patience.next_try(Why::Waits, Duration::from_hours(12), 2, shortest),
            None
        );
    }

    #[test]
    fn one_that_ends_its_function_is_found_out_within_the_hour() {
        // It dies with its neighbours first, and comes back with them after the queue's own time.
        let (mut at, mut receives) = (seconds(180), 2);
        while !ends_its_function(receives, at) {
            at += seconds(*SOON.end());
            receives += 1;
        }
        assert_eq!((at.as_secs() / 60, receives), (48, 47));
    }

    #[test]
    fn what_is_throttled_for_days_does_not_end_its_function() {
        for receives in 1..1_000_u32 {
            let tried = seconds(180) * (receives - 1);
            assert!(!ends_its_function(receives, tried), "{receives} in {tried:?}");
        }
    }

    proptest! {
        #[test]
        fn delays_are_within_their_bounds_and_grow(earlier in 0..90_000_u64, later in 0..90_000_u64) {
            let (earlier, later) = (earlier.min(later), earlier.max(later));
            for (why, first, most) in [(Why::Waits, 2, 300), (Why::Fails, 5, 900), (Why::CanNotSend, 5, 900)] {
                let (before, after) = (why.delays(seconds(earlier)), why.delays(seconds(later)));
                prop_assert!(before.start() <= after.start() && before.end() <= after.end());
                let (least, longest) = after.into_inner();
                prop_assert!((first..=most).contains(&longest));
                prop_assert!(least >= 1 && least <= longest && least * 2 >= longest);
            }
        }

        #[test]
        fn whatever_chance_says_a_message_is_given_up_on_time_and_never_suspected_of_ending_its_function(
            seed in any::<u64>(), waiting in 1..100_000_u64, failing in 1..100_000_u64,
        ) {
            let patience = Patience { waiting: seconds(waiting), failing: seconds(failing) };
            let mut random = fastrand::Rng::with_seed(seed);
            let sending = failing * u64::from(TIMES_AS_LONG);
            for (why, end) in [(Why::Waits, waiting), (Why::Fails, failing), (Why::CanNotSend, sending)] {
                let (delays, given_up) = play(why, patience, |range| random.u64(range));
                prop_assert_eq!(given_up, seconds(end));
                let mut at = Duration::ZERO;
                for (receive, delay) in (1..).zip(delays) {
                    prop_assert!(!ends_its_function(receive, at), "receive {} after {:?}", receive, at);
                    at += seconds(delay);
                }
            }
        }

        #[test]
        fn no_mixture_of_retries_and_throttling_looks_like_a_death(seed in any::<u64>()) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut at = Duration::ZERO;
            for receive in 1..400 {
                prop_assert!(!ends_its_function(receive, at), "receive {} after {:?}", receive, at);
                let why = WHYS[random.usize(..WHYS.len())];
                let retry = Patience::default().next_try(why, at, receive, |range| random.u64(range));
                at += retry.filter(|_| random.bool()).unwrap_or(seconds(180));
            }
        }
    }
}
