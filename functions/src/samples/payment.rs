//! Payment, and the stand-in for its provider.

use bundle::{Given, Sample, at};
use domain::order::{CancelOrder, Cause, ConfirmOrder};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCompleted, PaymentDiscarded, PaymentFailed,
    PaymentFailedLate, PaymentReceivedLate, PaymentRequested, PaymentRevoked, PaymentVoided, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::CallOffShipment;
use eventsourcing::Message;

use super::{Bought, far_off};

pub(crate) fn request_payment() -> Sample {
    let bought = Bought::in_sample("request-payment");
    Given::nothing()
        .command(&RequestPayment {
            payment_id: bought.payment_id,
            order_id: bought.order_id,
            amount: bought.total_price,
            due_at: Some(far_off()),
        })
        .records(&[PaymentRequested::TYPE])
}

pub(crate) fn complete_payment() -> Sample {
    let bought = Bought::in_sample("complete-payment");
    Given::stream::<Payment>(&bought.payment_id, [bought.payment_requested().into()])
        .command(&CompletePayment {
            payment_id: bought.payment_id,
        })
        .records(&[PaymentCompleted::TYPE])
}

/// The provider had its time: the money is given back.
pub(crate) fn complete_payment_late() -> Sample {
    let bought = Bought::in_sample("complete-payment-late");
    let events = [bought.payment_requested().into(), bought.payment_failed().into()];
    Given::stream::<Payment>(&bought.payment_id, events)
        .command(&CompletePayment {
            payment_id: bought.payment_id,
        })
        .records(&[PaymentReceivedLate::TYPE, PaymentDiscarded::TYPE])
}

pub(crate) fn on_payment_completed() -> Sample {
    let bought = Bought::in_sample("on-payment-completed");
    let events = [
        bought.payment_requested().into(),
        bought.payment_completed().into(),
    ];
    Given::stream::<Payment>(&bought.payment_id, events)
        .newest_event()
        .sends(&[ConfirmOrder::TYPE])
}

pub(crate) fn fail_payment() -> Sample {
    let bought = Bought::in_sample("fail-payment");
    Given::stream::<Payment>(&bought.payment_id, [bought.payment_requested().into()])
        .command(&FailPayment {
            payment_id: bought.payment_id,
            error: "card declined".into(),
        })
        .records(&[PaymentFailed::TYPE])
}

/// The provider contradicts itself: the first answer stands.
pub(crate) fn fail_payment_late() -> Sample {
    let bought = Bought::in_sample("fail-payment-late");
    let events = [
        bought.payment_requested().into(),
        bought.payment_completed().into(),
    ];
    Given::stream::<Payment>(&bought.payment_id, events)
        .command(&FailPayment {
            payment_id: bought.payment_id,
            error: "charged back".into(),
        })
        .records(&[PaymentFailedLate::TYPE])
}

pub(crate) fn time_out_payment() -> Sample {
    let bought = Bought::in_sample("time-out-payment");
    Given::stream::<Payment>(&bought.payment_id, [bought.payment_requested().into()])
        .command(&TimeOutPayment {
            payment_id: bought.payment_id,
            order_id: bought.order_id,
            amount: bought.total_price,
            due_at: at(15),
        })
        .records(&[PaymentFailed::TYPE])
}

pub(crate) fn on_payment_failed() -> Sample {
    let bought = Bought::in_sample("on-payment-failed");
    let failed = PaymentFailed {
        payment_id: bought.payment_id.clone(),
        order_id: bought.order_id.clone(),
        amount: bought.total_price,
        error: "card declined".into(),
        failed_at: at(1),
    };
    Given::stream::<Payment>(
        &bought.payment_id,
        [bought.payment_requested().into(), failed.into()],
    )
    .newest_event()
    .sends(&[CancelOrder::TYPE])
}

pub(crate) fn discard_payment() -> Sample {
    let bought = Bought::in_sample("discard-payment");
    let events = [
        bought.payment_requested().into(),
        bought.payment_completed().into(),
    ];
    Given::stream::<Payment>(&bought.payment_id, events)
        .command(&DiscardPayment {
            payment_id: bought.payment_id,
            order_id: bought.order_id,
            cause: Some(Cause::ShipmentFailed),
        })
        .records(&[PaymentDiscarded::TYPE])
}

/// The provider had not answered.
pub(crate) fn discard_payment_unanswered() -> Sample {
    let bought = Bought::in_sample("discard-payment-unanswered");
    Given::stream::<Payment>(&bought.payment_id, [bought.payment_requested().into()])
        .command(&DiscardPayment {
            payment_id: bought.payment_id,
            order_id: bought.order_id,
            cause: Some(Cause::Withdrawn),
        })
        .records(&[PaymentVoided::TYPE])
}

/// By hand, so that its order has to end because of it.
pub(crate) fn discard_payment_by_hand() -> Sample {
    let bought = Bought::in_sample("discard-payment-by-hand");
    let events = [
        bought.payment_requested().into(),
        bought.payment_completed().into(),
    ];
    Given::stream::<Payment>(&bought.payment_id, events)
        .command(&DiscardPayment {
            payment_id: bought.payment_id,
            order_id: bought.order_id,
            cause: None,
        })
        .records(&[PaymentDiscarded::TYPE, PaymentRevoked::TYPE])
}

/// The money had not come in.
pub(crate) fn on_payment_revoked() -> Sample {
    revoked("on-payment-revoked", false).sends(&[CancelOrder::TYPE])
}

/// The money had come in, so that there may be a shipment.
pub(crate) fn on_payment_revoked_when_paid() -> Sample {
    revoked("on-payment-revoked-when-paid", true).sends(&[CallOffShipment::TYPE])
}

fn revoked(name: &str, paid: bool) -> Sample {
    let bought = Bought::in_sample(name);
    let revoked = PaymentRevoked {
        payment_id: bought.payment_id.clone(),
        order_id: bought.order_id.clone(),
        amount: paid.then_some(bought.total_price),
        revoked_at: at(2),
    };
    let events = [bought.payment_requested().into(), revoked.into()];
    Given::stream::<Payment>(&bought.payment_id, events).newest_event()
}

pub(crate) fn simulate_payment_gateway() -> Sample {
    asked(&Bought::in_sample("simulate-payment-gateway")).sends(&[CompletePayment::TYPE])
}

/// The amount that is always declined.
pub(crate) fn simulate_payment_gateway_declining() -> Sample {
    let bought = Bought::of("simulate-payment-gateway-declining", "lamp", 402);
    asked(&bought).sends(&[FailPayment::TYPE])
}

/// The amount whose answer comes two seconds after the deadline.
pub(crate) fn simulate_payment_gateway_late() -> Sample {
    let bought = Bought::of("simulate-payment-gateway-late", "lamp", 410);
    asked(&bought).sends(&[CompletePayment::TYPE])
}

fn asked(bought: &Bought) -> Sample {
    Given::stream::<Payment>(&bought.payment_id, [bought.payment_requested().into()]).newest_event()
}
