//! A cart is finalized once, with one content.

use domain::cart::{Cart, CartCommand, CartEvent, CartFinalized, FinalizeCart};
use eventsourcing::Timestamp;
use proptest::prelude::*;

use crate::given::given;
use crate::repeats::{play, story};
use crate::shop::{before, finalize_cart, item, money, now};

/// The commands of random stories.
fn commands() -> Vec<CartCommand> {
    let dearer = FinalizeCart {
        total_price: money("29.98"),
        ..finalize_cart()
    };
    let other = FinalizeCart {
        product_items: item("p-2", 1, "5"),
        ..finalize_cart()
    };
    vec![finalize_cart().into(), dearer.into(), other.into()]
}

fn finalized(at: Timestamp) -> CartEvent {
    let FinalizeCart {
        cart_id,
        client_id,
        product_items,
        total_price,
    } = finalize_cart();
    CartFinalized {
        cart_id,
        client_id,
        product_items,
        total_price,
        confirmed_at: at,
    }
    .into()
}

#[test]
fn a_finalized_cart_is_recorded_with_all_that_is_in_it() {
    given::<Cart>([]).when(finalize_cart()).then([finalized(now())]);
}

#[test]
fn the_same_cart_finalized_again_changes_nothing() {
    given::<Cart>([finalized(before())])
        .when(finalize_cart())
        .nothing();
}

#[test]
fn an_amount_written_with_another_number_of_zeros_is_the_same_content() {
    let again = FinalizeCart {
        total_price: money("19.980"),
        product_items: item("p-1", 2, "999e-2"),
        ..finalize_cart()
    };
    given::<Cart>([finalized(before())]).when(again).nothing();
}

#[test]
fn a_cart_finalized_again_with_other_content_is_rejected() {
    let others = [
        FinalizeCart {
            client_id: "u-8".parse().expect("an id"),
            ..finalize_cart()
        },
        FinalizeCart {
            total_price: money("19.99"),
            ..finalize_cart()
        },
        FinalizeCart {
            product_items: item("p-2", 2, "9.99"),
            ..finalize_cart()
        },
        FinalizeCart {
            product_items: item("p-1", 3, "9.99"),
            ..finalize_cart()
        },
        FinalizeCart {
            product_items: item("p-1", 2, "9.98"),
            ..finalize_cart()
        },
    ];
    for other in others {
        given::<Cart>([finalized(before())]).when(other).rejected(
            "cart c-1 is finalized already, with other content; a changed cart needs a new cart_id",
        );
    }
}

#[test]
fn a_total_that_is_not_the_sum_of_the_items_is_taken() {
    let discounted = FinalizeCart {
        total_price: money("0"),
        ..finalize_cart()
    };
    let FinalizeCart {
        cart_id,
        client_id,
        product_items,
        total_price,
    } = discounted.clone();
    let recorded = CartFinalized {
        cart_id,
        client_id,
        product_items,
        total_price,
        confirmed_at: now(),
    };
    given::<Cart>([]).when(discounted).then([recorded.into()]);
}

proptest! {
    #[test]
    fn a_cart_is_finalized_at_most_once(story in story(commands())) {
        prop_assert!(play::<Cart>(story).len() <= 1);
    }
}
