//! How something stands: how it ended, or what is still to come, from whom, and until when.
//!
//! It is told by the rules' own states, each of them by name, so that a state that is new to the rules is
//! one that the compiler asks for here. Deadlines are those that were recorded. What this version of the
//! rules does not know, it says it does not know: it may be an ending, or the beginning of something.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

use domain::cart::Cart;
use domain::group_checkout::{Group, GroupCheckout, GroupCheckoutInitiated, GroupCheckoutState};
use domain::guest_stay::{self, GuestCheckoutCompleted, GuestStay};
use domain::order::{
    Cause, Order, OrderCancelled, OrderCompleted, OrderConfirmed, OrderInitialized, OrderState,
};
use domain::payment::{self, Payment};
use domain::shipment::{self, Shipment};
use eventsourcing::{Decider, Message, StreamId, Text, Timestamp};
use serde::{Serialize, Serializer};

use super::subject::{Subject, field};
use crate::events::{Folded, Stream, UnknownEvent, word};
use crate::output::count;

/// How the thing that is traced stands.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// None while it is open.
    pub(crate) ending: Option<Ending>,
    /// What to call it while it has no ending, if that is not just open.
    pub(crate) so_far: Option<&'static str>,
    pub(crate) outstanding: Vec<Outstanding>,
    /// Events that all this was told without.
    pub(crate) unknown: Vec<UnknownEvent>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) event_type: String,
    /// Why, of an order that was cancelled: a word of the rules.
    pub(crate) cause: Option<Cause>,
    /// The same in words of whoever caused it. They are a payload.
    pub(crate) reason: Option<Text>,
    /// What else there is to say, without a payload.
    note: Option<String>,
}

impl Ending {
    fn of(event_type: &str) -> Self {
        Self {
            event_type: event_type.to_owned(),
            cause: None,
            reason: None,
            note: None,
        }
    }

    /// In words, with the reason only if payloads were asked for.
    pub(crate) fn words(&self, with_reason: bool) -> String {
        let cause = self.cause.map(|cause| word(cause).to_owned());
        let reason = self.reason.as_ref().filter(|_| with_reason);
        let why = match (cause.or_else(|| self.note.clone()), reason) {
            (Some(cause), Some(reason)) => format!("{cause}: {}", on_one_line(reason.as_str())),
            (Some(cause), None) => cause,
            (None, _) => return self.event_type.clone(),
        };
        format!("{} ({why})", self.event_type)
    }
}

/// The text without what a terminal would take for its own: line breaks, escapes.
fn on_one_line(text: &str) -> String {
    let shown = |letter: char| -> String {
        if letter.is_control() {
            letter.escape_default().collect()
        } else {
            letter.into()
        }
    };
    text.chars().map(shown).collect()
}

/// Until when something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// For ever: nothing settles it but that it is done.
    Without,
    /// As it was recorded when it was set.
    At(Timestamp),
    /// It has one, set before deadlines were recorded, or by what can't be read.
    NotRecorded,
}

/// Something that has to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outstanding {
    /// In words.
    pub(crate) what: String,
    /// When what it follows from was committed, if that is known.
    pub(crate) since: Option<Timestamp>,
    /// When it is settled at the latest, in whichever way.
    pub(crate) deadline: Deadline,
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(since) = self.since {
            write!(f, ", since {since}")?;
        }
        match self.deadline {
            Deadline::At(due_at) => write!(f, "; its deadline is at {due_at}"),
            Deadline::NotRecorded => f.write_str("; its deadline was not recorded"),
            Deadline::Without => Ok(()),
        }
    }
}

impl Serialize for Outstanding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ForPrograms<'a> {
            what: &'a str,
            since: Option<Timestamp>,
            due_at: Option<Timestamp>,
            deadline: &'a str,
        }
        let (due_at, deadline) = match self.deadline {
            Deadline::At(due_at) => (Some(due_at), "recorded"),
            Deadline::NotRecorded => (None, "not_recorded"),
            Deadline::Without => (None, "none"),
        };
        let (what, since) = (self.what.as_str(), self.since);
        ForPrograms {
            what,
            since,
            due_at,
            deadline,
        }
        .serialize(serializer)
    }
}

/// How it stands by its own streams, and by `related` ones: those of a group's guests, or those of the
/// groups that a guest was asked to leave with.
pub(crate) fn standing(subject: &Subject, streams: &[Stream], related: &[Stream]) -> Standing {
    let mut told = Told::default();
    let mut standing = match subject {
        Subject::Order(..) | Subject::Payment(_) | Subject::Shipment(_) => of_order(&mut told, streams),
        Subject::Guest(_) => of_guest(&mut told, streams, related),
        Subject::Group(_) => of_group(&mut told, streams, related),
        Subject::Unknown(_) => Standing::default(),
    };
    standing.outstanding.splice(0..0, told.not_by());
    standing.unknown = told.unknown;
    standing
}

/// By which streams it was told how something stands, and what of them was not understood.
#[derive(Default)]
struct Told<'a> {
    unsure: Vec<&'a Stream>,
    unknown: Vec<UnknownEvent>,
}

impl<'a> Told<'a> {
    /// What a stream amounts to; without one, what there is at the beginning.
    fn by<D: Decider, P: PartialEq>(
        &mut self,
        stream: Option<&'a Stream>,
        phase: impl Fn(&D::State) -> P,
    ) -> Folded<D::State> {
        let Some(stream) = stream else {
            return Folded::default();
        };
        let mut folded = stream.fold::<D, P>(phase);
        if !folded.unknown.is_empty() || !stream.faults.is_empty() {
            self.unsure.push(stream);
            self.unknown.append(&mut folded.unknown);
        }
        folded
    }

    /// That some of it could not be understood, so that nobody takes the rest for all.
    fn not_by(&self) -> Option<Outstanding> {
        let why = |stream: &&Stream| {
            let id = stream.id.as_str();
            let unknown = self.unknown.iter().filter(|event| event.stream_id == id).count();
            let events = count(unknown, "event", "events");
            match (unknown, stream.faults.is_empty()) {
                (0, _) => format!("{id} is broken"),
                (_, true) => format!("{id} holds {events} that this version does not know"),
                (_, false) => format!("{id} is broken, and holds {events} that this version does not know"),
            }
        };
        let first = self.unsure.first()?;
        let all = self.unsure.iter().map(why);
        Some(Outstanding {
            what: format!("what is outstanding can't be told: {}", first_few(all, "; ")),
            since: first.commits.last().map(|commit| commit.committed_at),
            deadline: Deadline::Without,
        })
    }
}

fn stream_of<D: Decider>(streams: &[Stream]) -> Option<&Stream> {
    streams
        .iter()
        .find(|stream| stream.id.category() == D::CATEGORY.name())
}

/// When the newest event of a type says that its deadline passes. Those of before deadlines were recorded
/// say nothing.
fn recorded<M: Message>(stream: Option<&Stream>, due_at: impl Fn(M) -> Option<Timestamp>) -> Deadline {
    let due_at = stream.and_then(Stream::newest_of).and_then(due_at);
    due_at.map_or(Deadline::NotRecorded, Deadline::At)
}

fn of_order<'a>(told: &mut Told<'a>, streams: &'a [Stream]) -> Standing {
    let own = stream_of::<Order>(streams);
    let cart = told.by::<Cart, _>(stream_of::<Cart>(streams), Option::is_some);
    let order = told.by::<Order, _>(own, discriminant);
    let payment = told.by::<Payment, _>(stream_of::<Payment>(streams), |state| discriminant(state.phase()));
    let shipment = told.by::<Shipment, _>(stream_of::<Shipment>(streams), |state| {
        discriminant(state.phase())
    });
    let (payment, payment_since) = (payment.state.phase(), payment.since);
    let (shipment, shipment_since) = (shipment.state.phase(), shipment.since);
    let (mut ending, mut so_far) = (None, None);
    let outstanding: Vec<_> = match &order.state {
        OrderState::NotInitialized if cart.state.is_some() => {
            vec![step("InitializeOrder", cart.since, Deadline::Without)]
        }
        OrderState::NotInitialized => {
            let payment = without_order(payment, payment_since);
            payment
                .into_iter()
                .chain(sent_without_order(shipment, shipment_since))
                .collect()
        }
        OrderState::WithdrawnEarly { .. } => {
            so_far = Some("withdrawn before it was initialized");
            vec![if cart.state.is_some() {
                step(
                    "InitializeOrder (which cancels the order, for it is withdrawn)",
                    cart.since,
                    Deadline::Without,
                )
            } else {
                Outstanding {
                    what: "the order is withdrawn, and its cart has not been finalized".into(),
                    since: order.since,
                    deadline: Deadline::Without,
                }
            }]
        }
        OrderState::Initialized(_) => {
            let deadline = recorded(own, |event: OrderInitialized| event.due_at);
            vec![of_payment(payment, payment_since, order.since, deadline)]
        }
        // Discarded by hand: the shipment is called off before the order is cancelled.
        OrderState::Confirmed(_)
            if matches!(payment, payment::Phase::Closed { .. })
                && matches!(
                    shipment,
                    shipment::Phase::NotRequested | shipment::Phase::Requested(_)
                ) =>
        {
            vec![step("CallOffShipment", payment_since, Deadline::Without)]
        }
        OrderState::Confirmed(_) => {
            let deadline = recorded(own, |event: OrderConfirmed| event.due_at);
            vec![of_shipment(shipment, shipment_since, order.since, deadline)]
        }
        OrderState::Completed(_) => {
            ending = Some(Ending::of(OrderCompleted::TYPE));
            Vec::new()
        }
        OrderState::Cancelled { cause, reason, .. } => {
            ending = Some(Ending {
                cause: Some(*cause),
                reason: Some(reason.clone()),
                ..Ending::of(OrderCancelled::TYPE)
            });
            of_money(payment, order.since).into_iter().collect()
        }
    };
    Standing {
        ending,
        so_far,
        outstanding,
        ..Standing::default()
    }
}

type Since = Option<Timestamp>;

/// An order that is initialized waits for its payment.
fn of_payment(payment: &payment::Phase, since: Since, initialized: Since, deadline: Deadline) -> Outstanding {
    match payment {
        payment::Phase::NotRequested => step("RequestPayment", initialized, deadline),
        payment::Phase::Requested(..) => answer("the payment provider", since, deadline),
        payment::Phase::Completed(..) => step("ConfirmOrder", since, Deadline::Without),
        payment::Phase::Closed { order_ends: true, .. } => step("CancelOrder", since, Deadline::Without),
        payment::Phase::Closed {
            order_ends: false, ..
        } => Outstanding {
            what: "the payment was discarded before it was requested, and the order is cancelled at its deadline"
                .into(),
            since,
            deadline,
        },
    }
}

/// An order that is confirmed waits for its shipment.
fn of_shipment(
    shipment: &shipment::Phase,
    since: Since,
    confirmed: Since,
    deadline: Deadline,
) -> Outstanding {
    match shipment {
        shipment::Phase::NotRequested => step("RequestShipment", confirmed, deadline),
        shipment::Phase::Requested(_) => answer("the carrier", since, deadline),
        shipment::Phase::Sent(_) => step("CompleteOrder", since, Deadline::Without),
        shipment::Phase::Failed { .. } => step("CancelOrder", since, Deadline::Without),
    }
}

/// No money of a cancelled order is kept.
fn of_money(payment: &payment::Phase, cancelled: Since) -> Option<Outstanding> {
    let why = match payment {
        payment::Phase::NotRequested | payment::Phase::Requested(..) => "the payment is to be called off",
        payment::Phase::Completed(..) => "the money is to be given back",
        payment::Phase::Closed { .. } => return None,
    };
    Some(step(
        &format!("DiscardPayment ({why})"),
        cancelled,
        Deadline::Without,
    ))
}

/// What a payment waits for whose order is not there.
fn without_order(payment: &payment::Phase, since: Since) -> Option<Outstanding> {
    match payment {
        payment::Phase::Requested(..) => Some(answer("the payment provider", since, Deadline::NotRecorded)),
        payment::Phase::Completed(..) => Some(step("ConfirmOrder", since, Deadline::Without)),
        payment::Phase::NotRequested | payment::Phase::Closed { .. } => None,
    }
}

/// What a shipment waits for whose order is not there.
fn sent_without_order(shipment: &shipment::Phase, since: Since) -> Option<Outstanding> {
    match shipment {
        shipment::Phase::Requested(_) => Some(answer("the carrier", since, Deadline::NotRecorded)),
        shipment::Phase::Sent(_) => Some(step("CompleteOrder", since, Deadline::Without)),
        shipment::Phase::NotRequested | shipment::Phase::Failed { .. } => None,
    }
}

fn step(command: &str, since: Since, deadline: Deadline) -> Outstanding {
    Outstanding {
        what: format!("{command} has not been carried out"),
        since,
        deadline,
    }
}

fn answer(who: &str, since: Since, deadline: Deadline) -> Outstanding {
    Outstanding {
        what: format!("{who} has not answered"),
        since,
        deadline,
    }
}

/// A guest who is here is to leave, and a group that a guest left with, or could not, is to hear of it.
fn of_guest<'a>(told: &mut Told<'a>, streams: &'a [Stream], groups: &'a [Stream]) -> Standing {
    let own = stream_of::<GuestStay>(streams);
    let stay = told.by::<GuestStay, _>(own, |state| discriminant(state.phase()));
    let mut standing = Standing::default();
    match stay.state.phase() {
        guest_stay::Phase::NotCheckedIn => standing.so_far = Some("never checked in"),
        guest_stay::Phase::CheckedIn => {
            standing.so_far = Some("checked in");
            standing.outstanding.push(Outstanding {
                what: "the guest has not checked out".into(),
                since: stay.since,
                deadline: Deadline::Without,
            });
        }
        guest_stay::Phase::CheckedOut(group) => {
            standing.ending = Some(Ending {
                note: group.as_ref().map(|group| format!("with group checkout {group}")),
                ..Ending::of(GuestCheckoutCompleted::TYPE)
            });
        }
    }
    for group in stay.state.answered() {
        let name = GroupCheckout::CATEGORY.stream(group);
        let Some(stream) = groups.iter().find(|stream| stream.id == name) else {
            continue;
        };
        let hears = told.by::<GroupCheckout, _>(Some(stream), discriminant);
        let (of_it, deadline) = match &hears.state {
            GroupCheckoutState::NotInitiated => (", which was not initiated,", Deadline::Without),
            GroupCheckoutState::Initiated(group) if is_to_hear(group, own) => ("", group_deadline(stream)),
            GroupCheckoutState::Initiated(_) => continue,
        };
        standing.outstanding.push(Outstanding {
            what: format!("group checkout {group}{of_it} has not heard the guest's result"),
            since: own.and_then(|own| last_about(own, group.as_str())),
            deadline,
        });
    }
    standing
}

/// Whether a group waits for the guest with this stream.
fn is_to_hear(group: &Group, guest: Option<&Stream>) -> bool {
    let is_it = |id| guest.is_some_and(|stream| stream.id == GuestStay::CATEGORY.stream(id));
    !group.has_ended() && group.unheard().any(is_it)
}

/// When a guest's stream told last of a group.
fn last_about(guest: &Stream, group: &str) -> Since {
    let about = guest
        .events()
        .filter(|(_, event)| field(event, "group_checkout_id").is_some_and(|id| id == group));
    about.last().map(|(at, _)| at)
}

/// A group waits for its guests: those who have not answered, and those whose answer is on its way.
fn of_group<'a>(told: &mut Told<'a>, streams: &'a [Stream], guests: &'a [Stream]) -> Standing {
    let own = stream_of::<GroupCheckout>(streams);
    let folded = told.by::<GroupCheckout, _>(own, discriminant);
    let (group, own) = match (&folded.state, own) {
        (GroupCheckoutState::Initiated(group), Some(own)) => (group, own),
        (GroupCheckoutState::NotInitiated, _) | (_, None) => return Standing::default(),
    };
    if group.has_ended() {
        let ending = own.newest(GroupCheckout::ENDINGS);
        let ending = ending.map(|(_, event)| Ending {
            note: Some(counts(group)),
            ..Ending::of(&event.event_type)
        });
        return Standing {
            ending,
            ..Standing::default()
        };
    }
    let id = own.id.as_str().split_once('-').map_or("", |(_, id)| id);
    let (mut silent, mut answered) = (Vec::new(), Vec::new());
    let guests: BTreeMap<_, _> = guests.iter().map(|stream| (&stream.id, stream)).collect();
    for guest in group.unheard() {
        let name = GuestStay::CATEGORY.stream(guest);
        let stay = told.by::<GuestStay, _>(guests.get(&name).copied(), |_| ());
        if stay.state.answered().any(|group| group.as_str() == id) {
            answered.push(name);
        } else {
            silent.push(name);
        }
    }
    let all = guests.len();
    let deadline = group_deadline(own);
    let waits = |guests: &[StreamId], what: &str| {
        (!guests.is_empty()).then(|| Outstanding {
            what: format!(
                "{what} of {} of {all}: {}",
                count(guests.len(), "guest", "guests"),
                first_few(guests.iter().map(ToString::to_string), ", ")
            ),
            since: folded.since,
            deadline,
        })
    };
    let silent = waits(&silent, "the checkout");
    let answered = waits(&answered, "the group has not heard the result");
    Standing {
        outstanding: silent.into_iter().chain(answered).collect(),
        ..Standing::default()
    }
}

fn group_deadline(group: &Stream) -> Deadline {
    recorded(Some(group), |event: GroupCheckoutInitiated| event.due_at)
}

fn counts(group: &Group) -> String {
    let (completed, failed) = (group.completed(), group.failed());
    match group.unheard().count() {
        0 => format!("{completed} completed, {failed} failed"),
        unheard => format!("{completed} completed, {failed} failed, {unheard} not heard"),
    }
}

/// The first few of them, and how many more there are.
fn first_few(all: impl ExactSizeIterator<Item = String>, joint: &str) -> String {
    let more = all.len().saturating_sub(5);
    let first: Vec<_> = all.take(5).collect();
    match more {
        0 => first.join(joint),
        more => format!("{} and {more} more", first.join(joint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use domain::cart::{CartEvent, CartFinalized};
    use domain::order::{OrderEvent, OrderWithdrawnEarly};
    use domain::payment::{
        PaymentCompleted, PaymentDiscarded, PaymentEvent, PaymentFailed, PaymentRequested, PaymentVoided,
    };
    use domain::shipment::{ShipmentEvent, ShipmentFailed, ShipmentRequested, ShipmentSent};
    use domain::values::{
        CartId, Money, OrderId, PaymentId, ProductItem, ProductItems, Quantity, ShipmentId,
    };
    use eventsourcing::{Commit, EventSet, NewEvent, Position};
    use uuid::Uuid;

    fn at() -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn due_at() -> Timestamp {
        Timestamp::from_millis(420_000)
    }

    fn cart() -> CartId {
        "c-1".parse().expect("an id")
    }

    fn order() -> OrderId {
        OrderId::of_cart(&cart())
    }

    fn payment() -> PaymentId {
        PaymentId::of_order(&order())
    }

    fn shipment() -> ShipmentId {
        ShipmentId::of_order(&order())
    }

    fn items() -> ProductItems {
        let item = ProductItem {
            product_id: "p-1".parse().expect("an id"),
            quantity: Quantity::new(1).expect("it is in range"),
            unit_price: Money::whole(9),
        };
        ProductItems::new(vec![item]).expect("there is one")
    }

    fn stream<E: EventSet>(id: StreamId, events: &[E]) -> Stream {
        let event = |event: &E| NewEvent {
            event_type: event.event_type(),
            schema_version: event.schema_version(),
            data: event.json(),
            correlation_id: String::new(),
            causation_id: String::new(),
            trace: None,
        };
        let events: Vec<_> = events.iter().map(event).collect();
        let commit = Commit::at(Position::START, &id, Uuid::nil(), at(), events);
        Stream {
            commits: if commit.events.is_empty() {
                vec![]
            } else {
                vec![commit]
            },
            faults: Vec::new(),
            id,
        }
    }

    fn initialized() -> OrderEvent {
        OrderInitialized {
            order_id: order(),
            cart_id: cart(),
            client_id: "u-7".parse().expect("an id"),
            product_items: items(),
            total_price: Money::whole(9),
            initialized_at: at(),
            due_at: Some(due_at()),
        }
        .into()
    }

    fn confirmed() -> OrderEvent {
        OrderConfirmed {
            order_id: order(),
            payment_id: payment(),
            confirmed_at: at(),
            due_at: None,
        }
        .into()
    }

    fn completed() -> OrderEvent {
        OrderCompleted {
            order_id: order(),
            completed_at: at(),
        }
        .into()
    }

    fn cancelled() -> OrderEvent {
        OrderCancelled {
            order_id: order(),
            cause: Cause::Withdrawn,
            reason: "changed\nmy mind".into(),
            cancelled_at: at(),
        }
        .into()
    }

    fn requested() -> PaymentEvent {
        PaymentRequested {
            payment_id: payment(),
            order_id: order(),
            amount: Money::whole(9),
            requested_at: at(),
        }
        .into()
    }

    fn paid() -> PaymentEvent {
        PaymentCompleted {
            payment_id: payment(),
            order_id: order(),
            amount: Money::whole(9),
            completed_at: at(),
        }
        .into()
    }

    fn asked_for() -> ShipmentEvent {
        ShipmentRequested {
            shipment_id: shipment(),
            order_id: order(),
            product_items: items(),
            requested_at: at(),
        }
        .into()
    }

    fn sent() -> ShipmentEvent {
        ShipmentSent {
            shipment_id: shipment(),
            order_id: order(),
            sent_at: at(),
        }
        .into()
    }

    fn not_sent() -> ShipmentEvent {
        ShipmentFailed {
            shipment_id: shipment(),
            order_id: order(),
            error: "out of stock".into(),
            failed_at: at(),
        }
        .into()
    }

    fn standing_of(
        of_order: &[OrderEvent],
        of_payment: &[PaymentEvent],
        of_shipment: &[ShipmentEvent],
    ) -> Standing {
        let finalized: CartEvent = CartFinalized {
            cart_id: cart(),
            client_id: "u-7".parse().expect("an id"),
            product_items: items(),
            total_price: Money::whole(9),
            confirmed_at: at(),
        }
        .into();
        let streams = [
            stream(Cart::CATEGORY.stream(&cart()), &[finalized]),
            stream(Order::CATEGORY.stream(&order()), of_order),
            stream(Payment::CATEGORY.stream(&payment()), of_payment),
            stream(Shipment::CATEGORY.stream(&shipment()), of_shipment),
        ];
        standing(&Subject::Order(order(), Some(cart())), &streams, &[])
    }

    fn outstanding(order: &[OrderEvent], payment: &[PaymentEvent], shipment: &[ShipmentEvent]) -> String {
        let all = standing_of(order, payment, shipment).outstanding;
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    const SINCE: &str = "since 1970-01-01T00:00:00.000Z";

    #[test]
    fn an_open_order_waits_for_its_next_step_or_for_an_answer() {
        let open = [initialized()];
        let ready = [initialized(), confirmed()];
        let both = [requested(), paid()];
        let early = OrderWithdrawnEarly {
            order_id: order(),
            reason: "changed my mind".into(),
            withdrawn_at: at(),
        };
        let cases = [
            (
                outstanding(&[], &[], &[]),
                "InitializeOrder has not been carried out",
            ),
            (
                outstanding(&[early.into()], &[], &[]),
                "InitializeOrder (which cancels the order, for it is withdrawn) has not been carried out",
            ),
            (
                outstanding(&open, &[], &[]),
                "RequestPayment has not been carried out",
            ),
            (
                outstanding(&open, &[requested()], &[]),
                "the payment provider has not answered",
            ),
            (
                outstanding(&open, &both, &[]),
                "ConfirmOrder has not been carried out",
            ),
            (
                outstanding(&ready, &both, &[]),
                "RequestShipment has not been carried out",
            ),
            (
                outstanding(&ready, &both, &[asked_for()]),
                "the carrier has not answered",
            ),
            (
                outstanding(&ready, &both, &[asked_for(), sent()]),
                "CompleteOrder has not been carried out",
            ),
            (
                outstanding(&ready, &both, &[asked_for(), not_sent()]),
                "CancelOrder has not been carried out",
            ),
        ];
        let by_hand = PaymentVoided {
            payment_id: payment(),
            order_id: order(),
            voided_at: at(),
            cause: None,
        };
        let given_back = PaymentDiscarded {
            payment_id: payment(),
            order_id: order(),
            amount: Some(Money::whole(9)),
            discarded_at: at(),
        };
        let discarded = [requested(), paid(), given_back.into()];
        let by_hand = [
            (
                outstanding(&open, &[by_hand.into()], &[]),
                "the payment was discarded before it was requested, and the order is cancelled at its deadline",
            ),
            (
                outstanding(&ready, &discarded, &[asked_for()]),
                "CallOffShipment has not been carried out",
            ),
            (
                outstanding(&ready, &discarded, &[asked_for(), not_sent()]),
                "CancelOrder has not been carried out",
            ),
        ];
        for (found, expected) in cases.into_iter().chain(by_hand) {
            assert!(
                found.starts_with(&format!("{expected}, {SINCE}")),
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_deadline_is_told_where_one_settles_it() {
        let found = outstanding(&[initialized()], &[requested()], &[]);
        assert!(
            found.ends_with("its deadline is at 1970-01-01T00:07:00.000Z"),
            "{found}"
        );
        let found = outstanding(&[initialized()], &[requested(), paid()], &[]);
        assert!(!found.contains("deadline"), "{found}");
        let found = outstanding(&[initialized(), confirmed()], &[], &[asked_for()]);
        assert!(found.ends_with("its deadline was not recorded"), "{found}");
    }

    #[test]
    fn a_cancelled_order_waits_until_no_money_is_kept() {
        let over = [initialized(), cancelled()];
        let kept = outstanding(&over, &[requested(), paid()], &[]);
        assert!(
            kept.starts_with("DiscardPayment (the money is to be given back)"),
            "{kept}"
        );
        let unanswered = outstanding(&over, &[requested()], &[]);
        assert!(unanswered.contains("called off"), "{unanswered}");
        let (payment_id, order_id, amount) = (payment(), order(), Money::whole(9));
        let voided = PaymentVoided {
            payment_id: payment_id.clone(),
            order_id: order_id.clone(),
            voided_at: at(),
            cause: Some(Cause::Withdrawn),
        };
        let failed = PaymentFailed {
            payment_id: payment_id.clone(),
            order_id: order_id.clone(),
            amount,
            error: "card declined".into(),
            failed_at: at(),
        };
        let discarded = PaymentDiscarded {
            payment_id,
            order_id,
            amount: Some(amount),
            discarded_at: at(),
        };
        for settled in [voided.into(), failed.into(), discarded.into()] {
            assert_eq!(outstanding(&over, &[requested(), settled], &[]), "");
        }
    }

    #[test]
    fn nothing_is_outstanding_of_a_completed_order() {
        let whole = [initialized(), confirmed(), completed()];
        let standing = standing_of(&whole, &[requested(), paid()], &[asked_for(), sent()]);
        assert_eq!(standing.outstanding, []);
        let ending = standing.ending.expect("it has ended");
        assert_eq!(ending.words(true), "OrderCompleted");
    }

    #[test]
    fn a_cause_is_always_told_and_a_reason_if_it_is_asked_for_on_one_line() {
        let ending = standing_of(&[initialized(), cancelled()], &[], &[]).ending;
        let ending = ending.expect("it has ended");
        assert_eq!(ending.words(false), "OrderCancelled (withdrawn)");
        assert_eq!(
            ending.words(true),
            r"OrderCancelled (withdrawn: changed\nmy mind)"
        );
    }
}
