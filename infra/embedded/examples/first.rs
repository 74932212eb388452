//! A queue, a function on it, and a table in which it leaves what it was told.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use embedded_aws::{Aws, mapping::sqs::Settings};

/// Also run by a test, which is why it is public.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = Aws::in_memory()?;
    aws.create_table("greetings", "text")?;
    let queue = aws.create_queue("greet")?;

    let dynamodb = Client::new(&aws.sdk_config());
    let put = dynamodb.put_item().table_name("greetings");
    aws.map_queue(Settings::of("greet"), move |event| {
        let text = event["Records"][0]["body"].as_str().unwrap_or_default();
        let put = put.clone().item("text", AttributeValue::S(text.into()));
        async move { put.send().await.map(|_| serde_json::Value::Null) }
    });

    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    sqs.send_message()
        .queue_url(queue)
        .message_body("hello")
        .send()
        .await?;
    aws.settled().await?;

    let found = dynamodb.scan().table_name("greetings").send().await?;
    assert_eq!(found.items()[0]["text"], AttributeValue::S("hello".into()));
    Ok(())
}
