//! A cart: finalized once, with one content.

use eventsourcing::{Category, Decider, Decision, Refusal, Timestamp, commands, events, message};

use crate::values::{CartId, ClientId, Money, ProductItems};

message! {
    /// The customer is done and wants what is in the cart.
    pub struct FinalizeCart {
        /// Which cart.
        pub cart_id: CartId,
        /// Whose.
        pub client_id: ClientId,
        /// What is in it.
        pub product_items: ProductItems,
        /// What it costs; not checked against the items (discounts, postage).
        pub total_price: Money,
    }
}

commands! {
    /// What a cart is asked to do.
    pub enum CartCommand for Cart { FinalizeCart => cart_id + creates }
}

message! {
    /// The cart is fixed; an order follows from it.
    pub struct CartFinalized {
        /// Which cart.
        pub cart_id: CartId,
        /// Whose.
        pub client_id: ClientId,
        /// What is in it.
        pub product_items: ProductItems,
        /// What it costs.
        pub total_price: Money,
        /// When.
        pub confirmed_at: Timestamp,
    }
}

events! {
    /// What happens to a cart.
    pub enum CartEvent { CartFinalized }
}

/// The rules of a cart.
#[derive(Clone, Copy, Debug)]
pub struct Cart;

/// What was finalized, if it was.
pub type CartState = Option<CartFinalized>;

impl Decider for Cart {
    const CATEGORY: Category = Category::new("cart");
    type Command = CartCommand;
    type Event = CartEvent;
    type State = CartState;
    type Settings = ();

    fn evolve(_: CartState, event: &CartEvent) -> CartState {
        match event {
            CartEvent::CartFinalized(finalized) => Some(finalized.clone()),
        }
    }

    fn decide(
        state: &CartState,
        command: &CartCommand,
        (): &(),
        now: Timestamp,
    ) -> Result<Decision<CartEvent>, Refusal> {
        let CartCommand::FinalizeCart(cart) = command;
        match state {
            None => Ok(Decision::one(CartFinalized {
                cart_id: cart.cart_id.clone(),
                client_id: cart.client_id.clone(),
                product_items: cart.product_items.clone(),
                total_price: cart.total_price,
                confirmed_at: now,
            })),
            Some(earlier) if same_content(earlier, cart) => Ok(Decision::Nothing),
            Some(_) => Err(Refusal::Rejected(format!(
                "cart {} is finalized already, with other content; a changed cart needs a new cart_id",
                cart.cart_id
            ))),
        }
    }
}

fn same_content(earlier: &CartFinalized, cart: &FinalizeCart) -> bool {
    earlier.client_id == cart.client_id
        && earlier.product_items == cart.product_items
        && earlier.total_price == cart.total_price
}
