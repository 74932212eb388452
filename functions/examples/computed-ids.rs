//! Ids that anybody can compute, as `functions/CLIENTS.md` shows it.

#![allow(clippy::print_stdout)] // It shows what it computes.

use uuid::{Uuid, uuid};

const NAMESPACE: Uuid = uuid!("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e");

fn computed(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

fn main() {
    let cart = std::env::args().nth(1).unwrap_or_else(|| "c-1".into());
    let order = computed(&format!("order/{cart}"));
    let event = computed(&format!("event/cart-{cart}/1"));
    println!("{order}");
    println!("{}", computed(&format!("payment/{order}")));
    println!("{}", computed(&format!("shipment/{order}")));
    println!("{event}");
    let command = format!("command/{event}/InitializeOrder/order-{order}");
    println!("{}", computed(&command));
}
