//! Stand-ins for the payment provider and the carrier. Like a provider's test mode, they go by the
//! data: certain amounts and products get certain answers.
//!
//! | given | answer |
//! | --- | --- |
//! | anything else | `CompletePayment`, `SendShipment` |
//! | amount 402.00 | `FailPayment` "card declined" |
//! | amount 408.00 | nothing, ever |
//! | amount 409.00 | `CompletePayment` twice, as two messages |
//! | amount 410.00 | `CompletePayment`, 2 seconds after the payment's deadline |
//! | a product that starts `out-of-stock` | `FailShipment` "out of stock" |
//! | a product that starts `lost-parcel` | nothing, ever |

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    BatchHandler, Bus, Identity, Invocation, MAX_DELAY, Metrics, Outgoing, Piece, QueueRecord, RefusalCode,
    Verdict, kebab_case,
};
use domain::payment::{CompletePayment, FailPayment, PaymentRequested};
use domain::shipment::{FailShipment, SendShipment, ShipmentRequested};
use domain::values::Money;
use eventsourcing::{
    Clock, Dispatch, EventEnvelope, Malformed, Message, Timestamp, encode_command, sendable,
};
use futures::FutureExt;

/// Answers to the payment provider's queue.
pub struct PaymentGateway {
    bus: Bus,
    clock: Arc<dyn Clock>,
    queue: &'static str,
    deadline: Duration,
}

impl PaymentGateway {
    /// A provider behind `queue`, whose payments are to be answered within `deadline`.
    pub fn new(bus: Bus, clock: Arc<dyn Clock>, queue: &'static str, deadline: Duration) -> Self {
        Self {
            bus,
            clock,
            queue,
            deadline,
        }
    }

    fn answer(&self, record: &QueueRecord, now: Timestamp) -> Answer {
        // One may be called off, or is to be given back: a provider has nothing to say to that.
        let Some(envelope) = requested::<PaymentRequested>(&record.body, now)? else {
            return Ok((None, vec![]));
        };
        let payment_id = envelope.event.payment_id.clone();
        let complete = Dispatch::now(&CompletePayment {
            payment_id: payment_id.clone(),
        });
        let late = envelope
            .event
            .requested_at
            .plus(self.deadline)
            .plus(Duration::from_secs(2));
        let messages = match envelope.event.amount {
            amount if amount == Money::whole(402) => {
                let declined = FailPayment {
                    payment_id,
                    error: "card declined".into(),
                };
                vec![message(&Dispatch::now(&declined), &envelope, record, now)]
            }
            amount if amount == Money::whole(408) => vec![],
            amount if amount == Money::whole(409) => {
                let twice = message(&complete, &envelope, record, now);
                // Without an id of its own, it gets that of its SQS message: another message.
                let body = sendable(format!(
                    r#"{{"type":"CompletePayment","command":{}}}"#,
                    complete.json
                ));
                vec![twice.clone(), Outgoing { body, ..twice }]
            }
            amount if amount == Money::whole(410) => {
                let delay = late.since(now);
                if delay > MAX_DELAY {
                    vec![Outgoing {
                        delay,
                        attributes: record.attributes.clone(),
                        ..Outgoing::now(self.queue, record.body.clone(), record.trace.clone())
                    }]
                } else {
                    vec![Outgoing {
                        delay,
                        ..message(&complete, &envelope, record, now)
                    }]
                }
            }
            _ => vec![message(&complete, &envelope, record, now)],
        };
        Ok((Some(identity(&envelope)), messages))
    }
}

/// Answers to the carrier's queue.
pub struct ShippingGateway {
    bus: Bus,
    clock: Arc<dyn Clock>,
}

impl ShippingGateway {
    /// A carrier.
    pub fn new(bus: Bus, clock: Arc<dyn Clock>) -> Self {
        Self { bus, clock }
    }

    fn answer(record: &QueueRecord, now: Timestamp) -> Answer {
        let Some(envelope) = requested::<ShipmentRequested>(&record.body, now)? else {
            return Ok((None, vec![]));
        };
        let shipment_id = envelope.event.shipment_id.clone();
        let starts = |prefix| {
            envelope
                .event
                .product_items
                .as_slice()
                .iter()
                .any(|item| item.product_id.as_str().starts_with(prefix))
        };
        let messages = if starts("out-of-stock") {
            let failed = FailShipment {
                shipment_id,
                error: "out of stock".into(),
            };
            vec![message(&Dispatch::now(&failed), &envelope, record, now)]
        } else if starts("lost-parcel") {
            vec![]
        } else {
            vec![message(
                &Dispatch::now(&SendShipment { shipment_id }),
                &envelope,
                record,
                now,
            )]
        };
        Ok((Some(identity(&envelope)), messages))
    }
}

/// Who asked, and what is sent in return.
type Answer = Result<(Option<Identity>, Vec<Outgoing>), Malformed>;

/// The request in a message; none if the message is of another type.
fn requested<M: Message>(body: &str, now: Timestamp) -> Result<Option<EventEnvelope<M>>, Malformed> {
    match EventEnvelope::read(body, now) {
        Err(Malformed::WrongType(_)) => Ok(None),
        read => read.map(Some),
    }
}

fn identity<E>(envelope: &EventEnvelope<E>) -> Identity {
    Identity {
        id: envelope.id.clone(),
        correlation_id: envelope.metadata.correlation_id.clone(),
    }
}

fn message<E>(
    dispatch: &Dispatch,
    envelope: &EventEnvelope<E>,
    record: &QueueRecord,
    now: Timestamp,
) -> Outgoing {
    // A dispatch holds the JSON of a message, which can be read again.
    let body = encode_command(dispatch, &envelope.id, &envelope.metadata.correlation_id, now)
        .expect("a command can always be written");
    Outgoing::now(kebab_case(dispatch.command_type), body, record.trace.clone())
}

async fn send(place: usize, answer: Answer, bus: &Bus) -> (Vec<(usize, Option<Identity>, Verdict)>, Metrics) {
    let (identity, verdict) = match answer {
        Err(error) => (None, Verdict::Refused(RefusalCode::Malformed, error.to_string())),
        Ok((identity, messages)) => {
            let failed = bus.send(messages).await.into_iter().find_map(Result::err);
            (
                identity,
                failed.map_or(Verdict::Done("answered"), |error| {
                    Verdict::NotSent(error.to_string())
                }),
            )
        }
    };
    (vec![(place, identity, verdict)], Metrics::default())
}

impl BatchHandler for PaymentGateway {
    fn message_type(&self) -> &'static str {
        PaymentRequested::TYPE
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], _: Invocation) -> Vec<Piece<'a>> {
        let now = self.clock.now();
        let answers = records.iter().map(|record| self.answer(record, now)).enumerate();
        answers
            .map(|(place, answer)| send(place, answer, &self.bus).boxed())
            .collect()
    }
}

impl BatchHandler for ShippingGateway {
    fn message_type(&self) -> &'static str {
        ShipmentRequested::TYPE
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], _: Invocation) -> Vec<Piece<'a>> {
        let now = self.clock.now();
        let answers = records.iter().map(|record| Self::answer(record, now)).enumerate();
        answers
            .map(|(place, answer)| send(place, answer, &self.bus).boxed())
            .collect()
    }
}
