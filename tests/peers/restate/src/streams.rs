//! The order saga on Restate with the facts that the bundle keeps: cart, order, payment and shipment are virtual objects,
//! each with its events in its state, and what follows from an event is sent to the next object. A deadline is a delayed
//! call, which does nothing if the answer came first.

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::outside::{Answer, Asked, Outside};
use crate::{Cart, Item, PAYMENT_DEADLINE, PHASE, Phase, SHIPMENT_DEADLINE};

// Events are named as the bundle names them.

/// The key under which an object's state holds its events.
const EVENTS: &str = "events";

#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "type")]
#[allow(clippy::enum_variant_names)]
enum CartEvent {
    CartFinalized { cart: Cart },
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "type")]
#[allow(clippy::enum_variant_names)]
enum OrderEvent {
    OrderInitialized { cart: Cart },
    OrderConfirmed { payment_id: String },
    OrderCompleted,
    OrderCancelled { reason: String },
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "type")]
#[allow(clippy::enum_variant_names)]
enum PaymentEvent {
    PaymentRequested { order_id: String, amount: f64 },
    PaymentCompleted,
    PaymentFailed { error: String },
    PaymentVoided,
    PaymentReceivedLate,
    PaymentDiscarded,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "type")]
#[allow(clippy::enum_variant_names)]
enum ShipmentEvent {
    ShipmentRequested { order_id: String, items: Vec<Item> },
    ShipmentSent,
    ShipmentFailed { error: String },
    ShipmentSentLate,
}

#[derive(Deserialize, Serialize)]
struct PaymentRequest {
    order_id: String,
    amount: f64,
}

#[derive(Deserialize, Serialize)]
struct ShipmentRequest {
    order_id: String,
    items: Vec<Item>,
}

/// A cart, by its id.
pub struct CartStream;

/// An order, by its id; its phase stands beside its events.
pub struct OrderStream;

/// A payment, by its id.
pub struct PaymentStream {
    pub outside: Outside,
}

/// A shipment, by its id.
pub struct ShipmentStream {
    pub outside: Outside,
}

async fn events<E: for<'de> Deserialize<'de> + 'static>(
    ctx: &ObjectContext<'_>,
) -> Result<Vec<E>, HandlerError>
where
    Json<Vec<E>>: restate_sdk::serde::Deserialize,
{
    Ok(ctx
        .get::<Json<Vec<E>>>(EVENTS)
        .await?
        .map(Json::into_inner)
        .unwrap_or_default())
}

fn record<E: Serialize + 'static>(
    ctx: &ObjectContext<'_>,
    mut before: Vec<E>,
    new: impl IntoIterator<Item = E>,
) where
    Json<Vec<E>>: restate_sdk::serde::Serialize,
{
    before.extend(new);
    ctx.set(EVENTS, Json(before));
}

#[object]
impl CartStream {
    #[handler]
    async fn finalize(&self, ctx: ObjectContext<'_>, cart: Json<Cart>) -> Result<(), HandlerError> {
        let cart = cart.into_inner();
        let past: Vec<CartEvent> = events(&ctx).await?;
        if past.is_empty() {
            record(&ctx, past, [CartEvent::CartFinalized { cart: cart.clone() }]);
            let order = format!("{}-order", ctx.key());
            ctx.object_client::<OrderStreamClient>(order)
                .initialize(Json(cart))
                .send();
        }
        Ok(())
    }
}

#[object]
impl OrderStream {
    #[handler]
    async fn initialize(&self, ctx: ObjectContext<'_>, cart: Json<Cart>) -> Result<(), HandlerError> {
        let cart = cart.into_inner();
        let past: Vec<OrderEvent> = events(&ctx).await?;
        if past.is_empty() {
            let amount = cart.total_price;
            record(&ctx, past, [OrderEvent::OrderInitialized { cart }]);
            ctx.set(PHASE, Json(Phase::AwaitingPayment));
            let order_id = ctx.key().to_owned();
            ctx.object_client::<PaymentStreamClient>(format!("{order_id}-payment"))
                .request(Json(PaymentRequest { order_id, amount }))
                .send();
        }
        Ok(())
    }

    #[handler]
    async fn confirm(&self, ctx: ObjectContext<'_>, payment_id: String) -> Result<(), HandlerError> {
        let past: Vec<OrderEvent> = events(&ctx).await?;
        if let [OrderEvent::OrderInitialized { cart }] = past.as_slice() {
            let items = cart.product_items.clone();
            record(&ctx, past, [OrderEvent::OrderConfirmed { payment_id }]);
            ctx.set(PHASE, Json(Phase::AwaitingShipment));
            let order_id = ctx.key().to_owned();
            ctx.object_client::<ShipmentStreamClient>(format!("{order_id}-shipment"))
                .request(Json(ShipmentRequest { order_id, items }))
                .send();
        }
        Ok(())
    }

    #[handler]
    async fn complete(&self, ctx: ObjectContext<'_>) -> Result<(), HandlerError> {
        let past: Vec<OrderEvent> = events(&ctx).await?;
        if matches!(past.last(), Some(OrderEvent::OrderConfirmed { .. })) {
            record(&ctx, past, [OrderEvent::OrderCompleted]);
            ctx.set(PHASE, Json(Phase::Completed));
        }
        Ok(())
    }

    #[handler]
    async fn cancel(&self, ctx: ObjectContext<'_>, reason: String) -> Result<(), HandlerError> {
        let past: Vec<OrderEvent> = events(&ctx).await?;
        let is_paid = match past.last() {
            Some(OrderEvent::OrderInitialized { .. }) => false,
            Some(OrderEvent::OrderConfirmed { .. }) => true,
            _ => return Ok(()),
        };
        record(&ctx, past, [OrderEvent::OrderCancelled { reason }]);
        ctx.set(PHASE, Json(Phase::Cancelled));
        if is_paid {
            ctx.object_client::<PaymentStreamClient>(format!("{}-payment", ctx.key()))
                .discard()
                .send();
        }
        Ok(())
    }
}

#[object]
impl PaymentStream {
    #[handler]
    async fn request(
        &self,
        ctx: ObjectContext<'_>,
        request: Json<PaymentRequest>,
    ) -> Result<(), HandlerError> {
        let PaymentRequest { order_id, amount } = request.into_inner();
        let past: Vec<PaymentEvent> = events(&ctx).await?;
        if past.is_empty() {
            record(&ctx, past, [PaymentEvent::PaymentRequested { order_id, amount }]);
            let asked = Asked::Object("PaymentStream", ctx.key().to_owned());
            let provider = self.outside.clone();
            ctx.run(|| async move { Ok(provider.request_payment(asked, amount)) })
                .name("request payment")
                .await?;
            ctx.object_client::<PaymentStreamClient>(ctx.key())
                .time_out()
                .send_after(PAYMENT_DEADLINE);
        }
        Ok(())
    }

    #[handler]
    async fn answered(&self, ctx: ObjectContext<'_>, answer: Json<Answer>) -> Result<(), HandlerError> {
        let past: Vec<PaymentEvent> = events(&ctx).await?;
        match (past.as_slice(), answer.into_inner()) {
            ([PaymentEvent::PaymentRequested { order_id, .. }], Answer::Done) => {
                let order_id = order_id.clone();
                record(&ctx, past, [PaymentEvent::PaymentCompleted]);
                ctx.object_client::<OrderStreamClient>(order_id)
                    .confirm(ctx.key().to_owned())
                    .send();
            }
            ([PaymentEvent::PaymentRequested { .. }], Answer::Failed) => {
                fail_payment(&ctx, past, "card declined");
            }
            (
                [
                    ..,
                    PaymentEvent::PaymentFailed { .. } | PaymentEvent::PaymentVoided,
                ],
                Answer::Done,
            ) => {
                let late = [PaymentEvent::PaymentReceivedLate, PaymentEvent::PaymentDiscarded];
                record(&ctx, past, late);
                self.give_back(&ctx).await?;
            }
            _ => {}
        }
        Ok(())
    }

    #[handler]
    async fn time_out(&self, ctx: ObjectContext<'_>) -> Result<(), HandlerError> {
        let past: Vec<PaymentEvent> = events(&ctx).await?;
        fail_payment(&ctx, past, "timed out");
        Ok(())
    }

    #[handler]
    async fn discard(&self, ctx: ObjectContext<'_>) -> Result<(), HandlerError> {
        let past: Vec<PaymentEvent> = events(&ctx).await?;
        match past.last() {
            Some(PaymentEvent::PaymentRequested { .. }) => record(&ctx, past, [PaymentEvent::PaymentVoided]),
            Some(PaymentEvent::PaymentCompleted) => {
                record(&ctx, past, [PaymentEvent::PaymentDiscarded]);
                self.give_back(&ctx).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl PaymentStream {
    async fn give_back(&self, ctx: &ObjectContext<'_>) -> Result<(), HandlerError> {
        let (provider, payment) = (self.outside.clone(), ctx.key().to_owned());
        ctx.run(|| async move { Ok(provider.discard_payment(&payment)) })
            .name("discard payment")
            .await?;
        Ok(())
    }
}

fn fail_payment(ctx: &ObjectContext<'_>, past: Vec<PaymentEvent>, error: &str) {
    if let [PaymentEvent::PaymentRequested { order_id, .. }] = past.as_slice() {
        let order_id = order_id.clone();
        let error = error.to_owned();
        record(ctx, past, [PaymentEvent::PaymentFailed { error: error.clone() }]);
        ctx.object_client::<OrderStreamClient>(order_id)
            .cancel(error)
            .send();
    }
}

#[object]
impl ShipmentStream {
    #[handler]
    async fn request(
        &self,
        ctx: ObjectContext<'_>,
        request: Json<ShipmentRequest>,
    ) -> Result<(), HandlerError> {
        let ShipmentRequest { order_id, items } = request.into_inner();
        let past: Vec<ShipmentEvent> = events(&ctx).await?;
        if past.is_empty() {
            let products: Vec<_> = items.iter().map(|item| item.product_id.clone()).collect();
            record(&ctx, past, [ShipmentEvent::ShipmentRequested { order_id, items }]);
            let asked = Asked::Object("ShipmentStream", ctx.key().to_owned());
            let carrier = self.outside.clone();
            ctx.run(|| async move { Ok(carrier.request_shipment(asked, &products)) })
                .name("request shipment")
                .await?;
            ctx.object_client::<ShipmentStreamClient>(ctx.key())
                .time_out()
                .send_after(SHIPMENT_DEADLINE);
        }
        Ok(())
    }

    #[handler]
    async fn answered(&self, ctx: ObjectContext<'_>, answer: Json<Answer>) -> Result<(), HandlerError> {
        let past: Vec<ShipmentEvent> = events(&ctx).await?;
        match (past.as_slice(), answer.into_inner()) {
            ([ShipmentEvent::ShipmentRequested { order_id, .. }], Answer::Done) => {
                let order_id = order_id.clone();
                record(&ctx, past, [ShipmentEvent::ShipmentSent]);
                ctx.object_client::<OrderStreamClient>(order_id).complete().send();
            }
            ([ShipmentEvent::ShipmentRequested { .. }], Answer::Failed) => {
                fail_shipment(&ctx, past, "out of stock");
            }
            ([.., ShipmentEvent::ShipmentFailed { .. }], Answer::Done) => {
                record(&ctx, past, [ShipmentEvent::ShipmentSentLate]);
            }
            _ => {}
        }
        Ok(())
    }

    #[handler]
    async fn time_out(&self, ctx: ObjectContext<'_>) -> Result<(), HandlerError> {
        let past: Vec<ShipmentEvent> = events(&ctx).await?;
        fail_shipment(&ctx, past, "timed out");
        Ok(())
    }
}

fn fail_shipment(ctx: &ObjectContext<'_>, past: Vec<ShipmentEvent>, error: &str) {
    if let [ShipmentEvent::ShipmentRequested { order_id, .. }] = past.as_slice() {
        let order_id = order_id.clone();
        let error = error.to_owned();
        record(
            ctx,
            past,
            [ShipmentEvent::ShipmentFailed { error: error.clone() }],
        );
        ctx.object_client::<OrderStreamClient>(order_id)
            .cancel(error)
            .send();
    }
}
