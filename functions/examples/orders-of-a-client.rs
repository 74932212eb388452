//! A client's orders and what is open, as `functions/VIEWS.md` shows it.

#![allow(clippy::print_stdout)] // It shows what it finds.

use aws_adapters::{Connection, Environment, Sorted, ViewReader};
use domain::orders_view::Orders;
use eventsourcing::{Read, View};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connection = Connection::open(&Environment::from_process()?);
    let orders = ViewReader::new(connection.dynamodb, "local-orders".into(), Orders::KEY);

    let by_client = &Orders::INDEXES[0];
    let mut newest = orders.by(by_client, "u-7", Sorted::NewestFirst).page_of(20);
    for found in newest.next_page().await?.unwrap_or_default() {
        let id = found.text("order_id").unwrap_or_default();
        if let Some(order) = orders.row(id, Read::Eventual).await? {
            let since = order.phase_since().map(|since| since.to_string());
            println!(
                "{:?} {since:?} {:?} {id}",
                order.phase(),
                order.number("total_price")
            );
        }
    }

    let mut open = orders.open(None);
    let mut count = 0;
    while open.next().await?.is_some() {
        count += 1;
    }
    println!("{count} open, {} read units", orders.read_units());
    Ok(())
}
