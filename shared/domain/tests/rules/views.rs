//! What a view shows of an order: the row that its whole stream amounts to, however its events came to be stored.

use std::collections::BTreeMap;

use domain::group_checkout::{
    GroupCheckoutCompleted, GroupCheckoutEvent, GroupCheckoutFailed, GroupCheckoutInitiated,
    GroupCheckoutTimedOut,
};
use domain::group_checkouts_view::GroupCheckouts;
use domain::order::{
    Cause, Order, OrderCancelled, OrderCompleted, OrderConfirmed, OrderEvent, OrderInitialized,
    OrderWithdrawnEarly,
};
use domain::orders_view::Orders;
use eventsourcing::{
    Attribute, Commit, Decider, OPEN_INDEX, OPEN_SHARDS, Position, Stream, View, Viewed, assemble,
    computed_id,
};
use proptest::prelude::*;

use crate::deliveries::{self, deliveries};
use crate::given::stored;
use crate::order::{self, commands};
use crate::repeats::{play, story};
use crate::shop::{before, due_at, now, order_id, payment_id, shipment_id};

/// The stream of the cart's order, or of what the decider decides for, with each of these events in a commit of its own.
fn stream_of<D: Decider>(events: &[D::Event]) -> Stream {
    let stream = D::CATEGORY.stream(&order_id());
    let mut commits: Vec<Commit> = Vec::new();
    for event in events {
        let position = commits.last().map_or(Position::START, Commit::end);
        let commit_id = computed_id(&format!("commit/{}", commits.len()));
        commits.push(Commit::at(
            position,
            &stream,
            commit_id,
            now(),
            vec![stored(event)],
        ));
    }
    assemble(&stream, commits).expect("the commits tile the stream")
}

fn initialized() -> OrderEvent {
    order::initialized(before())
}

fn confirmed() -> OrderEvent {
    OrderConfirmed {
        order_id: order_id(),
        payment_id: payment_id(),
        confirmed_at: now(),
        due_at: Some(due_at()),
    }
    .into()
}

fn cancelled(cause: Cause) -> OrderEvent {
    OrderCancelled {
        order_id: order_id(),
        cause,
        reason: "changed my mind".into(),
        cancelled_at: now(),
    }
    .into()
}

/// What is shown after these events; the texts and numbers of the row by name.
fn shown(events: &[OrderEvent]) -> Option<(Viewed, BTreeMap<&'static str, String>)> {
    let stream = stream_of::<Order>(events);
    let viewed = Viewed::of::<Orders>(&stream).expect("what is stored can be read")?;
    let attributes = viewed.row.attributes().map(|(name, value)| {
        let (Attribute::Text(text) | Attribute::Number(text)) = value;
        (name, text.clone())
    });
    let attributes = attributes.collect();
    Some((viewed, attributes))
}

fn is(attributes: &BTreeMap<&str, String>, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attributes.get(name).map(String::as_str), Some(*value), "{name}");
    }
}

const BEFORE: &str = "2026-11-23T08:00:00.000Z";
const NOW: &str = "2026-11-23T08:00:01.204Z";
const DUE: &str = "2026-11-23T08:15:00.000Z";

#[test]
fn an_order_that_waits_for_its_payment_shows_what_was_ordered_and_until_when_it_waits() {
    let (viewed, row) = shown(&[initialized()]).expect("it is shown");
    assert_eq!((viewed.id, viewed.revision), (order_id().to_string(), 1));
    is(
        &row,
        &[
            ("phase", "awaiting_payment"),
            ("phase_since", BEFORE),
            ("initialized_at", BEFORE),
            ("due_at", DUE),
            ("cart_id", "c-1"),
            ("client_id", "u-7"),
            ("total_price", "19.98"),
            ("payment_id", &payment_id().to_string()),
            ("shipment_id", &shipment_id().to_string()),
            ("correlation_id", "chain"),
        ],
    );
    assert!(viewed.row.is_open() && !row.contains_key("ended_at") && !row.contains_key("cause"));
}

#[test]
fn an_order_that_waits_for_its_shipment_shows_the_deadline_of_that() {
    let (viewed, row) = shown(&[initialized(), confirmed()]).expect("it is shown");
    is(
        &row,
        &[
            ("phase", "awaiting_shipment"),
            ("phase_since", NOW),
            ("due_at", DUE),
        ],
    );
    assert!(viewed.row.is_open());
    assert_eq!(viewed.revision, 2);
}

#[test]
fn an_order_that_ended_waits_for_nothing_and_says_why_it_was_cancelled() {
    let completed = OrderCompleted {
        order_id: order_id(),
        completed_at: now(),
    };
    let (viewed, row) = shown(&[initialized(), confirmed(), completed.into()]).expect("it is shown");
    is(
        &row,
        &[("phase", "completed"), ("ended_at", NOW), ("phase_since", NOW)],
    );
    assert!(!viewed.row.is_open() && !row.contains_key("due_at") && !row.contains_key("reason"));
    for (cause, word) in [
        (Cause::PaymentFailed, "payment_failed"),
        (Cause::ShipmentFailed, "shipment_failed"),
        (Cause::Withdrawn, "withdrawn"),
    ] {
        let (viewed, row) = shown(&[initialized(), cancelled(cause)]).expect("it is shown");
        is(
            &row,
            &[
                ("phase", "cancelled"),
                ("cause", word),
                ("reason", "changed my mind"),
                ("ended_at", NOW),
            ],
        );
        assert!(!viewed.row.is_open() && !row.contains_key("due_at"));
    }
}

#[test]
fn an_order_that_is_withdrawn_early_is_shown_once_there_is_one() {
    let early: OrderEvent = OrderWithdrawnEarly {
        order_id: order_id(),
        reason: "changed my mind".into(),
        withdrawn_at: before(),
    }
    .into();
    assert!(shown(std::slice::from_ref(&early)).is_none());
    let (_, row) = shown(&[early, initialized(), cancelled(Cause::Withdrawn)]).expect("it is shown");
    is(&row, &[("phase", "cancelled"), ("cause", "withdrawn")]);
}

#[test]
fn an_order_that_was_written_before_deadlines_were_recorded_shows_none() {
    let OrderEvent::OrderInitialized(order) = initialized() else {
        unreachable!("it is made above");
    };
    let (_, row) = shown(&[OrderInitialized {
        due_at: None,
        ..order
    }
    .into()])
    .expect("it is shown");
    assert!(!row.contains_key("due_at"));
}

#[test]
fn a_row_is_made_of_whatever_its_stream_holds_and_grows_with_it() {
    let events = [initialized(), confirmed(), cancelled(Cause::ShipmentFailed)];
    let revisions: Vec<_> = (1..=events.len())
        .map(|count| shown(&events[..count]).expect("it is shown").0.revision)
        .collect();
    assert_eq!(revisions, [1, 2, 3]);
    // Whoever listens to an event listens to all that change the row.
    for event in &events {
        let name = eventsourcing::EventSet::event_type(event);
        assert!(Orders::LISTENS.contains(&name), "{name}");
    }
    assert_eq!(<Orders as View>::Source::CATEGORY, Order::CATEGORY);
}

#[test]
fn only_what_is_open_is_in_a_part_of_the_index_and_always_in_the_same() {
    let (open, _) = shown(&[initialized()]).expect("it is shown");
    let (later, _) = shown(&[initialized(), confirmed()]).expect("it is shown");
    let (ended, _) = shown(&[initialized(), cancelled(Cause::Withdrawn)]).expect("it is shown");
    assert_eq!(open.open_shard(), later.open_shard());
    let shard: u32 = open.open_shard().expect("it is open").parse().expect("a number");
    assert!(shard < OPEN_SHARDS);
    assert_eq!(ended.open_shard(), None);
}

/// The phases that these histories end in, with whether they are open.
fn phases<V: View>(histories: &[Vec<<V::Source as Decider>::Event>]) -> BTreeMap<String, bool> {
    let phase = |events: &Vec<_>| {
        let viewed = Viewed::of::<V>(&stream_of::<V::Source>(events));
        let viewed = viewed.expect("what is stored can be read").expect("it is shown");
        let phase = viewed.row.attributes().find(|(name, _)| *name == "phase");
        let Some((_, Attribute::Text(phase))) = phase else {
            panic!("it has no phase: {viewed:?}");
        };
        (phase.clone(), viewed.row.is_open())
    };
    histories.iter().map(phase).collect()
}

fn listed<V: View>() -> BTreeMap<String, bool> {
    let phases = V::LISTING.phases.iter();
    phases
        .map(|phase| (phase.name.to_owned(), phase.is_open))
        .collect()
}

#[test]
fn the_phases_that_people_choose_from_are_those_that_rows_have() {
    let completed = OrderCompleted {
        order_id: order_id(),
        completed_at: now(),
    };
    let orders = [
        vec![initialized()],
        vec![initialized(), confirmed()],
        vec![initialized(), confirmed(), completed.into()],
        vec![initialized(), cancelled(Cause::Withdrawn)],
    ];
    assert_eq!(listed::<Orders>(), phases::<Orders>(&orders));

    let group_checkout_id = || "g-1".parse().expect("an id");
    let initiated = || {
        GroupCheckoutEvent::from(GroupCheckoutInitiated {
            group_checkout_id: group_checkout_id(),
            guest_stay_ids: vec!["ada".parse().expect("an id")],
            initiated_at: before(),
            due_at: Some(due_at()),
        })
    };
    let completed = GroupCheckoutCompleted {
        group_checkout_id: group_checkout_id(),
        completed_at: now(),
    };
    let failed = GroupCheckoutFailed {
        group_checkout_id: group_checkout_id(),
        failed_guest_ids: vec!["ada".parse().expect("an id")],
        completed_count: 0,
        failed_count: 1,
        failed_at: now(),
    };
    let timed_out = GroupCheckoutTimedOut {
        group_checkout_id: group_checkout_id(),
        incomplete_guest_ids: vec!["ada".parse().expect("an id")],
        timed_out_at: now(),
    };
    let groups = [
        vec![initiated()],
        vec![initiated(), completed.into()],
        vec![initiated(), failed.into()],
        vec![initiated(), timed_out.into()],
    ];
    assert_eq!(listed::<GroupCheckouts>(), phases::<GroupCheckouts>(&groups));
}

#[test]
fn what_people_see_of_what_is_open_is_in_the_index_of_what_is_open() {
    fn check<V: View>(only_ended: &[&str]) {
        let index = V::INDEXES
            .iter()
            .find(|index| index.name == OPEN_INDEX)
            .expect("it has one");
        let held = |name: &str| index.holds.contains(&name) || [index.sort, V::KEY].contains(&name);
        for column in V::LISTING.columns {
            let name = column.attribute;
            assert_ne!(held(name), only_ended.contains(&name), "{}: {name}", V::NAME);
        }
    }
    check::<Orders>(&["cause"]);
    check::<GroupCheckouts>(&[]);
}

proptest! {
    #[test]
    fn whatever_becomes_of_its_events_an_orders_row_is_what_its_whole_stream_amounts_to(
        story in story(commands()), deliveries in deliveries()
    ) {
        let recorded = play::<Order>(story);
        if let Some((shown, whole)) = deliveries::shown::<Orders>(&recorded, &deliveries) {
            prop_assert_eq!(shown.row, whole.row);
        }
    }
}
