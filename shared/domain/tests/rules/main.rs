//! The rules as given, when, then: what a command amounts to after what has happened.

mod cart;
mod deliveries;
mod given;
mod grammar;
mod order;
mod order_saga;
mod order_standing;
mod payment;
mod repeats;
mod shipment;
mod shop;
mod views;
