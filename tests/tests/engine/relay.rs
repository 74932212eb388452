//! The relay: every event reaches the queues of those who asked for it, or the outbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bundle::{Context, Function, Outbound, RECOVERY, RELAY, Registry};
use embedded_aws::transport::{Fault, Faults};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::{Item, Running, Seen, id_of, text};
use testkit::weather::{at_first, broken, faults};
use tokio::time::Instant;

use crate::loans::{ALL, item, lend, lent, reminded, stream};
use crate::options;
use crate::timed::Timed;

const CATALOGUE: &str = "catalogue";

async fn bundle(faults: Option<Arc<dyn Faults>>) -> Running {
    Running::start(StackOptions { faults, ..options() }).await
}

/// A library whose catalogue wants to know of lent books, too.
async fn with_catalogue(faults: Option<Arc<dyn Faults>>) -> Running {
    Running::start(StackOptions {
        bundle: Arc::new(told_to(&[CATALOGUE])),
        faults,
        ..options()
    })
    .await
}

/// A library whose lent books others want to know of, on these queues.
fn told_to(queues: &[&'static str]) -> bundle::Bundle {
    let mut library = library::bundle();
    let Registry {
        functions,
        mut outbound,
    } = library.registry;
    outbound.extend(queues.iter().map(|queue| Outbound {
        queue,
        events: &["BookLent"],
        about: "To whoever wants to know",
    }));
    let is_own = |function: &Function| function.context != Context::DELIVERY;
    library.registry = Registry::of(functions.into_iter().filter(is_own).collect(), outbound);
    library
}

/// A library whose relay gets one batch after the other.
fn one_after_the_other() -> bundle::Bundle {
    let mut library = library::bundle();
    for function in &mut library.registry.functions {
        function.batching.per_shard = 1;
    }
    library
}

/// Sends from the relay to one queue fail.
fn unreachable(queue: &'static str) -> Arc<dyn Faults> {
    faults(move |call| {
        if &*call.caller == RELAY && call.resource() == Some(queue) {
            broken(call.service)
        } else {
            Fault::None
        }
    })
}

/// The one entry of the outbox.
async fn only_entry(bundle: &Running) -> Item {
    let mut outbox = bundle.outbox().await;
    assert_eq!(outbox.len(), 1, "{outbox:?}");
    outbox.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_to_every_queue_that_asked_for_it() {
    let bundle = with_catalogue(None).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.until(&stream, "BookLent").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let lent = &bundle.events(&stream).await[0];
    let of_type: Vec<_> = bundle
        .messages()
        .into_iter()
        .filter(|(_, body)| body.contains("BookLent"))
        .collect();
    let mut queues: Vec<_> = of_type.iter().map(|(queue, _)| queue.as_str()).collect();
    queues.sort_unstable();
    assert_eq!(queues, [CATALOGUE, "on-book-lent", "view-loans"]);
    let message: Value = serde_json::from_str(&of_type[0].1).expect("a message is JSON");
    assert!(
        of_type.iter().all(|sent| sent.1 == of_type[0].1),
        "the same message for all"
    );
    assert_eq!(
        (&message["id"], &message["type"], &message["stream_id"]),
        (&json!(lent.event_id), &json!("BookLent"), &json!(stream.as_str()))
    );
    assert_eq!(message["revision"], 1);
    assert_eq!(message["event"]["book_id"], "moby-dick");
    assert_eq!(message["metadata"]["causation_id"], json!(lent.causation_id));
    assert_eq!(message["metadata"]["correlation_id"], json!(lent.correlation_id));
    assert!(message["metadata"]["timestamp"].is_string());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_is_in_the_outbox_while_the_others_are_delivered_and_the_shard_goes_on() {
    let bundle = bundle(Some(unreachable("local-on-book-lent"))).await;
    // One read of the stream: the events of different queues go out together.
    bundle.put(&lent("stuck"));
    bundle.put(&reminded("free"));
    mail_is_told(&bundle, "loan-free").await;
    assert!(
        bundle.age() < Duration::from_secs(1),
        "it took {:?}",
        bundle.age()
    );
    // The queue that fails is tried a few times.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entry = only_entry(&bundle).await;
    assert_eq!(
        (text(&entry, "stream_id"), text(&entry, "revision")),
        ("loan-stuck", "1")
    );
    assert_eq!(text(&entry, "attempts"), "1");
    let error = text(&entry, "last_error");
    assert!(
        error.contains("on-book-lent") && error.contains("InternalFailure"),
        "{error}"
    );
    for name in ["first_attempt_at", "last_attempt_at"] {
        assert!(text(&entry, name).starts_with("2026-11-23T08:00:0"), "{entry:?}");
    }
    bundle.put(&reminded("later"));
    mail_is_told(&bundle, "loan-later").await;
    assert_eq!(bundle.outbox().await.len(), 1);
    assert_eq!(bundle.stack.metrics().by_function()[RELAY].undelivered, 1);
}

/// Waits until the outbound queue holds an event of that stream.
async fn mail_is_told(bundle: &Running, stream: &str) {
    let is_told = async || {
        let held = bundle.peek("mail").await;
        held.iter().any(|message| message.body.contains(stream))
    };
    while !is_told().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(
            bundle.age() < Duration::from_mins(1),
            "nobody was told of {stream}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_delivered_where_it_can_be_even_if_one_of_its_queues_fails() {
    let bundle = with_catalogue(Some(unreachable("local-catalogue"))).await;
    bundle.put(&lent("l-1"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent_on = bundle.calls_of("on-book-lent", "SendMessageBatch");
    assert_eq!(sent_on.len(), 1, "the step has sent its command");
    let entry = only_entry(&bundle).await;
    assert_eq!(text(&entry, "stream_id"), "loan-l-1");
    let error = text(&entry, "last_error");
    assert!(error.contains(CATALOGUE), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_sent_again_only_to_the_queues_that_have_not_got_it() {
    let until = Instant::now() + Duration::from_hours(2);
    let bundle = with_catalogue(Some(faults(move |call| {
        if call.resource() == Some("local-catalogue") && Instant::now() < until {
            broken(call.service)
        } else {
            Fault::None
        }
    })))
    .await;
    bundle.put(&lent("l-1"));
    bundle.settle().await;
    let told: Vec<_> = bundle.peek(CATALOGUE).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let sends = bundle.calls_of(bundle::SWEEPER, "SendMessageBatch");
    assert!(sends.len() > 5, "{} sends in two hours", sends.len());
    assert!(sends.iter().all(|call| call.resource == "local-catalogue"));
}

// Its time

/// A relay in bad weather, whose invocations are timed.
async fn timed(library: bundle::Bundle, faults: Arc<dyn Faults>) -> (Running, Arc<Timed>) {
    let timed = Arc::new(Timed::default());
    let bundle = Running::start(StackOptions {
        bundle: Arc::new(library),
        faults: Some(faults),
        intercept: Some(timed.clone()),
        ..options()
    })
    .await;
    (bundle, timed)
}

/// What the relay may take at most: it has 30 seconds.
const IN_TIME: Duration = Duration::from_millis(29_500);

#[tokio::test(start_paused = true)]
async fn a_relay_whose_queues_never_answer_has_all_in_the_outbox_before_its_time_is_up() {
    for slow_table in [false, true] {
        let hung = Arc::new(AtomicBool::new(true));
        let still = hung.clone();
        let rule = faults(move |call| {
            let of_relay = &*call.caller == RELAY && still.load(Ordering::Relaxed);
            match call.operation.as_str() {
                "SendMessageBatch" if of_relay => Fault::Never,
                "UpdateItem" if of_relay && slow_table => Fault::Delay(Duration::from_millis(2_500)),
                _ => Fault::None,
            }
        });
        let (bundle, timed) = timed(one_after_the_other(), rule).await;
        for n in 0..100 {
            bundle.put(&lent(&format!("l-{n}")));
        }
        tokio::time::sleep(IN_TIME).await;
        assert_eq!(bundle.outbox().await.len(), 100);
        assert_eq!(timed.cut_short(RELAY), 0);
        let took = timed.longest(RELAY);
        assert!(took < IN_TIME, "{took:?}");
        hung.store(false, Ordering::Relaxed);
        bundle.settle().await;
        for n in 0..100 {
            assert_eq!(bundle.types(&stream(&format!("l-{n}"))).await, ALL);
        }
        println!("queues hang, slow table: {slow_table}; the relay took {took:?} for 100 records");
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_can_neither_send_nor_save_says_so_in_time_and_nothing_is_lost() {
    let until = Instant::now() + Duration::from_mins(5);
    let rule = faults(move |call| {
        if &*call.caller == RELAY && Instant::now() < until {
            Fault::Never
        } else {
            Fault::None
        }
    });
    let (bundle, timed) = timed(library::bundle(), rule).await;
    for n in 0..100 {
        bundle.put(&lent(&format!("l-{n}")));
    }
    bundle.settle().await;
    for n in 0..100 {
        assert_eq!(bundle.types(&stream(&format!("l-{n}"))).await, ALL);
    }
    assert_eq!(timed.cut_short(RELAY), 0);
    let took = timed.longest(RELAY);
    assert!(took < IN_TIME, "{took:?}");
    let told = bundle.calls_of(RECOVERY, "UpdateItem");
    assert_eq!(told.len(), 0, "the mapping gave nothing up");
    println!("all hangs; the relay took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_sends_too_slowly_saves_the_rest_in_time_and_every_queue_gets_all() {
    let queues: Vec<_> = (0..60).map(|n| &*format!("reader-{n}").leak()).collect();
    let until = Instant::now() + Duration::from_secs(20);
    let rule = faults(move |call| {
        if &*call.caller == RELAY && call.operation == "SendMessageBatch" && Instant::now() < until {
            Fault::Delay(Duration::from_secs(2))
        } else {
            Fault::None
        }
    });
    let (bundle, timed) = timed(told_to(&queues), rule).await;
    for n in 0..100 {
        bundle.put(&lent(&format!("l-{n}")));
    }
    tokio::time::sleep(IN_TIME).await;
    assert_eq!(timed.cut_short(RELAY), 0);
    let took = timed.longest(RELAY);
    assert!(took > Duration::from_secs(17) && took < IN_TIME, "{took:?}");
    let saved = bundle.outbox().await.len();
    assert!(saved > 0, "it sent all of it in time");
    bundle.settle().await;
    for queue in queues {
        let got = bundle.peek(queue).await;
        let got: BTreeSet<_> = got.iter().map(|message| id_of(&message.body)).collect();
        assert_eq!(got.len(), 100, "{queue}");
    }
    println!("6,000 messages, slowly; the relay took {took:?} and saved {saved} of 100 commits");
}

#[tokio::test(start_paused = true)]
async fn a_shards_batches_go_side_by_side_as_many_as_the_registry_says() {
    let rule = faults(|call| {
        let send = &*call.caller == RELAY && call.operation == "SendMessageBatch";
        if send {
            Fault::Delay(Duration::from_secs(1))
        } else {
            Fault::None
        }
    });
    let (bundle, timed) = timed(library::bundle(), rule).await;
    for n in 0..100 {
        bundle.put(&lent(&format!("l-{n}")));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Each commit is in one batch for the step's queue and in one for the view's, and all batches are under way.
    let sends = bundle.calls_of(RELAY, "SendMessageBatch");
    let entries = |call: &Seen| call.request["Entries"].as_array().map_or(0, Vec::len);
    assert_eq!(sends.iter().map(entries).sum::<usize>(), 2 * 100);
    let relay = bundle.stack.registry().function(RELAY).expect("there is one");
    assert_eq!(relay.batching.per_shard, 4);
    assert_eq!(timed.cut_short(RELAY), 4, "those that have not ended yet");
    bundle.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_fault_is_got_over_without_the_outbox() {
    let bundle = bundle(Some(at_first(unreachable("local-on-book-lent")))).await;
    bundle.put(&lent("l-1"));
    let stream = stream("l-1");
    bundle.until(&stream, "MemberReminded").await;
    assert_eq!(bundle.outbox().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_comes_again_if_the_outbox_cannot_be_written_either_and_nothing_is_lost() {
    let until = Instant::now() + Duration::from_secs(20);
    let rule = faults(move |call| {
        let queue = call.resource() == Some("local-on-book-lent");
        let hit = &*call.caller == RELAY && (queue || call.operation == "UpdateItem");
        if hit && Instant::now() < until {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = bundle(Some(rule)).await;
    let loans: Vec<_> = (0..7).map(|n| format!("l-{n}")).collect();
    for loan in &loans {
        bundle.put(&lent(loan));
    }
    for loan in &loans {
        let stream = stream(loan);
        bundle.until(&stream, "MemberReminded").await;
    }
    assert!(bundle.age() >= Duration::from_secs(20));
    assert_eq!(bundle.outbox().await.len(), 0);
    let told = bundle.calls_of(RECOVERY, "UpdateItem");
    assert_eq!(told.len(), 0, "the mapping gave nothing up");
}

#[tokio::test(start_paused = true)]
async fn items_that_cannot_be_read_go_to_the_outbox_and_their_neighbours_are_delivered() {
    let bundle = bundle(None).await;
    let mut no_commit = lent("no-commit");
    no_commit["events"] = json!({ "S": "none" });
    bundle.put(&lent("before"));
    bundle.put(&item("loan-no-json", "BookLent", "{\"secret\":"));
    bundle.put(&no_commit);
    bundle.put(&lent("after"));
    for loan in ["before", "after"] {
        let stream = stream(loan);
        bundle.until(&stream, "MemberReminded").await;
    }
    let mut outbox = bundle.outbox().await;
    outbox.sort_by_key(|entry| text(entry, "stream_id").to_owned());
    let found: Vec<_> = outbox
        .iter()
        .map(|entry| {
            (
                text(entry, "stream_id"),
                text(entry, "revision"),
                text(entry, "attempts"),
            )
        })
        .collect();
    assert_eq!(found, [("loan-no-commit", "1", "1"), ("loan-no-json", "1", "1")]);
    assert!(text(&outbox[0], "last_error").contains("no commit"));
    let error = text(&outbox[1], "last_error");
    assert!(
        error.contains("revision 1 of type BookLent is not JSON"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn event_types_that_nobody_asked_for_are_ignored() {
    let bundle = bundle(None).await;
    bundle.put(&item("loan-new", "BookRebound", "{}"));
    bundle.put(&item("shelf-done", "ShelfDusted", "{}"));
    bundle.put(&lent("l-1"));
    let stream = stream("l-1");
    bundle.until(&stream, "MemberReminded").await;
    assert_eq!(bundle.outbox().await.len(), 0);
    let relayed = bundle.calls_of(RELAY, "SendMessageBatch");
    assert!(
        relayed.iter().all(|call| {
            let request = call.request.to_string();
            !request.contains("BookRebound") && !request.contains("ShelfDusted")
        }),
        "nobody was told"
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_changed_or_deleted_is_not_relayed_again() {
    let bundle = bundle(None).await;
    bundle.put(&lent("l-1"));
    let stream = stream("l-1");
    bundle.until(&stream, "MemberReminded").await;
    bundle.forget_calls();
    bundle.put(&lent("l-1"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bundle.calls_of(RELAY, "SendMessageBatch").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_records_take_the_fewest_calls_for_each_queue() {
    let bundle = Running::start(StackOptions {
        bundle: Arc::new(one_after_the_other()),
        ..options()
    })
    .await;
    for n in 0..50 {
        bundle.put(&lent(&format!("l-{n}")));
        bundle.put(&reminded(&format!("r-{n}")));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let lengths = |queue: &str, of: &str| {
        let calls = bundle.calls_of(RELAY, "SendMessageBatch");
        let of_queue = calls
            .iter()
            .filter(|call| call.resource == format!("local-{queue}"));
        of_queue
            .filter(|call| {
                let body = call.request["Entries"][0]["MessageBody"].as_str();
                body.is_some_and(|body| body.contains(of))
            })
            .map(|call| call.request["Entries"].as_array().map_or(0, Vec::len))
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths("on-book-lent", "loan-l-"), [10; 5]);
    assert_eq!(lengths("mail", "loan-r-"), [10; 5]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_stored_is_published_though_its_function_dies_at_once() {
    // Nothing that the function does after its write is ever done: as if it had been killed there.
    let written = AtomicBool::new(false);
    let dies = faults(move |call| {
        if &*call.caller != "lend-book" {
            return Fault::None;
        }
        let dead = written.swap(true, Ordering::Relaxed);
        if dead { Fault::Never } else { Fault::None }
    });
    let bundle = bundle(Some(dies)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
}
