//! The rules of guest stays and group checkouts as given, when, then, and as random stories.

mod group;
mod group_messages;
mod group_process;
mod group_size;
mod group_stories;
mod guest_stay;
mod hotel;

#[path = "../rules/deliveries.rs"]
mod deliveries;
#[path = "../rules/given.rs"]
mod given;
#[path = "../rules/grammar.rs"]
mod grammar;
#[path = "../rules/repeats.rs"]
#[expect(dead_code, reason = "guests and groups play their stories by themselves")]
mod repeats;
#[path = "../rules/shop.rs"]
#[expect(dead_code, reason = "a hotel sells nothing; its clock is the shop's")]
mod shop;
