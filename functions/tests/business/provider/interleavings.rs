//! Queues keep no order, and deliver more than once. So what is said of one payment comes in every order: each is
//! played with each way of the provider to go wrong, all at once and one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::values::{OrderId, PaymentId};
use eventsourcing::computed_id;
use local::StackOptions;
use serde_json::Value;
use testkit::running::Running;

use super::{AMOUNTS, Moved, QUEUE, by_payment, is_empty, provider_stub, with_adapters};
use crate::story::on_a_paused_clock;

/// An event about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Requested,
    Voided,
    Discarded,
}

use Said::{Discarded, Requested, Voided};

/// How long after each other the messages come.
#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce,
    /// While the provider is asked.
    Meanwhile,
    /// When the one before is dealt with.
    InTurn,
}

/// Every order of these.
fn orders_of(left: &[Said]) -> BTreeSet<Vec<Said>> {
    if left.is_empty() {
        return BTreeSet::from([vec![]]);
    }
    let first = |place: usize| {
        let (mut rest, mut orders) = (left.to_vec(), BTreeSet::new());
        let first = rest.remove(place);
        for order in orders_of(&rest) {
            orders.insert([vec![first], order].concat());
        }
        orders
    };
    (0..left.len()).flat_map(first).collect()
}

/// What is said of one payment, and what has to come of it.
#[derive(Debug)]
struct Play {
    amount: &'static str,
    order: Vec<Said>,
    payment: PaymentId,
    order_id: OrderId,
}

impl Play {
    fn of(name: &str, amount: &'static str, order: Vec<Said>) -> Self {
        let order_id: OrderId = name.parse().expect("an id");
        let payment = PaymentId::of_order(&order_id);
        Self {
            amount,
            order,
            payment,
            order_id,
        }
    }

    fn message(&self, said: Said, due_at: &str) -> String {
        let (name, revision) = match said {
            Requested => ("PaymentRequested", 1),
            Voided => ("PaymentVoided", 2),
            Discarded => ("PaymentDiscarded", 3),
        };
        let of = format!(
            r#""payment_id":"{}","order_id":"{}""#,
            self.payment, self.order_id
        );
        let at = "2026-11-23T08:00:00Z";
        let more = match said {
            Requested => format!(
                r#""amount":{},"requested_at":"{at}","due_at":"{due_at}""#,
                self.amount
            ),
            Voided => format!(r#""voided_at":"{at}""#),
            Discarded => format!(r#""amount":{},"discarded_at":"{at}""#, self.amount),
        };
        format!(
            r#"{{"id":"event-{revision}-{id}","type":"{name}","stream_id":"payment-{id}","revision":{revision},
                "event":{{{of},{more}}},"metadata":{{"correlation_id":"of {id}"}}}}"#,
            id = self.payment
        )
    }
}

/// What came of it.
struct Came {
    plays: Vec<Play>,
    /// By the payment's id.
    moved: BTreeMap<String, Moved>,
    /// Queue and message of what the adapter told the bundle.
    told: Vec<(&'static str, Value)>,
}

/// Plays each order of `said` with each amount. An answer is due at `due_at`.
async fn played(said: &[Said], pace: Pace, due_at: &str) -> Came {
    let bundle = Running::start(StackOptions {
        functions: false,
        ..crate::options()
    })
    .await;
    let provider = provider_stub::Provider::default();
    let address = provider.serve(0).await.expect("a free port");
    let mut plays = Vec::new();
    for order in orders_of(said) {
        // One whose charge is never answered has to wait for its deadline.
        for amount in AMOUNTS.into_iter().filter(|amount| *amount != "501.00") {
            plays.push(Play::of(&format!("o-{}", plays.len()), amount, order.clone()));
        }
    }
    with_adapters(&bundle, address, async {
        for place in 0..said.len() {
            for play in &plays {
                bundle.send(QUEUE, &play.message(play.order[place], due_at)).await;
            }
            match pace {
                Pace::AtOnce => {}
                Pace::Meanwhile => tokio::time::sleep(Duration::from_secs(5)).await,
                Pace::InTurn => until_dealt_with(&bundle).await,
            }
        }
        until_dealt_with(&bundle).await;
    })
    .await;
    let mut told = Vec::new();
    for queue in ["complete-payment", "fail-payment"] {
        let sent = bundle.take(queue).await.into_iter();
        told.extend(sent.map(|message| (queue, serde_json::from_str(&message.body).expect("it is JSON"))));
    }
    let moved = by_payment(&provider.ledger());
    Came { plays, moved, told }
}

async fn until_dealt_with(bundle: &Running) {
    while !is_empty(bundle) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

impl Came {
    /// Of each play what was charged and given back, and what the bundle was told; and whether that is the same command
    /// each time.
    fn each(&self) -> impl Iterator<Item = (&Play, Moved, Option<&'static str>)> {
        self.plays.iter().map(|play| {
            let id = play.payment.as_str();
            let told: Vec<_> = self
                .told
                .iter()
                .filter(|(_, message)| message["command"]["payment_id"] == id)
                .collect();
            for (queue, message) in &told {
                let name = &message["type"];
                let name = name.as_str().expect("a type");
                assert_eq!(*queue, aws_adapters::kebab_case(name));
                let because_of = format!("event-1-{id}");
                let computed = computed_id(&format!("command/{because_of}/{name}/payment-{id}"));
                assert_eq!(message["id"], computed.to_string());
                assert_eq!(message["metadata"]["causation_id"], *because_of);
                assert_eq!(message["metadata"]["correlation_id"], format!("of {id}"));
            }
            let queues: BTreeSet<_> = told.iter().map(|(queue, _)| *queue).collect();
            assert!(queues.len() <= 1, "{queues:?} of one payment");
            let moved = self.moved.get(id).cloned().unwrap_or_default();
            (play, moved, queues.first().copied())
        })
    }
}

const TOMORROW: &str = "2026-11-24T08:00:00Z";
const BEFORE: &str = "2026-11-23T07:59:59Z";

#[test]
fn a_payment_that_is_requested_again_and_again_is_charged_once_and_answered_the_same() {
    for pace in [Pace::AtOnce, Pace::Meanwhile, Pace::InTurn] {
        on_a_paused_clock(async {
            for (play, Moved { charges, refunds }, told) in
                Box::pin(played(&[Requested; 3], pace, TOMORROW)).await.each()
            {
                let declined = play.amount == "402.00";
                let queue = if declined {
                    "fail-payment"
                } else {
                    "complete-payment"
                };
                let seen = (charges.len(), refunds.len(), told);
                assert_eq!(
                    seen,
                    (usize::from(!declined), 0, Some(queue)),
                    "{pace:?}: {play:?}"
                );
            }
        });
    }
}

#[test]
fn of_a_payment_that_is_called_off_nothing_is_kept_in_whatever_order_that_is_said() {
    for pace in [Pace::AtOnce, Pace::Meanwhile, Pace::InTurn] {
        on_a_paused_clock(async {
            let said = [Requested, Requested, Voided, Discarded];
            for (play, Moved { charges, refunds }, told) in
                Box::pin(played(&said, pace, TOMORROW)).await.each()
            {
                assert!(charges.len() <= 1, "charged twice, {pace:?}: {play:?}");
                assert_eq!(charges, refunds, "{pace:?}: {play:?}");
                // What was charged is told, so that the bundle's books have it, and nothing else is.
                assert_eq!(
                    !charges.is_empty(),
                    told == Some("complete-payment"),
                    "{pace:?}: {play:?}"
                );
                if let Pace::InTurn = pace {
                    let is_charged = play.order[0] == Requested && play.amount != "402.00";
                    assert_eq!(!charges.is_empty(), is_charged, "{pace:?}: {play:?}");
                }
            }
        });
    }
}

#[test]
fn nobody_is_charged_when_the_answer_is_not_waited_for_any_more() {
    on_a_paused_clock(async {
        let came = Box::pin(played(&[Requested; 2], Pace::InTurn, BEFORE)).await;
        for (play, Moved { charges, .. }, told) in came.each() {
            assert_eq!((charges.len(), told), (0, None), "{play:?}");
        }
    });
}

#[test]
fn a_message_that_can_not_be_read_stays_and_one_of_an_unknown_type_is_passed_over() {
    on_a_paused_clock(async {
        let bundle = Running::start(StackOptions {
            functions: false,
            ..crate::options()
        })
        .await;
        let address = provider_stub::Provider::default()
            .serve(0)
            .await
            .expect("a free port");
        with_adapters(&bundle, address, async {
            for body in [
                "no JSON",
                r#"{"type":"PaymentRequested"}"#,
                r#"{"type":"PaymentFramed","event":{}}"#,
            ] {
                bundle.send(QUEUE, body).await;
            }
            tokio::time::sleep(Duration::from_mins(5)).await;
        })
        .await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let left: BTreeSet<_> = bundle
            .peek(QUEUE)
            .await
            .into_iter()
            .map(|message| message.body)
            .collect();
        assert_eq!(
            left,
            BTreeSet::from(["no JSON".to_owned(), r#"{"type":"PaymentRequested"}"#.to_owned()])
        );
    });
}
