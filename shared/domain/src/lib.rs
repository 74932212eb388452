//! The rules of the bundle: what a cart, an order, a payment and a shipment may do and how the order saga
//! ties them together; what a guest and a group of guests may do when they leave. No clock but one passed in, no I/O, no AWS.
//!
//! Each file holds one thing whole: its commands, its events, its state, and its decider, top down.
//! The types of fields (ids, money, items) are in [`values`].

pub mod cart;
pub mod deadlines;
pub mod group_checkout;
pub mod group_checkout_process;
pub mod group_checkouts_view;
pub mod group_standing;
pub mod guest_standing;
pub mod guest_stay;
pub mod order;
pub mod order_saga;
pub mod order_standing;
pub mod orders_view;
pub mod payment;
pub mod shipment;
pub mod values;

pub use deadlines::Deadlines;

/// Gives all deciders to a macro, for what is done with the messages of every one of them.
#[macro_export]
macro_rules! with_deciders {
    ($macro:ident) => {
        $macro!(
            $crate::cart::Cart,
            $crate::order::Order,
            $crate::payment::Payment,
            $crate::shipment::Shipment,
            $crate::guest_stay::GuestStay,
            $crate::group_checkout::GroupCheckout,
        );
    };
}
