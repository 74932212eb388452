//! What an id names: an order (by its cart's, its own, its payment's or its shipment's id), a guest's
//! stay, or a group's checkout.

use std::fmt;

use aws_adapters::DynamoDbEventStore;
use domain::cart::Cart;
use domain::group_checkout::GroupCheckout;
use domain::guest_stay::GuestStay;
use domain::order::Order;
use domain::payment::Payment;
use domain::shipment::Shipment;
use domain::values::{CartId, GroupCheckoutId, GuestStayId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{Decider, EventStore, Fields, Read, RecordedEvent, StreamId};

use crate::events::{self, Stream};
use crate::failure::Failure;
use crate::stack::Stack;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An order with its cart, as far as that is known.
    Order(OrderId, Option<CartId>),
    /// A guest's stay.
    Guest(GuestStayId),
    /// A group's checkout.
    Group(GroupCheckoutId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order, Some(cart)) => write!(f, "order {order} of cart {cart}"),
            Self::Order(order, None) => write!(f, "order {order}"),
            Self::Guest(guest) => write!(f, "guest's stay {guest}"),
            Self::Group(group) => write!(f, "group checkout {group}"),
        }
    }
}

impl Subject {
    /// Its streams, in the order in which they come to be; the guests of a group apart.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        match self {
            Self::Order(order, cart) => {
                let cart = cart.as_ref().map(|cart| Cart::CATEGORY.stream(cart));
                let others = [
                    Order::CATEGORY.stream(order),
                    Payment::CATEGORY.stream(&PaymentId::of_order(order)),
                    Shipment::CATEGORY.stream(&ShipmentId::of_order(order)),
                ];
                cart.into_iter().chain(others).collect()
            }
            Self::Guest(guest) => vec![GuestStay::CATEGORY.stream(guest)],
            Self::Group(group) => vec![GroupCheckout::CATEGORY.stream(group)],
        }
    }

    /// Whether a guest's event is about this group.
    pub(crate) fn is_told_by(&self, event: &RecordedEvent) -> bool {
        let Self::Group(group) = self else {
            return false;
        };
        field(event, "group_checkout_id").is_some_and(|id| id == group.as_str())
    }
}

/// A text in an event's data.
pub(crate) fn field(event: &RecordedEvent, name: &str) -> Option<String> {
    Fields::of(&event.data)?.get::<Option<String>>(name).ok()?
}

/// The streams of the guests of a group, if `streams` are those of one.
pub(crate) fn guests(streams: &[Stream]) -> Vec<StreamId> {
    let initiated = streams
        .iter()
        .find_map(|stream| stream.newest(&["GroupCheckoutInitiated"]));
    let ids = initiated.and_then(|(_, event)| {
        Fields::of(&event.data)?
            .get::<Vec<GuestStayId>>("guest_stay_ids")
            .ok()
    });
    ids.unwrap_or_default()
        .iter()
        .map(|guest| GuestStay::CATEGORY.stream(guest))
        .collect()
}

/// Finds what `id` names. What has no stream yet is taken for a cart, whose command may be stuck.
pub(crate) async fn find(stack: &Stack, id: &str) -> Result<Subject, Failure> {
    let cart: CartId = id
        .parse()
        .map_err(|error| Failure::Usage(format!("{id:?} is {error}")))?;
    if let Ok(stream) = id.parse::<StreamId>()
        && let Some(subject) = of_existing(stack, &stream).await?
    {
        return Ok(subject);
    }
    let categories = [
        Cart::CATEGORY,
        Order::CATEGORY,
        Payment::CATEGORY,
        Shipment::CATEGORY,
        GuestStay::CATEGORY,
        GroupCheckout::CATEGORY,
    ];
    let mut found: Vec<(StreamId, Subject)> = Vec::new();
    for stream in categories.map(|category| category.stream(&id)) {
        if let Some(subject) = of_existing(stack, &stream).await? {
            found.push((stream, subject));
        }
    }
    match found.as_slice() {
        [] => Ok(Subject::Order(OrderId::of_cart(&cart), Some(cart))),
        [(_, subject)] => Ok(subject.clone()),
        several => {
            let streams: Vec<_> = several.iter().map(|(stream, _)| stream.as_str()).collect();
            Err(Failure::Usage(format!(
                "{id} names {} things; give the stream of the one that you mean: {}",
                several.len(),
                streams.join(", ")
            )))
        }
    }
}

/// What a stream belongs to, if it exists.
async fn of_existing(stack: &Stack, stream: &StreamId) -> Result<Option<Subject>, Failure> {
    let store = DynamoDbEventStore::new(stack.connection.dynamodb.clone(), stack.names.events_table());
    match store.latest(stream, Read::Consistent).await {
        Ok(None) => return Ok(None),
        // A broken stream is there, and its trace says what is wrong with it.
        Ok(Some(_)) | Err(eventsourcing::LoadError::Broken(_)) => {}
        Err(error) => return Err(Failure::Failed(error.to_string())),
    }
    let Some((category, id)) = stream.as_str().split_once('-') else {
        return Ok(None);
    };
    let subject = if category == Cart::CATEGORY.name() {
        id.parse()
            .ok()
            .map(|cart: CartId| Subject::Order(OrderId::of_cart(&cart), Some(cart)))
    } else if category == Order::CATEGORY.name() {
        of_order(stack, id.parse().ok()).await?
    } else if category == Payment::CATEGORY.name() || category == Shipment::CATEGORY.name() {
        let order = text_in(&events::read(stack, stream).await?, "order_id");
        of_order(stack, order.and_then(|id| id.parse().ok())).await?
    } else if category == GuestStay::CATEGORY.name() {
        id.parse().ok().map(Subject::Guest)
    } else if category == GroupCheckout::CATEGORY.name() {
        id.parse().ok().map(Subject::Group)
    } else {
        None
    };
    Ok(subject)
}

async fn of_order(stack: &Stack, order: Option<OrderId>) -> Result<Option<Subject>, Failure> {
    let Some(order) = order else {
        return Ok(None);
    };
    let stream = events::read(stack, &Order::CATEGORY.stream(&order)).await?;
    let cart = text_in(&stream, "cart_id").and_then(|id| id.parse().ok());
    Ok(Some(Subject::Order(order, cart)))
}

/// The first text of that name in a stream.
fn text_in(stream: &Stream, name: &str) -> Option<String> {
    stream.events().find_map(|(_, event)| field(event, name))
}
