//! What an id names: an order (by its cart's, its own, its payment's or its shipment's id), a guest's
//! stay, or a group's checkout. What may be two things is asked about, never guessed.

use std::fmt;
use std::io::{self, Write};

use aws_adapters::DynamoDbEventStore;
use domain::group_checkout::{GroupCheckout, GroupCheckoutInitiated};
use domain::guest_stay::GuestStay;
use domain::values::{CartId, GroupCheckoutId, GuestStayId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{Decider, EventStore, Fields, Read, RecordedEvent, StreamId};
use serde::Serialize;

use super::key::{Key, Kind};
use super::leftovers::Leftovers;
use crate::events::{self, Stream};
use crate::failure::Failure;
use crate::output::{Format, Report, count};
use crate::stack::Stack;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An order with its cart, as far as that is known.
    Order(OrderId, Option<CartId>),
    /// A payment of which nothing tells the order.
    Payment(PaymentId),
    /// A shipment of which nothing tells the order.
    Shipment(ShipmentId),
    /// A guest's stay.
    Guest(GuestStayId),
    /// A group's checkout.
    Group(GroupCheckoutId),
    /// Something that messages name, and nothing tells what it is.
    Unknown(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order, Some(cart)) => write!(f, "order {order} of cart {cart}"),
            Self::Order(order, None) => write!(f, "order {order}"),
            Self::Payment(payment) => write!(f, "payment {payment}"),
            Self::Shipment(shipment) => write!(f, "shipment {shipment}"),
            Self::Guest(guest) => write!(f, "guest's stay {guest}"),
            Self::Group(group) => write!(f, "group checkout {group}"),
            Self::Unknown(id) => f.write_str(id),
        }
    }
}

impl Subject {
    /// What it consists of, in the order in which it comes to be; the guests of a group apart.
    pub(crate) fn keys(&self) -> Vec<Key> {
        match self {
            Self::Order(order, cart) => {
                let cart = cart.as_ref().map(|cart| Key::new(Kind::Cart, cart));
                let order = Key::new(Kind::Order, order).with_computed();
                cart.into_iter().chain(order).collect()
            }
            Self::Payment(payment) => vec![Key::new(Kind::Payment, payment)],
            Self::Shipment(shipment) => vec![Key::new(Kind::Shipment, shipment)],
            Self::Guest(guest) => vec![Key::new(Kind::GuestStay, guest)],
            Self::Group(group) => vec![Key::new(Kind::GroupCheckout, group)],
            Self::Unknown(_) => Vec::new(),
        }
    }

    /// Its streams.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.keys().iter().map(Key::stream).collect()
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

/// Streams that tell how it stands, too: those of a group's guests, and those of the groups that a guest
/// was asked to leave with.
pub(crate) fn related(subject: &Subject, streams: &[Stream]) -> Vec<StreamId> {
    let own = streams.first();
    match subject {
        Subject::Group(_) => {
            let initiated = own.and_then(Stream::newest_of::<GroupCheckoutInitiated>);
            let guests = initiated.map_or_else(Vec::new, |initiated| initiated.guest_stay_ids);
            guests
                .iter()
                .map(|guest| GuestStay::CATEGORY.stream(guest))
                .collect()
        }
        Subject::Guest(_) => {
            let groups = own.map(|own| own.fold::<GuestStay, _>(|_| ()));
            let groups = groups.map(|folded| folded.state.answered().cloned().collect::<Vec<_>>());
            let groups = groups.unwrap_or_default();
            groups
                .iter()
                .map(|group| GroupCheckout::CATEGORY.stream(group))
                .collect()
        }
        Subject::Order(..) | Subject::Payment(_) | Subject::Shipment(_) | Subject::Unknown(_) => Vec::new(),
    }
}

/// Where a thing of the id that was asked for is named, or what its own id leads to: an order may be
/// withdrawn before there is anything of its cart.
#[derive(Clone, Debug)]
struct Evidence {
    stream: Option<StreamId>,
    letters: usize,
    outbox: usize,
}

impl Evidence {
    async fn of(stack: &Stack, key: &Key, leftovers: &Leftovers) -> Result<Self, Failure> {
        let keys = key.clone().with_computed();
        let mut stream = None;
        for name in keys.iter().filter(|key| is_id(&key.id)).map(Key::stream) {
            if stream.is_none() && exists(stack, &name).await? {
                stream = Some(name);
            }
        }
        Ok(Self {
            stream,
            letters: leftovers.letters_naming(&keys),
            outbox: leftovers.entries_naming(&keys),
        })
    }

    fn is_any(&self) -> bool {
        self.stream.is_some() || self.letters > 0 || self.outbox > 0
    }
}

/// Finds what `id` names: in the names of streams, in what is stuck on the way, or both.
pub(crate) async fn find(
    stack: &Stack,
    format: Format,
    id: &str,
    leftovers: &Leftovers,
) -> Result<Subject, Failure> {
    let mut found: Vec<(Key, Evidence, Subject)> = Vec::new();
    for key in possible(id)? {
        let evidence = Evidence::of(stack, &key, leftovers).await?;
        if evidence.is_any() {
            let subject = subject(stack, &key, leftovers).await?;
            found.push((key, evidence, subject));
        }
    }
    if let Some((_, _, first)) = found.first() {
        if found.iter().all(|(_, _, subject)| subject == first) {
            return Ok(first.clone());
        }
        return Err(ask(format, id, &found)?);
    }
    if leftovers.letters_mentioning(id) > 0 {
        return Ok(Subject::Unknown(id.to_owned()));
    }
    Err(nothing(stack, id, leftovers).await?)
}

/// What the text may name: the one thing of a kind that is said, or things of all kinds, and the one whose
/// stream is called so.
fn possible(id: &str) -> Result<Vec<Key>, Failure> {
    if let Some((kind, id)) = id.split_once('/')
        && let Some(kind) = Kind::named(kind)
    {
        return Ok(vec![Key::new(kind, &id)]);
    }
    if id.is_empty() {
        return Err(Failure::Usage("the id is empty; expected the id of a cart, an order, a payment, a shipment, a guest's stay or a group's checkout".into()));
    }
    let keys = Kind::ALL.map(|kind| Key::new(kind, &id));
    let of_stream = Key::of_stream(id);
    Ok(of_stream.into_iter().chain(keys).collect())
}

async fn exists(stack: &Stack, stream: &StreamId) -> Result<bool, Failure> {
    let store = DynamoDbEventStore::new(stack.connection.dynamodb.clone(), stack.names.events_table());
    match store.latest(stream, Read::Consistent).await {
        Ok(latest) => Ok(latest.is_some()),
        // A broken stream is there, and its trace says what is wrong with it.
        Err(eventsourcing::LoadError::Broken(_)) => Ok(true),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// What a thing belongs to, as far as its stream tells, or what is leftovers.
async fn subject(stack: &Stack, key: &Key, leftovers: &Leftovers) -> Result<Subject, Failure> {
    let id = key.id.as_str();
    let subject = match key.kind {
        Kind::Cart => id
            .parse()
            .ok()
            .map(|cart| Subject::Order(OrderId::of_cart(&cart), Some(cart))),
        Kind::Order => of_order(stack, id.parse().ok(), leftovers).await?,
        Kind::Payment => {
            let order = order_of(stack, key, leftovers).await?;
            let order = of_order(stack, order, leftovers).await?;
            order.or_else(|| id.parse().ok().map(Subject::Payment))
        }
        Kind::Shipment => {
            let order = order_of(stack, key, leftovers).await?;
            let order = of_order(stack, order, leftovers).await?;
            order.or_else(|| id.parse().ok().map(Subject::Shipment))
        }
        Kind::GuestStay => id.parse().ok().map(Subject::Guest),
        Kind::GroupCheckout => id.parse().ok().map(Subject::Group),
    };
    // What is no id is in no stream, but a message may hold it, and be refused for that.
    Ok(subject.unwrap_or_else(|| Subject::Unknown(key.id.clone())))
}

/// The order of a payment or a shipment.
async fn order_of(stack: &Stack, key: &Key, leftovers: &Leftovers) -> Result<Option<OrderId>, Failure> {
    if let Some(order) = text_in(stack, key, "order_id").await? {
        return Ok(order.parse().ok());
    }
    let is_its = |order: &OrderId| Key::new(Kind::Order, order).with_computed().contains(key);
    Ok(leftovers.ids_of(Kind::Order).find(is_its))
}

async fn of_order(
    stack: &Stack,
    order: Option<OrderId>,
    leftovers: &Leftovers,
) -> Result<Option<Subject>, Failure> {
    let Some(order) = order else {
        return Ok(None);
    };
    let recorded = text_in(stack, &Key::new(Kind::Order, &order), "cart_id").await?;
    let recorded = recorded.and_then(|id| id.parse().ok());
    let is_its = |cart: &CartId| OrderId::of_cart(cart) == order;
    let cart = recorded.or_else(|| leftovers.ids_of(Kind::Cart).find(is_its));
    Ok(Some(Subject::Order(order, cart)))
}

/// The first text of that name in a thing's stream.
async fn text_in(stack: &Stack, key: &Key, name: &str) -> Result<Option<String>, Failure> {
    if !is_id(&key.id) {
        return Ok(None);
    }
    let stream = events::read(stack, &key.stream()).await?;
    Ok(stream.events().find_map(|(_, event)| field(event, name)))
}

/// Whether a business object may be called so; they all follow one rule.
fn is_id(id: &str) -> bool {
    id.parse::<CartId>().is_ok()
}

/// One of the things that an id may name, for programs.
#[derive(Serialize)]
struct Candidate {
    /// What names it and nothing else.
    name: String,
    /// A stream of it, if there is one.
    stream_id: Option<String>,
    /// How many name it.
    dead_letters: usize,
    /// How many of its commits are in the outbox.
    outbox: usize,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream_id.clone();
        let letters =
            (self.dead_letters > 0).then(|| count(self.dead_letters, "dead letter", "dead letters"));
        let outbox = (self.outbox > 0).then(|| count(self.outbox, "outbox entry", "outbox entries"));
        let places: Vec<_> = [stream, letters, outbox].into_iter().flatten().collect();
        f.write_str(&places.join(" and "))
    }
}

#[derive(Serialize)]
struct Ambiguous<'a> {
    id: &'a str,
    candidates: Vec<Candidate>,
}

impl Report for Ambiguous<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let candidates = &self.candidates;
        let places: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        write!(
            out,
            "{} names {} things: {}. Name the one that you mean by its kind and its id:",
            self.id,
            candidates.len(),
            places.join(", ")
        )?;
        let width = candidates.iter().map(|one| one.name.len()).max().unwrap_or(0);
        for (one, places) in candidates.iter().zip(places) {
            write!(out, "\n  {:width$}  {places}", one.name)?;
        }
        Ok(())
    }
}

/// The question which of them is meant, as an error. For programs it is the document, too.
fn ask(format: Format, id: &str, found: &[(Key, Evidence, Subject)]) -> Result<Failure, Failure> {
    let candidate = |(key, evidence, _): &(Key, Evidence, Subject)| Candidate {
        name: key.to_string(),
        stream_id: evidence.stream.as_ref().map(ToString::to_string),
        dead_letters: evidence.letters,
        outbox: evidence.outbox,
    };
    let question = Ambiguous {
        id,
        candidates: found.iter().map(candidate).collect(),
    };
    if format == Format::Json {
        format.print(&question)?;
    }
    let mut text = Vec::new();
    question.show(&mut text)?;
    Ok(Failure::Usage(String::from_utf8_lossy(&text).into_owned()))
}

/// Nothing is called so: as an error, with what could not be searched.
async fn nothing(stack: &Stack, id: &str, leftovers: &Leftovers) -> Result<Failure, Failure> {
    let bare = Kind::named(id.split_once('/').map_or("", |(kind, _)| kind))
        .and_then(|_| id.split_once('/'))
        .map_or(id, |(_, id)| id);
    if !is_id(bare) && Key::of_stream(bare).is_none_or(|key| !is_id(&key.id)) {
        let names: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| format!("{}/", kind.category().name()))
            .collect();
        return Ok(Failure::Usage(format!(
            "nothing can be called {id:?}, and no dead letter holds it; expected an id (1 to 128 characters from \
             A-Z a-z 0-9 . _ ~ : -), which may have its kind in front of it ({}), or a stream's name",
            names.join(", ")
        )));
    }
    if let Ok(stream) = id.parse::<StreamId>()
        && exists(stack, &stream).await?
    {
        return Ok(Failure::Usage(format!(
            "{stream} is a stream of a kind that trace knows nothing of; cargo ops stream {stream} shows it"
        )));
    }
    let nowhere = format!(
        "there is nothing of {id}: no stream of a cart, an order, a payment, a shipment, a guest or a group, \
         no dead letter and no entry of the outbox that names it"
    );
    if leftovers.unsearched.is_empty() {
        return Ok(Failure::NotFound(nowhere));
    }
    Ok(Failure::Failed(format!(
        "{nowhere}, as far as could be searched: {}",
        leftovers.unsearched.join("; ")
    )))
}
