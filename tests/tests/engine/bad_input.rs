//! What bad input gets, by the contract's table: over the wire, on the stack, for every queue.

mod attributes;
mod logged;
mod malformed;
mod sendable;
mod transient;

use embedded_aws::Service;
use embedded_aws::transport::Call;
use eventsourcing::StreamId;
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::bundle::Bundle;
use testkit::malformed::assert_refused;

use crate::options;

/// A stack whose outbound queues nobody answers.
async fn without_simulators() -> Bundle {
    Bundle::start(StackOptions {
        simulators: false,
        ..options()
    })
    .await
}

/// The fields of a cart of that id.
fn cart(id: &str) -> Value {
    json!({
        "cart_id": id, "client_id": "u-1", "total_price": 9.99,
        "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
    })
}

fn ids(cart_id: &str) -> Ids {
    Ids::of_cart(&cart(cart_id)).expect("the cart has an id")
}

/// A message with these fields and nothing else, as an outside sender may write it.
fn command(fields: &Value) -> String {
    json!({ "command": fields }).to_string()
}

/// Requests the payment of the cart's order, and nothing else of its saga.
async fn request_payment(bundle: &Bundle, cart_id: &str) -> (Ids, StreamId) {
    let ids = ids(cart_id);
    let request = json!({ "payment_id": ids.payment, "order_id": ids.order, "amount": 9.99 });
    bundle.send("request-payment", &command(&request)).await;
    bundle.settle().await;
    let [_, _, stream, _] = ids.streams();
    assert_eq!(bundle.types(&stream).await, ["PaymentRequested"]);
    (ids, stream)
}

/// Whether a call is an append to that stream.
fn appends_to(call: &Call, stream: &str) -> bool {
    call.service == Service::DynamoDb
        && call.operation == "PutItem"
        && call.request()["Item"]["stream_id"]["S"] == stream
}
