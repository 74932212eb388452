//! The command bus on SQS: batches, delays, what fails and what is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_adapters::{
    Attribute, Bus, ClientParts, Connection, Environment, MAX_MESSAGE_BYTES, Outgoing, QueueError, Receive,
};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use embedded_aws::Transport;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_sqs::{Received, SqsError};
use eventsourcing::{EventStore, Read, TraceHeader};
use local::{Intercept, StackOptions};
use testkit::running::Running;
use testkit::tap::{Mishap, Tap};

use crate::loans::{command, loan, stream};
use crate::options;

const QUEUE: &str = "lend-book";

#[tokio::test(start_paused = true)]
async fn messages_are_sent_in_batches_of_ten() {
    let idle = Idle::start().await;
    let results = idle.bus.send(numbered(23)).await;
    assert_eq!(results, vec![Ok(()); 23]);
    assert_eq!(idle.batch_lengths(), [3, 10, 10]);
    assert_eq!(idle.bodies().await.len(), 23);
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_a_mebibyte_at_most() {
    let idle = Idle::start().await;
    let large = || message("x".repeat(MAX_MESSAGE_BYTES / 2));
    let results = idle
        .bus
        .send(vec![large(), large(), large(), message("x".into()), large()])
        .await;
    assert_eq!(results, vec![Ok(()); 5]);
    assert_eq!(idle.batch_lengths(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_exactly_a_mebibyte_is_sent_and_one_byte_more_is_refused_for_itself() {
    let idle = Idle::start().await;
    let results = idle
        .bus
        .send(vec![
            message("x".repeat(MAX_MESSAGE_BYTES)),
            message("x".repeat(MAX_MESSAGE_BYTES + 1)),
            message("small".into()),
        ])
        .await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("it is too long");
    assert_eq!(error.queue, QUEUE);
    assert_eq!(idle.bodies().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_service_fails_is_tried_again_alone() {
    let idle = Idle::start().await;
    idle.tap.next("SendMessageBatch", Mishap::RefuseEntry(1));
    let results = idle.bus.send(numbered(3)).await;
    assert_eq!(results, vec![Ok(()); 3]);
    assert_eq!(idle.batch_lengths(), [1, 3]);
    assert_eq!(idle.bodies().await, ["0", "1", "2"], "each once");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_service_fails_every_time_is_reported_and_the_others_are_sent() {
    let idle = Idle::start().await;
    idle.tap.next("SendMessageBatch", Mishap::RefuseEntry(1));
    for _ in 0..3 {
        idle.tap.next("SendMessageBatch", Mishap::RefuseEntry(0));
    }
    let results = idle.bus.send(numbered(3)).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("it was never taken");
    assert!(error.to_string().contains(QUEUE), "{error}");
    assert_eq!(idle.bodies().await, ["0", "2"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_answer_says_nothing_about_is_tried_again_and_never_taken_for_sent() {
    let idle = Idle::start().await;
    idle.tap.next("SendMessageBatch", Mishap::LeaveOutEntry(1));
    assert_eq!(idle.bus.send(numbered(3)).await, vec![Ok(()); 3]);
    assert_eq!(idle.bodies().await, ["0", "1", "2"], "each once");
    idle.tap.next("SendMessageBatch", Mishap::LeaveOutEntry(1));
    for _ in 0..3 {
        idle.tap.next("SendMessageBatch", Mishap::LeaveOutEntry(0));
    }
    let results = idle.bus.send(numbered(3)).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("it was never answered for");
    assert_eq!(error.why, QueueError::Unanswered);
    assert_eq!(idle.bodies().await, ["0", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_or_delay_that_is_not_answered_for_has_failed_and_the_others_of_its_batch_have_not() {
    let idle = Idle::start().await;
    let queues = idle.bus.queues();
    assert_eq!(idle.bus.send(numbered(12)).await, vec![Ok(()); 12]);
    let mut received = queues
        .receive(QUEUE, Receive::default())
        .await
        .expect("ten messages");
    received.extend(queues.receive(QUEUE, Receive::default()).await.expect("two more"));
    let receipts: Vec<_> = received.iter().map(|message| message.receipt.as_str()).collect();
    assert_eq!(receipts.len(), 12);

    idle.tap
        .next("ChangeMessageVisibilityBatch", Mishap::LeaveOutEntry(3));
    let in_a_minute: Vec<_> = receipts
        .iter()
        .map(|receipt| (*receipt, Duration::from_mins(1)))
        .collect();
    let changed = queues.change_visibility(QUEUE, &in_a_minute).await;
    let failed = |results: &[Result<(), QueueError>]| {
        let places = results.iter().enumerate();
        let failed = places.filter_map(|(place, result)| Some((place, result.clone().err()?)));
        failed.collect::<Vec<_>>()
    };
    assert_eq!(failed(&changed), [(3, QueueError::Unanswered)]);

    idle.tap.next("DeleteMessageBatch", Mishap::LeaveOutEntry(9));
    let deleted = queues.delete(QUEUE, &receipts).await;
    assert_eq!(failed(&deleted), [(9, QueueError::Unanswered)]);
    assert_eq!(idle.tap.calls("DeleteMessageBatch"), 2);
    assert_eq!(queues.counts(QUEUE).await.expect("it is there").all(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_told_apart_from_one_that_can_not_be_asked() {
    let idle = Idle::start().await;
    let queues = idle.bus.queues();
    let missing = "no-such-queue";
    let is_missing = |error: QueueError| matches!(error, QueueError::NoQueue(_));
    assert!(queues.counts(missing).await.is_err_and(is_missing));
    let received = queues.receive(missing, Receive::default()).await;
    assert!(received.is_err_and(is_missing));
    let sent = queues.send(&[Outgoing::now(missing, "{}", None)]).await;
    assert!(sent.into_iter().all(|sent| sent.is_err_and(is_missing)));
    for _ in 0..3 {
        idle.tap.next("GetQueueAttributes", Mishap::Throttle);
    }
    let throttled = queues.counts(QUEUE).await;
    assert!(
        matches!(throttled, Err(QueueError::Call(_))),
        "three attempts are the SDK's: {throttled:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_the_senders_fault_is_not_tried_again() {
    let idle = Idle::start().await;
    let results = idle
        .bus
        .send(vec![
            message("fine".into()),
            message("\u{1}".into()),
            message("too".into()),
        ])
        .await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("SQS takes no control characters");
    assert!(matches!(&error.why, QueueError::Refused(why) if why.contains("InvalidMessageContents")));
    assert_eq!(idle.tap.calls("SendMessageBatch"), 1);
}

#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_of_the_messages_whatever_their_queues() {
    let idle = Idle::start().await;
    let queues = ["lend-book", "no-such-queue", "remind-member"];
    let messages = (0..36).map(|n| Outgoing::now(queues[n % 3], n.to_string(), None));
    let results = idle.bus.send(messages.collect()).await;
    for (n, result) in results.iter().enumerate() {
        match (n % 3, result) {
            (1, Err(error)) => {
                assert_eq!(error.queue, "no-such-queue");
                assert!(error.why.to_string().contains("does not exist"), "{error}");
            }
            (0 | 2, Ok(())) => {}
            _ => panic!("message {n} was answered with {result:?}"),
        }
    }
    assert_eq!(
        idle.tap.calls("SendMessageBatch"),
        6,
        "two for each queue, none again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_kept_to_the_second_and_cut_to_what_a_queue_can_do() {
    let idle = Idle::start().await;
    for (asked, kept) in [
        (Duration::ZERO, 0),
        (Duration::from_millis(1), 1),
        (Duration::from_mins(15), 900),
        (Duration::from_hours(24), 900),
    ] {
        let delayed = Outgoing {
            delay: asked,
            ..message("delayed".into())
        };
        let sent = idle.bundle.age();
        assert_eq!(idle.bus.send(vec![delayed]).await, [Ok(())]);
        let message = idle.receive().await.expect("the queue is there");
        let after = idle.bundle.age().saturating_sub(sent);
        assert_eq!(after.as_secs(), kept, "{asked:?}");
        drop(message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_sends_again_rather_than_not_at_all() {
    let idle = Idle::start().await;
    idle.tap.next("SendMessageBatch", Mishap::DropReply);
    assert_eq!(idle.bus.send(numbered(1)).await, [Ok(())]);
    assert_eq!(idle.bodies().await, ["0", "0"]);
}

#[tokio::test(start_paused = true)]
async fn attributes_and_trace_header_travel_with_the_message() {
    let idle = Idle::start().await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let message = Outgoing {
        attributes: [("error_code".to_owned(), Attribute::text("malformed"))].into(),
        trace: TraceHeader::passed_on(trace),
        ..message("body".into())
    };
    assert_eq!(idle.bus.send(vec![message]).await, [Ok(())]);
    let received = idle.receive().await.expect("the queue is there");
    assert_eq!(received.attributes.aws_trace_header.as_deref(), Some(trace));
    let code = received.message_attributes["error_code"].string_value.as_deref();
    assert_eq!(code, Some("malformed"));
}

#[tokio::test(start_paused = true)]
async fn an_attribute_is_sent_whatever_its_text_is() {
    let idle = Idle::start().await;
    for (text, sent) in [
        (
            "a\u{0}b\u{1b}[31m\u{fffe}\u{ffff}🛒\n",
            "a\u{fffd}b\u{fffd}[31m\u{fffd}\u{fffd}🛒\n",
        ),
        ("", "-"),
    ] {
        let message = Outgoing {
            attributes: [("error".to_owned(), Attribute::text(text))].into(),
            ..message("body".into())
        };
        assert_eq!(idle.bus.send(vec![message]).await, [Ok(())], "{text:?}");
        let received = idle.receive().await.expect("the queue is there");
        let error = received.message_attributes["error"].string_value.as_deref();
        assert_eq!(error, Some(sent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_with_its_attributes_as_they_are_sent() {
    // Each character takes one byte as it was given, and three as it is sent.
    let odd = "\u{1}".repeat(1000);
    let attributes = || [("error".to_owned(), Attribute::text(&odd))].into();
    let sized = |bytes| Outgoing {
        attributes: attributes(),
        ..message("x".repeat(bytes))
    };
    let beside = "error".len() + "String".len() + 3000;
    assert_eq!(sized(1).bytes(), 1 + beside);
    let idle = Idle::start().await;
    let results = idle
        .bus
        .send(vec![
            sized(MAX_MESSAGE_BYTES - beside),
            sized(MAX_MESSAGE_BYTES - beside + 1),
        ])
        .await;
    assert!(results[0].is_ok() && results[1].is_err(), "{results:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trace_goes_from_the_first_command_through_every_event_to_the_outbound_queues_without_its_lineage()
{
    let bundle = Running::start(options()).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let with_lineage = embedded_sqs::Outgoing {
        body: command(&loan("traced")),
        trace_header: Some(format!("{trace};Lineage=a87bd80c:1|68fd508a:5")),
        ..embedded_sqs::Outgoing::default()
    };
    let queue = bundle.stack.names().of_function(QUEUE);
    let sqs = bundle.stack.wire().sqs();
    sqs.send(&queue, with_lineage).expect("the queue takes it");
    let stream = stream("traced");
    bundle.until(&stream, "MemberReminded").await;
    let loaded = bundle.store.load(&stream, Read::Consistent).await;
    for event in loaded.expect("the stream is whole").events() {
        let found = event.trace.as_ref().map(TraceHeader::as_str);
        assert_eq!(found, Some(trace), "{} in {stream}", event.event_type);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let outbound = bundle.take("mail").await;
    assert_eq!(outbound.len(), 1);
    assert_eq!(outbound[0].attributes.aws_trace_header.as_deref(), Some(trace));
}

/// Gives each invocation that has no trace one of its own, as Lambda does.
#[derive(Default)]
struct Traced(AtomicU32);

impl Traced {
    fn trace(number: u32) -> String {
        format!("Root=1-5759e988-bd862e3fe1be46a9{number:08x};Parent=53995c3f42cd8ad8;Sampled=1")
    }
}

#[async_trait]
impl Intercept for Traced {
    async fn invoke(
        &self,
        _: &str,
        code: &dyn Invoke,
        mut invocation: Invocation,
    ) -> Result<serde_json::Value, InvokeError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let own = || format!("{};Lineage=a87bd80c:1|68fd508a:5", Self::trace(number));
        invocation.trace_header.get_or_insert_with(own);
        code.invoke(invocation).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_begins_with_the_first_invocation_if_the_sender_gave_none() {
    let bundle = Running::start(StackOptions {
        intercept: Some(Arc::new(Traced::default())),
        // The first invocation is the command's.
        sweep_interval: None,
        ..options()
    })
    .await;
    bundle.send(QUEUE, &command(&loan("traced"))).await;
    let stream = stream("traced");
    bundle.until(&stream, "MemberReminded").await;
    for event in bundle.events(&stream).await {
        let found = event.trace.as_ref().map(TraceHeader::as_str);
        assert_eq!(found, Some(&*Traced::trace(0)), "{}", event.event_type);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let outbound = bundle.take("mail").await;
    let found = outbound[0].attributes.aws_trace_header.as_deref();
    assert_eq!(found, Some(&*Traced::trace(0)));
}

/// A stack on which no function runs, and a bus to it that is tapped.
struct Idle {
    bundle: Running,
    bus: Bus,
    tap: Tap,
}

impl Idle {
    async fn start() -> Self {
        let bundle = Running::start(StackOptions {
            functions: false,
            ..options()
        })
        .await;
        let tap = Tap::default();
        let transport = Transport::new(bundle.stack.wire().clone());
        let endpoint = Some("http://127.0.0.1".to_owned());
        let environment = Environment {
            // The SDK's budget of retries is shared by all clients of a region in a process. A region of
            // its own keeps other tests' faults out.
            region: format!("test-{}", uuid::Uuid::new_v4()),
            dynamodb_endpoint: endpoint.clone(),
            dynamodb_streams_endpoint: endpoint.clone(),
            sqs_endpoint: endpoint.clone(),
            scheduler_endpoint: endpoint.clone(),
            eventbridge_endpoint: endpoint,
            credentials: SharedCredentialsProvider::new(Credentials::new("bus", "bus", None, None, "bus")),
            own_certificates: false,
        };
        let parts = ClientParts {
            http_client: tap.on(transport.client_for("bus")),
            sleep: SharedAsyncSleep::new(TokioSleep::new()),
            auth_scheme: None,
        };
        let sqs = Connection::with_parts(&environment, parts).sqs;
        let bus = Bus::new(sqs, &bundle.queue_url_prefix());
        Self { bundle, bus, tap }
    }

    /// How many entries each batch had, sorted: batches are sent at once.
    fn batch_lengths(&self) -> Vec<usize> {
        let requests = self.tap.requests("SendMessageBatch");
        let mut lengths: Vec<_> = requests
            .iter()
            .map(|request| request["Entries"].as_array().map_or(0, Vec::len))
            .collect();
        lengths.sort_unstable();
        lengths
    }

    /// What is on the queue, sorted.
    async fn bodies(&self) -> Vec<String> {
        let taken = self.bundle.take(QUEUE).await;
        let mut bodies: Vec<_> = taken.into_iter().map(|message| message.body).collect();
        bodies.sort();
        bodies
    }

    /// The next message, however long that takes.
    async fn receive(&self) -> Result<Received, SqsError> {
        let name = self.bundle.stack.names().of_function(QUEUE);
        let sqs = self.bundle.stack.wire().sqs();
        loop {
            let request = embedded_sqs::Receive {
                wait: embedded_sqs::MAX_RECEIVE_WAIT,
                ..embedded_sqs::Receive::default()
            };
            if let Some(message) = sqs.receive(&name, request).await?.pop() {
                sqs.delete(&name, &message.receipt_handle)?;
                return Ok(message);
            }
        }
    }
}

fn message(body: String) -> Outgoing {
    Outgoing::now(QUEUE, body, None)
}

fn numbered(count: usize) -> Vec<Outgoing> {
    (0..count).map(|n| message(n.to_string())).collect()
}
