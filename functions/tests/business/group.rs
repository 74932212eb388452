//! Group checkout on the bundle: thousands of guests, two instances on one group, a fan-out that breaks
//! off half way, and what a guest costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_adapters::{Handler, StdoutMetrics};
use bundle::{Parts, Settings};
use embedded_aws::transport::Fault;
use eventsourcing::{SettingValues, StreamId, SystemClock};
use functions::scenarios::groups::{check_in, group_stream, initiate};
use functions::scenarios::large_group::{LARGE_GROUP, guests_of};
use functions::scenarios::{GroupScenario, group_scenarios};
use futures::future::join;
use lambda_runtime::{Context, LambdaEvent};
use local::StackOptions;
use local::demo::load::measure;
use serde_json::{Value, json};
use testkit::running::Running;
use testkit::weather::{broken, faults};

use crate::options;

fn count(types: &[String], event_type: &str) -> usize {
    types.iter().filter(|found| *found == event_type).count()
}

#[tokio::test(start_paused = true)]
async fn every_scenario_of_a_group_ends_as_it_has_to() {
    let bundle = Running::start(options()).await;
    let player = bundle.player();
    let scenarios: Vec<_> = group_scenarios().iter().map(GroupScenario::scenario).collect();
    for scenario in &scenarios {
        player.play(scenario).await.expect("the script gets to its end");
    }
    bundle.settle().await;
    let refused = player
        .refused(&bundle.stack.registry().queues())
        .await
        .expect("queues can be read");
    for scenario in &scenarios {
        let outcome = player
            .outcome(scenario, &refused)
            .await
            .expect("streams can be read");
        assert_eq!(
            scenario.problems(&outcome),
            Vec::<String>::new(),
            "{}",
            scenario.title
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_and_a_payment_that_come_long_before_their_guests_check_in_wait_and_count() {
    for order in [
        ["record-charge", "record-payment"],
        ["record-payment", "record-charge"],
    ] {
        let bundle = Running::start(options()).await;
        let stay: StreamId = "guestStay-ada".parse().expect("a stream's name");
        for queue in order {
            let fields = json!({
                "guest_stay_id": "ada", "charge_id": "minibar", "payment_id": "cash", "amount": 12.5,
            });
            bundle
                .send(queue, &json!({ "command": fields }).to_string())
                .await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(bundle.types(&stay).await, [""; 0]);
        assert_eq!(bundle.letters().await, []);

        let ada = json!({ "command": { "guest_stay_id": "ada" } }).to_string();
        bundle.send("check-in-guest", &ada).await;
        bundle.settle().await;
        bundle.send("checkout-guest-account", &ada).await;
        bundle.settle().await;
        let mut types = bundle.types(&stay).await;
        assert_eq!(types.first().map(String::as_str), Some("GuestCheckedIn"));
        assert_eq!(types.pop().as_deref(), Some("GuestCheckoutCompleted"));
        types.sort();
        assert_eq!(
            types,
            ["ChargeRecorded", "GuestCheckedIn", "GuestPaymentRecorded"]
        );
        assert_eq!(bundle.letters().await, []);
    }
}

/// Exact counts, so this may be a large run; it takes some twenty seconds.
#[tokio::test(start_paused = true)]
async fn a_guest_of_5000_costs_what_a_guest_of_50_costs_within_5_percent() {
    let bundle = Running::start(options()).await;
    let player = bundle.player();
    let small = measure(&bundle.stack, &player, &LARGE_GROUP, "small", 50)
        .await
        .expect("it is played");
    let large = measure(&bundle.stack, &player, &LARGE_GROUP, "large", 5000)
        .await
        .expect("it is played");
    for group in [&small, &large] {
        assert_eq!(
            group.endings,
            ["GroupCheckoutCompleted"],
            "{} guests",
            group.members
        );
        let [write, read, messages] = group.each();
        println!(
            "{} guests: {write:.3} write units, {read:.3} read units, {messages:.3} messages a guest; \
             {} conflicts of {} write units apart; {:.1} s",
            group.members,
            group.conflicts,
            group.conflict_units,
            group.took.as_secs_f64()
        );
    }
    for (what, small, large) in ["write units", "read units", "messages"]
        .into_iter()
        .zip(small.each())
        .zip(large.each())
        .map(|((what, small), large)| (what, small, large))
    {
        let difference = (large - small).abs() / small;
        assert!(
            difference <= 0.05,
            "{what}: {large:.3} against {small:.3} a guest, {:.1} % off",
            difference * 100.0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_that_breaks_off_half_way_is_taken_up_and_asks_nobody_twice_to_any_effect() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let rule = move |call: &embedded_aws::transport::Call| {
        let fans_out = &*call.caller == "on-group-checkout-initiated" && call.operation == "SendMessageBatch";
        if fans_out && (8..40).contains(&counted.fetch_add(1, Ordering::Relaxed)) {
            broken(call.service)
        } else {
            Fault::None
        }
    };
    let bundle = Running::start(StackOptions {
        faults: Some(faults(rule)),
        ..options()
    })
    .await;
    let player = bundle.player();
    let guests = guests_of("broken-off", 200);
    let check_ins: Vec<_> = guests.iter().map(|guest| check_in(guest)).collect();
    player.send_all(&check_ins).await.expect("guests are checked in");
    bundle.settle().await;
    player
        .send_all(&[initiate("broken-off", &guests)])
        .await
        .expect("the group is sent");
    bundle.settle().await;

    assert!(calls.load(Ordering::Relaxed) > 40, "it was tried again");
    let types = bundle.types(&group_stream("broken-off")).await;
    assert_eq!(count(&types, "GuestCheckoutRecorded"), 200);
    assert_eq!(types.last().map(String::as_str), Some("GroupCheckoutCompleted"));
    for guest in &guests {
        let stay: StreamId = format!("guestStay-{guest}")
            .parse()
            .expect("it is a stream's name");
        assert_eq!(
            bundle.types(&stay).await,
            ["GuestCheckedIn", "GuestCheckoutCompleted"]
        );
    }
}

/// Two processes of one function, each with what it keeps of the group, as Lambda would run them.
#[tokio::test(start_paused = true)]
async fn two_instances_that_race_on_one_group_count_each_guest_once() {
    let bundle = Running::start(StackOptions {
        functions: false,
        ..options()
    })
    .await;
    let guests = guests_of("raced", 60);
    let initiate = instance(&bundle, "initiate-group-checkout");
    let group = json!({ "group_checkout_id": "raced", "guest_stay_ids": guests });
    invoke(&*initiate, &[group]).await;

    let (one, other) = (
        instance(&bundle, "record-guest-checkout"),
        instance(&bundle, "record-guest-checkout"),
    );
    for round in guests.chunks(20) {
        // Ten for each, and a few that both get.
        let results: Vec<_> = round.iter().map(|guest| result(guest)).collect();
        join(invoke(&*one, &results[..12]), invoke(&*other, &results[8..])).await;
    }
    let types = bundle.types(&group_stream("raced")).await;
    assert_eq!(count(&types, "GuestCheckoutRecorded"), 60);
    assert_eq!(count(&types, "GroupCheckoutCompleted"), 1);
    assert_eq!(types.len(), 62, "{types:?}");
    let positions: Vec<_> = bundle
        .events(&group_stream("raced"))
        .await
        .iter()
        .map(|event| event.revision)
        .collect();
    assert_eq!(positions, (1..=62).collect::<Vec<_>>());
}

fn result(guest: &str) -> Value {
    json!({ "group_checkout_id": "raced", "guest_stay_id": guest, "outcome": "completed" })
}

/// A process of its own of that function.
fn instance(bundle: &Running, name: &str) -> Arc<dyn Handler> {
    let function = bundle
        .stack
        .registry()
        .function(name)
        .expect("it is a function of the bundle");
    function.start(&Parts {
        settings: Settings {
            names: bundle.stack.names().clone(),
            queue_url_prefix: bundle.queue_url_prefix(),
            scheduling: None,
            views: true,
            event_bus: None,
            values: SettingValues::default(),
        },
        connection: bundle.stack.connection(name),
        clock: Arc::new(SystemClock),
        metrics: Arc::new(StdoutMetrics {
            stack: "local".into(),
        }),
    })
}

/// Invokes it with a batch of commands and asserts that none of them comes again.
async fn invoke(function: &dyn Handler, commands: &[Value]) {
    let records: Vec<_> = commands
        .iter()
        .enumerate()
        .map(|(i, command)| {
            json!({
                "messageId": format!("m-{i}"),
                "receiptHandle": format!("r-{i}"),
                "body": json!({ "command": command }).to_string(),
                "attributes": { "ApproximateReceiveCount": "1" },
                "eventSource": "aws:sqs",
            })
        })
        .collect();
    let event = LambdaEvent::new(json!({ "Records": records }), Context::default());
    let answer = tokio::time::timeout(Duration::from_mins(1), function.call(event)).await;
    let answer = answer.expect("it answers in time").expect("it does not fail");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
}
