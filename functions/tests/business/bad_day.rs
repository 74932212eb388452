//! A bad day on AWS: orders and groups come at a steady rate while something is wrong for hours, then it ends.
//! Afterwards every order and group has ended right, nothing is undelivered, and no dead letter needs a person.
//!
//! | module | what it is |
//! | --- | --- |
//! | `trouble` | what is wrong, and for how long |
//! | `arrivals` | what comes meanwhile |
//! | `outlook` | what `CloudWatch` would have counted, minute by minute, and which alarm rings by it |
//! | `figures` | what it took, and what it cost |
//!
//! Each row has a short form here, of the same hours with few orders, and a long one with one order a second.

mod arrivals;
mod figures;
mod outlook;
mod trouble;

use std::collections::BTreeSet;
use std::time::Duration;

use bundle::Function;
use domain::Deadlines;
use embedded_aws::Service;
use local::StackOptions;
use local::player::Player;
use serde_json::Value;
use testkit::invariants::Evidence;
use testkit::running::{Letter, Running};
use testkit::setting;
use testkit::storm::OUTSIDE;

use crate::invariants::judge;
use crate::options;
use crate::story::on_a_paused_clock;
use arrivals::Arrivals;
use figures::{Figures, is_exhausted};
use trouble::{DEADLY, Sky, Trouble};

/// Payments wait in their queue, shipments and groups are schedules, and all of them end within an outage of three
/// hours.
const DEADLINES: Deadlines = Deadlines {
    payment: Duration::from_mins(15),
    shipment: Duration::from_hours(2),
    group_checkout: Duration::from_hours(1),
};

/// For how long all has been well before it begins. Alarms need as long to be trusted.
const WELL: Duration = Duration::from_hours(1);

const NOW_AND_THEN: Duration = Duration::from_mins(15);

/// What scripts provoke on purpose is refused on these queues, and nothing else is refused anywhere.
const PROVOKED: [&str; 2] = ["finalize-cart", "withdraw-order"];

/// A row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    trouble: Trouble,
    /// For how long.
    lasts: Duration,
    /// The alarm that has to ring, and within how many minutes.
    rings: Option<(&'static str, u32)>,
}

impl Row {
    const fn of(trouble: Trouble, lasts: Duration) -> Self {
        Self {
            trouble,
            lasts,
            rings: None,
        }
    }

    const fn ringing(self, alarm: &'static str, within: u32) -> Self {
        Self {
            rings: Some((alarm, within)),
            ..self
        }
    }

    /// Few orders, but some close together as it begins. The outbox is swept now and then only, which is most of what
    /// such a day takes, unless that is what the day is about.
    fn short(self) {
        let each_minute = self.trouble == Trouble::NoSweeper;
        let sweeps = (!each_minute).then_some(NOW_AND_THEN);
        on_a_paused_clock(self.passes(Arrivals::thin(WELL, self.lasts), sweeps));
    }

    /// An arrival at each pace, or `BAD_DAY_SLOWER` times slower, and all else as on AWS.
    fn long(self, pace: Duration) {
        let slower = u32::try_from(setting("BAD_DAY_SLOWER", 1)).expect("so many fit");
        let pace = pace * slower;
        on_a_paused_clock(self.passes(Arrivals::steady(WELL, self.lasts, pace), None));
    }

    async fn passes(self, arrivals: Arrivals, sweep_interval: Option<Duration>) {
        let started = std::time::Instant::now();
        let sky = Sky::of(self.trouble, WELL, self.lasts, arrivals.pace());
        let mut bundle = Running::start_unwatched(StackOptions {
            faults: Some(sky.clone()),
            intercept: Some(sky.clone()),
            settings: DEADLINES.into(),
            sweep_interval,
            ..options()
        })
        .await;
        let connection = bundle.stack.connection(OUTSIDE);
        let prefix = bundle.queue_url_prefix();
        let player = Player::new(&connection, bundle.stack.names(), &prefix, arrivals::PATIENCE);
        let coming = async {
            if let Trouble::Deadly = self.trouble {
                let (cut_short, ()) = tokio::join!(arrivals.come(&player), arrivals.deadly_comes(&player));
                return cut_short;
            }
            arrivals.come(&player).await
        };
        let fault = async {
            tokio::time::sleep(WELL).await;
            if let Trouble::RelayOff = self.trouble {
                bundle.stack.disable_relay().await;
            }
            tokio::time::sleep(self.lasts).await;
            if let Trouble::RelayOff = self.trouble {
                bundle.stack.enable_relay().await.expect("its stream is there");
            }
            figures::until_all_is_well(&bundle).await
        };
        let (recovery, cut_short) = tokio::join!(fault, coming);
        bundle.settle().await;

        let mut evidence = Evidence::of(&bundle).await;
        evidence.told = sky.told();
        let figures = Figures::of(&bundle, &sky, &evidence, recovery);
        println!(
            "{:?} for {:?}: {} orders and {} groups, {cut_short} scripts cut short\n{figures}\n    played in {:.1?}",
            self.trouble,
            self.lasts,
            arrivals.orders(),
            arrivals.groups(),
            started.elapsed()
        );
        self.assert_alarm(&sky, &evidence);
        self.assert_ended(&mut evidence, &arrivals);
        if let Trouble::SlowRelay = self.trouble {
            let (longest, cut_short) = sky.relay_took();
            assert!(longest < Function::TIMEOUT && cut_short == 0, "{longest:?}");
            assert!(figures.saved > 0, "it sent everything in time");
        }
    }

    fn assert_alarm(self, sky: &Sky, evidence: &Evidence) {
        let Some((alarm, within)) = self.rings else {
            return;
        };
        let rings = outlook::rings(alarm, sky, evidence, WELL, self.lasts);
        println!("    {alarm} rang after {rings:?} minutes");
        assert!(rings.is_some_and(|minutes| minutes <= within), "{rings:?}");
    }

    fn assert_ended(self, evidence: &mut Evidence, arrivals: &Arrivals) {
        if let Trouble::Deadly = self.trouble {
            let (deadly, others): (Vec<Letter>, Vec<Letter>) = std::mem::take(&mut evidence.letters)
                .into_iter()
                .partition(|letter| letter.body.contains(DEADLY));
            evidence.letters = others;
            evidence.told.retain(|(_, body)| !body.contains(DEADLY));
            let [letter] = &deadly[..] else {
                panic!("it ends alone, and once: {deadly:?}");
            };
            assert_eq!(letter.attribute("error_code"), "exhausted");
        }
        let findings = judge(evidence);
        assert_eq!(findings.problems(), [""; 0]);
        let counts = findings.counts;
        // What a script that was cut short did not send, nobody waits for.
        let orders = told_of("finalize-cart", "cart_id", evidence);
        let groups = told_of("initiate-group-checkout", "group_checkout_id", evidence);
        assert!(
            orders * 10 >= arrivals.orders() * 9 && groups > 0,
            "{orders} orders, {groups} groups"
        );
        assert_eq!(
            (counts.orders, counts.completed + counts.cancelled),
            (orders, orders),
            "{counts}"
        );
        assert_eq!((counts.groups, counts.groups_ended), (groups, groups), "{counts}");
        let need_a_person = evidence.letters.iter().filter(|letter| is_exhausted(letter));
        let told: Vec<_> = need_a_person
            .map(|letter| (&letter.queue, letter.attribute("error")))
            .collect();
        assert_eq!(told, [], "dead letters that need a person");
        assert_eq!(counts.exhausted, 0);
        let refused_on: BTreeSet<_> = evidence.letters.iter().map(|letter| &*letter.queue).collect();
        assert!(
            refused_on.iter().all(|queue| PROVOKED.contains(queue)),
            "{refused_on:?}"
        );
    }
}

/// Of how many carts or groups a queue was told.
fn told_of(queue: &str, name: &str, evidence: &Evidence) -> usize {
    let told = evidence.told.iter().filter(|(of, _)| of == queue);
    let ids = told.filter_map(|(_, body)| {
        let message: Value = serde_json::from_str(body).ok()?;
        message["command"][name].as_str().map(str::to_owned)
    });
    ids.collect::<BTreeSet<_>>().len()
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

const WITHOUT_DYNAMODB: Row = Row::of(Trouble::Dead(&[Service::DynamoDb]), Duration::from_hours(3));
const WITHOUT_SQS: Row = Row::of(Trouble::Dead(&[Service::Sqs]), Duration::from_hours(3));
const WITHOUT_BOTH: Row = Row::of(
    Trouble::Dead(&[Service::DynamoDb, Service::Sqs]),
    Duration::from_hours(3),
);
const ONE_AT_A_TIME: Row = Row::of(Trouble::OneAtATime, HOUR);
const RELAY_OFF: Row = Row::of(Trouble::RelayOff, Duration::from_hours(3)).ringing("RelaySilentAlarm", 5);
const NO_SWEEPER: Row = Row::of(Trouble::NoSweeper, DAY).ringing("SweeperSilentAlarm", 5);
const A_QUEUE_OF_EVENTS_REFUSES: Row = Row::of(Trouble::Refusing("on-order-initialized"), DAY);
const A_QUEUE_OF_COMMANDS_REFUSES: Row = Row::of(Trouble::Refusing("request-payment"), DAY);
const ONE_IS_DEADLY: Row = Row::of(Trouble::Deadly, HOUR);
const SLOW_RELAY: Row = Row::of(Trouble::SlowRelay, HOUR);

#[test]
fn three_hours_without_dynamodb_leave_every_order_and_group_ended_right() {
    WITHOUT_DYNAMODB.short();
}

#[test]
fn three_hours_without_sqs_leave_every_order_and_group_ended_right() {
    WITHOUT_SQS.short();
}

#[test]
fn three_hours_without_both_leave_every_order_and_group_ended_right() {
    WITHOUT_BOTH.short();
}

#[test]
fn an_hour_of_one_invocation_at_a_time_leaves_every_order_and_group_ended_right() {
    ONE_AT_A_TIME.short();
}

#[test]
fn three_hours_without_the_relay_are_told_in_time_and_leave_every_order_and_group_ended_right() {
    RELAY_OFF.short();
}

#[test]
fn a_day_without_the_sweeper_is_told_in_time_and_leaves_every_order_and_group_ended_right() {
    NO_SWEEPER.short();
}

#[test]
fn a_queue_of_events_that_refuses_everything_for_a_day_gets_it_afterwards_and_all_ends_right() {
    A_QUEUE_OF_EVENTS_REFUSES.short();
}

#[test]
fn a_queue_of_commands_that_refuses_everything_for_a_day_gets_it_afterwards_and_all_ends_right() {
    A_QUEUE_OF_COMMANDS_REFUSES.short();
}

#[test]
fn a_message_that_kills_its_function_each_time_ends_alone_and_all_others_end_right() {
    ONE_IS_DEADLY.short();
}

#[test]
fn a_relay_near_its_time_limit_saves_what_it_could_not_send_and_all_ends_right() {
    SLOW_RELAY.short();
}

/// So many orders in three hours, or in a day.
const A_SECOND: Duration = Duration::from_secs(1);
const EIGHT_SECONDS: Duration = Duration::from_secs(8);

macro_rules! long {
    ($($test:ident: $row:ident, $pace:ident;)+) => {$(
        #[test]
        #[ignore = "takes minutes; optimised, as functions/tests/README.md says"]
        fn $test() {
            $row.long($pace);
        }
    )+};
}

long! {
    bad_day_in_full_without_dynamodb: WITHOUT_DYNAMODB, A_SECOND;
    bad_day_in_full_without_sqs: WITHOUT_SQS, A_SECOND;
    bad_day_in_full_without_both: WITHOUT_BOTH, A_SECOND;
    bad_day_in_full_one_at_a_time: ONE_AT_A_TIME, A_SECOND;
    bad_day_in_full_relay_off: RELAY_OFF, A_SECOND;
    bad_day_in_full_no_sweeper: NO_SWEEPER, EIGHT_SECONDS;
    bad_day_in_full_a_queue_of_events_refuses: A_QUEUE_OF_EVENTS_REFUSES, EIGHT_SECONDS;
    bad_day_in_full_a_queue_of_commands_refuses: A_QUEUE_OF_COMMANDS_REFUSES, EIGHT_SECONDS;
    bad_day_in_full_one_is_deadly: ONE_IS_DEADLY, A_SECOND;
    bad_day_in_full_slow_relay: SLOW_RELAY, A_SECOND;
}
