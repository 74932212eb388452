//! The saga and the group checkout as a whole: every scenario ends as expected, whatever happens on the way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bundle::scenario::{Outcome, Refused, TimelineEntry};
use domain::Deadlines;
use embedded_aws::Service;
use embedded_aws::mapping::stream::Order;
use embedded_aws::transport::{Fault, Faults};
use eventsourcing::{StreamId, Timestamp};
use functions::scenarios::{Ids, OrderScenario, order_scenarios};
use futures::future::join_all;
use local::StackOptions;
use local::player::Player;
use serde_json::{Value, json};
use testkit::running::Running;
use testkit::running::id_of;
use testkit::weather::{Weather, at_first, broken, faults};

use crate::invariants::Findings;
use crate::options;

/// Plays all scenarios on one stack, and fails with everything that is wrong with their ends.
async fn all_end_right(what: &str, options: StackOptions) {
    let bundle = Running::start(options).await;
    let outside = outsider(&bundle);
    let scenarios = bundle.stack.bundle().scenarios("");
    let played = join_all(scenarios.iter().map(|scenario| outside.play(scenario))).await;
    bundle.settle().await;
    let refused = refused(&bundle).await;
    let mut problems = Vec::new();
    for (scenario, played) in scenarios.iter().zip(played) {
        let outcome = outside.outcome(scenario, &refused).await;
        let mut found = scenario.problems(&outcome.expect("streams can be read"));
        found.extend(played.err().map(|error| error.to_string()));
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("{}: {problem}", scenario.title)),
        );
    }
    assert!(problems.is_empty(), "{what}:\n{}", problems.join("\n"));
    assert_eq!(bundle.outbox().await.len(), 0, "{what}");
}

/// Somebody outside whose own calls nothing befalls.
fn outsider(bundle: &Running) -> Player {
    Player::new(
        &bundle.observer,
        bundle.stack.names(),
        &bundle.queue_url_prefix(),
        Duration::from_hours(72),
    )
}

/// What is in dead-letter queues, each once: a message that was delivered twice is refused twice.
async fn refused(bundle: &Running) -> Vec<Refused> {
    let queues = bundle.stack.registry().queues();
    let refused = outsider(bundle).refused(&queues).await;
    let refused = refused.expect("dead-letter queues can be read");
    let once = |letter: Refused| {
        let key = (letter.queue.clone(), letter.code.clone(), id_of(&letter.body));
        (key, letter)
    };
    let once: BTreeMap<_, _> = refused.into_iter().map(once).collect();
    once.into_values().collect()
}

async fn outcome(bundle: &Running, scenario: &OrderScenario, refused: &[Refused]) -> Outcome {
    let outcome = outsider(bundle).outcome(&scenario.scenario(), refused).await;
    outcome.expect("streams can be read")
}

/// Deadlines that their queues wait for.
fn short_deadlines() -> Deadlines {
    Deadlines {
        payment: Duration::from_mins(5),
        shipment: Duration::from_mins(14),
        group_checkout: Duration::from_mins(10),
    }
}

/// Deadlines of which two are schedules, where a day of them would take the test too long.
fn longer_deadlines() -> Deadlines {
    Deadlines {
        payment: Duration::from_mins(15),
        shipment: Duration::from_mins(40),
        group_checkout: Duration::from_mins(50),
    }
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_on_a_calm_day() {
    all_end_right("nothing goes wrong", options()).await;
    let faults = Some(Weather::calm(1, Duration::from_millis(20)));
    all_end_right("calls take their time", StackOptions { faults, ..options() }).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_in_whatever_order_commits_reach_the_relay() {
    for seed in 1..=6 {
        let shuffled = StackOptions {
            order: Order::Shuffled(seed),
            faults: Some(Weather::calm(seed, Duration::from_millis(20))),
            settings: longer_deadlines().into(),
            ..options()
        };
        all_end_right(&format!("order {seed}"), shuffled).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_with_two_relays() {
    let two = StackOptions {
        relays: 2,
        settings: longer_deadlines().into(),
        ..options()
    };
    all_end_right("two relays", two).await;
    let shuffled = StackOptions {
        relays: 2,
        order: Order::Shuffled(7),
        faults: Some(Weather::calm(7, Duration::from_millis(20))),
        settings: longer_deadlines().into(),
        ..options()
    };
    all_end_right("two relays, shuffled", shuffled).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_when_every_call_arrives_twice() {
    let twice = StackOptions {
        faults: Some(faults(|_| Fault::Twice)),
        settings: short_deadlines().into(),
        ..options()
    };
    all_end_right("twice", twice).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_when_every_message_is_delivered_twice() {
    let twice = StackOptions {
        faults: Some(faults(|call| {
            if call.operation == "SendMessageBatch" {
                Fault::Twice
            } else {
                Fault::None
            }
        })),
        settings: short_deadlines().into(),
        ..options()
    };
    all_end_right("delivered twice", twice).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_when_the_simulators_answer_everything_twice() {
    let twice = StackOptions {
        faults: Some(faults(|call| {
            if call.caller.starts_with("simulate-") {
                Fault::Twice
            } else {
                Fault::None
            }
        })),
        settings: longer_deadlines().into(),
        ..options()
    };
    all_end_right("simulators twice", twice).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_when_reads_that_may_be_stale_are() {
    for writes in [1, 2, 100] {
        let stale = StackOptions {
            faults: Some(faults(move |_| Fault::StaleRead(writes))),
            settings: longer_deadlines().into(),
            ..options()
        };
        all_end_right(&format!("{writes} writes behind"), stale).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_when_one_acknowledgement_in_four_is_lost() {
    let lost = StackOptions {
        faults: Some(at_first(faults(|call| {
            if call.number.is_multiple_of(4) {
                Fault::DropReply
            } else {
                Fault::None
            }
        }))),
        settings: short_deadlines().into(),
        ..options()
    };
    all_end_right("acknowledgements lost", lost).await;
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_right_in_a_storm() {
    for seed in 1..=6 {
        let storm = StackOptions {
            faults: Some(Weather::storm(seed)),
            order: Order::Shuffled(seed),
            settings: short_deadlines().into(),
            ..options()
        };
        all_end_right(&format!("storm {seed}"), storm).await;
    }
}

// Races

/// The scenario of that title.
fn scenario(title: &str) -> OrderScenario {
    let mut scenarios = order_scenarios();
    scenarios.retain(|scenario| scenario.title == title);
    scenarios.pop().expect("there is a scenario of that title")
}

/// Finalizes many carts and withdraws each order at some moment of its life. How often each way out was
/// taken: completed, or cancelled.
async fn race(seed: u64, scenario: &OrderScenario, options: StackOptions) -> (usize, usize) {
    let bundle = Running::start(options).await;
    let player = outsider(&bundle);
    let random = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
    let racers: Vec<_> = (0..40).map(|n| scenario.clone().again(&n.to_string())).collect();
    join_all(racers.iter().map(|racer| async {
        let ids = Ids::of_cart(&racer.cart).expect("the cart has an id");
        let finalize = json!({ "command": racer.cart });
        player
            .send("finalize-cart", &finalize)
            .await
            .expect("the queue takes it");
        let wait = random.borrow_mut().u64(0..1_500);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let withdraw = json!({ "command": { "order_id": ids.order, "reason": "a race" } });
        player
            .send("withdraw-order", &withdraw)
            .await
            .expect("the queue takes it");
    }))
    .await;
    bundle.settle().await;
    let refused = refused(&bundle).await;
    let (mut completed, mut cancelled) = (0, 0);
    for racer in &racers {
        let mut outcome = outcome(&bundle, racer, &refused).await;
        // A withdrawal that was there first ends as one that comes right after its order's beginning.
        outcome
            .timeline
            .retain(|entry| entry.event_type != "OrderWithdrawnEarly");
        let problems = racer.scenario().problems(&outcome);
        assert!(problems.is_empty(), "seed {seed}: {}", problems.join("\n"));
        match outcome.ending().as_deref() {
            Some("Completed") => completed += 1,
            _ => cancelled += 1,
        }
    }
    (completed, cancelled)
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_races_the_payment_either_wins_or_is_rejected_and_never_a_mix() {
    let scenario = scenario("the order is withdrawn while its payment completes");
    let (mut completed, mut cancelled) = (0, 0);
    for seed in 1..=6 {
        let options = StackOptions {
            faults: Some(Weather::calm(seed, Duration::from_millis(30))),
            order: Order::Shuffled(seed),
            ..options()
        };
        let (some, others) = race(seed, &scenario, options).await;
        completed += some;
        cancelled += others;
    }
    assert!(
        completed >= 10 && cancelled >= 10,
        "that was no race: {completed} completed, {cancelled} cancelled"
    );
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_races_the_payments_failure_cancels_once() {
    let scenario = scenario("the order is withdrawn while its payment fails");
    let declined = "payment_failed";
    let mut causes = (0, 0);
    for seed in 1..=3 {
        let bundle = Running::start(StackOptions {
            faults: Some(Weather::calm(seed, Duration::from_millis(30))),
            ..options()
        })
        .await;
        let outside = outsider(&bundle);
        let racers: Vec<_> = (0..30).map(|n| scenario.clone().again(&n.to_string())).collect();
        let scenarios: Vec<_> = racers.iter().map(OrderScenario::scenario).collect();
        for played in join_all(scenarios.iter().map(|scenario| outside.play(scenario))).await {
            played.expect("the scenario can be played");
        }
        bundle.settle().await;
        let refused = refused(&bundle).await;
        for racer in &racers {
            let outcome = outcome(&bundle, racer, &refused).await;
            let problems = racer.scenario().problems(&outcome);
            assert!(problems.is_empty(), "seed {seed}: {}", problems.join("\n"));
            match outcome.ending() {
                Some(ending) if ending.contains(declined) => causes.0 += 1,
                _ => causes.1 += 1,
            }
        }
    }
    assert!(causes.0 + causes.1 == 90, "{causes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_comes_long_before_its_order_cancels_it_and_no_money_is_kept() {
    let bundle = Running::start(options()).await;
    let scenario = scenario("everything goes well").again("early");
    let ids = Ids::of_cart(&scenario.cart).expect("the cart has an id");
    let withdraw =
        |reason: &str| json!({ "command": { "order_id": ids.order, "reason": reason } }).to_string();
    bundle.send("withdraw-order", &withdraw("changed my mind")).await;
    bundle.settle().await;
    let [_, order, payment, shipment] = ids.streams();
    assert_eq!(bundle.types(&order).await, ["OrderWithdrawnEarly"]);

    // The relay may be an hour behind. In the meantime the customer asks again.
    tokio::time::sleep(Duration::from_mins(70)).await;
    bundle.send("withdraw-order", &withdraw("changed my mind")).await;
    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    bundle.send("withdraw-order", &withdraw("changed my mind")).await;
    bundle.settle().await;

    let outcome = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(
        outcome.ending().as_deref(),
        Some("Cancelled (withdrawn: changed my mind)")
    );
    let events = bundle.events(&order).await;
    let types: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["OrderWithdrawnEarly", "OrderInitialized", "OrderCancelled"]
    );
    assert_eq!(bundle.types(&shipment).await, [""; 0]);
    let captured = ["PaymentCompleted", "PaymentReceivedLate"];
    let payment = bundle.types(&payment).await;
    let count = |types: &[&str]| {
        payment
            .iter()
            .filter(|found| types.contains(&found.as_str()))
            .count()
    };
    assert_eq!(count(&captured), count(&["PaymentDiscarded"]), "{payment:?}");
    assert_eq!(Findings::of(&bundle).await.problems(), [""; 0]);
    assert_eq!(bundle.take_all_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_races_its_orders_beginning_cancels_it_however_they_arrive() {
    let (mut early, mut late) = (0, 0);
    for seed in 1..=6 {
        let bundle = Running::start(StackOptions {
            faults: Some(Weather::calm(seed, Duration::from_millis(30))),
            order: Order::Shuffled(seed),
            ..options()
        })
        .await;
        let outside = outsider(&bundle);
        let mut random = fastrand::Rng::with_seed(seed);
        let racers: Vec<_> = (0..20)
            .map(|n| scenario("the payment is never answered").again(&n.to_string()))
            .map(|racer| (racer, random.u64(0..150)))
            .collect();
        let outside = &outside;
        join_all(racers.iter().map(|(racer, wait)| async move {
            let cart = &racer.cart;
            let ids = Ids::of_cart(cart).expect("the cart has an id");
            let sent = outside.send("finalize-cart", &json!({ "command": cart })).await;
            sent.expect("the queue takes it");
            tokio::time::sleep(Duration::from_millis(*wait)).await;
            let withdraw = json!({ "command": { "order_id": ids.order, "reason": "a race" } });
            let sent = outside.send("withdraw-order", &withdraw).await;
            sent.expect("the queue takes it");
        }))
        .await;
        bundle.settle().await;
        for (racer, _) in &racers {
            let outcome = outcome(&bundle, racer, &[]).await;
            assert_eq!(
                outcome.ending().as_deref(),
                Some("Cancelled (withdrawn: a race)"),
                "seed {seed}"
            );
            let was_early = |entry: &TimelineEntry| entry.event_type == "OrderWithdrawnEarly";
            if outcome.timeline.iter().any(was_early) {
                early += 1;
            } else {
                late += 1;
            }
        }
        assert_eq!(Findings::of(&bundle).await.problems(), [""; 0], "seed {seed}");
        assert_eq!(bundle.take_all_letters().await, [], "seed {seed}");
    }
    assert!(
        early >= 10 && late >= 10,
        "that was no race: {early} came early, {late} late"
    );
}

// A payment that somebody discards by hand

fn discard(ids: &Ids) -> Value {
    json!({ "command": { "payment_id": ids.payment, "order_id": ids.order } })
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_discarded_by_hand_before_its_order_is_there_cancels_it_at_the_deadline() {
    let bundle = Running::start(options()).await;
    let scenario = scenario("everything goes well").again("discarded-early");
    let ids = Ids::of_cart(&scenario.cart).expect("the cart has an id");
    bundle.send("discard-payment", &discard(&ids).to_string()).await;
    bundle.settle().await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let [_, order, payment, shipment] = ids.streams();
    assert_eq!(bundle.types(&payment).await, ["PaymentVoided"]);
    assert_eq!(bundle.take_all_letters().await, []);

    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    let outcome = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(
        outcome.ending().as_deref(),
        Some("Cancelled (payment_failed: the payment was discarded)")
    );
    assert_eq!(bundle.types(&payment).await, ["PaymentVoided", "PaymentRevoked"]);
    assert_eq!(bundle.types(&shipment).await, [""; 0]);
    let due = time(&bundle, &order, "OrderInitialized", "due_at").await;
    let ended = time(&bundle, &order, "OrderCancelled", "cancelled_at").await;
    assert!(ended >= due && ended.since(due) <= Duration::from_secs(5));
    assert_eq!(bundle.take_all_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_discarded_by_hand_at_some_moment_ends_its_order_and_needs_nobody() {
    let mut endings = BTreeMap::<String, usize>::new();
    for seed in 1..=6 {
        let bundle = Running::start(StackOptions {
            faults: Some(Weather::calm(seed, Duration::from_millis(30))),
            order: Order::Shuffled(seed),
            ..options()
        })
        .await;
        let outside = &outsider(&bundle);
        let mut random = fastrand::Rng::with_seed(seed);
        let racers: Vec<_> = (0..20)
            .map(|n| scenario("everything goes well").again(&n.to_string()))
            .map(|racer| (racer, random.u64(0..2_500)))
            .collect();
        join_all(racers.iter().map(|(racer, wait)| async move {
            let cart = &racer.cart;
            let ids = Ids::of_cart(cart).expect("the cart has an id");
            let sent = outside.send("finalize-cart", &json!({ "command": cart })).await;
            sent.expect("the queue takes it");
            tokio::time::sleep(Duration::from_millis(*wait)).await;
            let sent = outside.send("discard-payment", &discard(&ids)).await;
            sent.expect("the queue takes it");
        }))
        .await;
        bundle.settle().await;
        for (racer, _) in &racers {
            let outcome = outcome(&bundle, racer, &[]).await;
            let kept = outcome
                .timeline
                .iter()
                .any(|entry| entry.event_type == "PaymentCompleted")
                && !outcome
                    .timeline
                    .iter()
                    .any(|entry| entry.event_type == "PaymentDiscarded");
            assert!(!kept, "seed {seed}: {:?}", outcome.timeline);
            *endings
                .entry(outcome.ending().expect("it has ended"))
                .or_default() += 1;
        }
        assert_eq!(Findings::of(&bundle).await.problems(), [""; 0], "seed {seed}");
        assert_eq!(bundle.take_all_letters().await, [], "seed {seed}");
    }
    println!("{endings:?}");
    let expected = [
        "Cancelled (payment_failed: the payment was discarded)",
        "Cancelled (shipment_failed: the payment was discarded)",
        "Completed",
    ];
    assert_eq!(endings.keys().collect::<Vec<_>>(), expected, "that was no race");
}

// Messages that are lost to their dead-letter queue

/// A stack on which a function can't use the event table.
async fn without(function: &'static str) -> Running {
    let rule: Arc<dyn Faults> = faults(move |call| {
        if &*call.caller == function && call.service == Service::DynamoDb {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    Running::start(StackOptions {
        faults: Some(rule),
        ..options()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_payment_request_is_lost_to_its_dead_letter_queue_closes_at_the_deadline() {
    let bundle = without("request-payment").await;
    let scenario = scenario("everything goes well").again("no-payment");
    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    let outcome = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(
        outcome.ending().as_deref(),
        Some("Cancelled (payment_failed: timed out)")
    );
    let letters = bundle.take_all_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].queue.as_str(), letters[0].attribute("error_code")),
        ("request-payment", "exhausted")
    );
    let [_, _, payment, shipment] = Ids::of_cart(&scenario.cart)
        .expect("the cart has an id")
        .streams();
    assert_eq!(bundle.types(&payment).await, ["PaymentFailed"]);
    assert_eq!(bundle.types(&shipment).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_shipment_request_is_lost_to_its_dead_letter_queue_closes_at_the_deadline() {
    let bundle = without("request-shipment").await;
    let scenario = scenario("everything goes well").again("no-shipment");
    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    let outcome = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(
        outcome.ending().as_deref(),
        Some("Cancelled (shipment_failed: timed out)")
    );
    let [_, _, payment, shipment] = Ids::of_cart(&scenario.cart)
        .expect("the cart has an id")
        .streams();
    assert_eq!(
        bundle.types(&payment).await,
        ["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"]
    );
    assert_eq!(bundle.types(&shipment).await, ["ShipmentFailed"]);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_cannot_be_discarded_stays_visible_and_can_be_redriven() {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let rule = {
        let fails = fails.clone();
        faults(move |call| {
            let hit = &*call.caller == "discard-payment" && call.service == Service::DynamoDb;
            if hit && fails.load(std::sync::atomic::Ordering::Relaxed) {
                broken(call.service)
            } else {
                Fault::None
            }
        })
    };
    let bundle = Running::start(StackOptions {
        faults: Some(rule),
        ..options()
    })
    .await;
    let scenario = scenario("an item is out of stock").again("redriven");
    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    let before = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(
        before.ending().as_deref(),
        Some("Cancelled (shipment_failed: out of stock)")
    );
    assert_eq!(bundle.count("discard-payment-dlq").visible, 1);
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    let sqs = bundle.stack.wire().sqs();
    let source = sqs.queue_arn(&bundle.stack.names().dead_letter_queue("discard-payment"));
    let destination = sqs.queue_arn(&bundle.stack.names().of_function("discard-payment"));
    let redrive = bundle
        .observer
        .sqs
        .start_message_move_task()
        .source_arn(source)
        .destination_arn(destination);
    redrive.send().await.expect("the letters can be moved back");
    bundle.settle().await;
    let after = outcome(&bundle, &scenario, &[]).await;
    assert_eq!(scenario.scenario().problems(&after), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_deadline_is_recorded_with_is_when_it_passes() {
    let seconds = Duration::from_secs;
    let bundle = Running::start(StackOptions {
        settings: Deadlines {
            payment: seconds(77),
            shipment: seconds(4_000),
            group_checkout: seconds(55),
        }
        .into(),
        // No group hears of its guests.
        faults: Some(faults(|call| match &*call.caller {
            "record-guest-checkout" if call.service == Service::DynamoDb => broken(call.service),
            _ => Fault::None,
        })),
        ..options()
    })
    .await;
    let outside = outsider(&bundle);
    let silent = ["the payment is never answered", "the carrier never answers"].map(scenario);
    let scenarios = silent.each_ref().map(OrderScenario::scenario);
    for played in join_all(scenarios.iter().map(|scenario| outside.play(scenario))).await {
        played.expect("the scenario can be played");
    }
    let initiate = json!({ "command": { "group_checkout_id": "unheard", "guest_stay_ids": ["ada"] } });
    bundle
        .send("initiate-group-checkout", &initiate.to_string())
        .await;
    bundle.settle().await;

    let [provider, carrier] = silent.map(|scenario| {
        let ids = Ids::of_cart(&scenario.cart).expect("the cart has an id");
        ids.streams()
    });
    let group: StreamId = "groupCheckout-unheard".parse().expect("a stream's name");
    let payment = time(&bundle, &provider[1], "OrderInitialized", "due_at").await;
    let shipment = time(&bundle, &carrier[1], "OrderConfirmed", "due_at").await;
    let guests = time(&bundle, &group, "GroupCheckoutInitiated", "due_at").await;
    for (due, set, lasts, passed) in [
        (
            payment,
            time(&bundle, &provider[1], "OrderInitialized", "initialized_at").await,
            seconds(77),
            time(&bundle, &provider[2], "PaymentFailed", "failed_at").await,
        ),
        (
            shipment,
            time(&bundle, &carrier[1], "OrderConfirmed", "confirmed_at").await,
            seconds(4_000),
            time(&bundle, &carrier[3], "ShipmentFailed", "failed_at").await,
        ),
        (
            guests,
            time(&bundle, &group, "GroupCheckoutInitiated", "initiated_at").await,
            seconds(55),
            time(&bundle, &group, "GroupCheckoutTimedOut", "timed_out_at").await,
        ),
    ] {
        assert_eq!(due, set.plus(lasts));
        assert!(
            passed >= due && passed.since(due) <= seconds(2),
            "due at {due}, passed at {passed}"
        );
    }
}

/// A time that stands in the first event of that type in the stream.
async fn time(bundle: &Running, stream: &StreamId, event_type: &str, field: &str) -> Timestamp {
    let events = bundle.events(stream).await;
    let event = events.iter().find(|event| event.event_type == event_type);
    let data = &event.expect("it has happened").data;
    let fields: Value = serde_json::from_str(data).expect("stored data is JSON");
    let at = fields[field].as_str().and_then(|at| at.parse().ok());
    at.expect("the event names the time")
}

#[tokio::test(start_paused = true)]
async fn a_deadline_longer_than_a_queues_delay_is_kept_to_the_second() {
    let bundle = Running::start(options()).await;
    let scenario = scenario("the carrier never answers").again("timed");
    outsider(&bundle)
        .play(&scenario.scenario())
        .await
        .expect("the scenario can be played");
    bundle.settle().await;
    let outcome = outcome(&bundle, &scenario, &[]).await;
    let at = |event_type: &str| {
        let mut entries = outcome.timeline.iter();
        let entry = entries.find(|entry| entry.event_type == event_type);
        entry.expect("the scenario has it").committed_at
    };
    let late = at("ShipmentFailed").since(at("OrderConfirmed"));
    let deadline = Deadlines::default().shipment;
    assert!(
        late >= deadline && late <= deadline + Duration::from_secs(2),
        "it failed after {late:?}"
    );
    let looks = bundle.calls_of("time-out-shipment", "Query").len();
    // At the newest commit, and since that did not end it, at the stream.
    assert!(
        looks <= 2,
        "{looks} looks: it is sent when it is due, and not before"
    );
    let scheduled = bundle.calls_of("on-order-confirmed", "CreateSchedule").len();
    assert_eq!(scheduled, 1);
}
