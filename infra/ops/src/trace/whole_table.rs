//! What it takes to look through the whole event table.

use aws_adapters::reason;

use crate::called;
use crate::output::count;
use crate::stack::Stack;

/// What a read unit reads of a scan that need not be consistent.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
pub(super) const BYTES_OF_A_UNIT: u64 = 8 * 1024;

/// How many items the event table has, and how many bytes, as it was counted some hours ago.
pub(super) async fn table(stack: &Stack) -> Result<(u64, u64), String> {
    let table = stack.connection.dynamodb.describe_table();
    let described = table.table_name(stack.names.events_table()).send().await;
    let described = described.map_err(|error| reason(&error))?.table;
    let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let counted =
        described.and_then(|table| Some((number(table.item_count)?, number(table.table_size_bytes)?)));
    counted.ok_or_else(|| "it does not say how large it is".to_owned())
}

/// What to do if it was a correlation id, and what that would read.
pub(crate) async fn advice(stack: &Stack) -> String {
    let size = match table(stack).await {
        Ok((commits, bytes)) => format!(
            "{}, {} MB and {} when they were last counted, which is up to six hours ago",
            count(commits, "commit", "commits"),
            bytes.div_ceil(1_000_000),
            count(bytes.div_ceil(BYTES_OF_A_UNIT), "read unit", "read units")
        ),
        Err(why) => format!("how large that is can't be told: {why}"),
    };
    format!(
        "if it is a correlation id, nothing that is open or stuck leads to its chain; {} trace ID --scan looks for it \
         through the whole event table ({size})",
        called::name()
    )
}
