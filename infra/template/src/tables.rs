//! The event table and the outbox table.

use crate::checkov::skipped_on_tables;
use crate::intrinsics::{either, only_if, reference, stack_name};
use crate::parameters::{WITH_KEY, WITH_PROTECTION};
use crate::yaml::Map;

/// The event table, with the stream that the relay reads.
pub(crate) fn events() -> Map {
    let stream = Map::new().with("StreamViewType", "NEW_IMAGE");
    table("events", Map::new().with("StreamSpecification", stream))
}

/// The outbox table.
pub(crate) fn outbox() -> Map {
    table("outbox", Map::new())
}

/// Both have the keys of a commit: the outbox refers to commits.
fn table(name: &str, extra: Map) -> Map {
    let attribute =
        |name: &str, kind: &str| Map::new().with("AttributeName", name).with("AttributeType", kind);
    let key = |name: &str, kind: &str| Map::new().with("AttributeName", name).with("KeyType", kind);
    let encryption = Map::new()
        .with("SSEEnabled", true)
        .with("SSEType", "KMS")
        .with("KMSMasterKeyId", reference("KmsKeyArn"));
    let properties = Map::new()
        .with("TableName", stack_name(name))
        .with("BillingMode", "PAY_PER_REQUEST")
        .with(
            "AttributeDefinitions",
            vec![attribute("stream_id", "S"), attribute("revision", "N")],
        )
        .with(
            "KeySchema",
            vec![key("stream_id", "HASH"), key("revision", "RANGE")],
        )
        .followed_by(extra)
        .with("DeletionProtectionEnabled", either(WITH_PROTECTION, true, false))
        .with(
            "PointInTimeRecoverySpecification",
            Map::new().with("PointInTimeRecoveryEnabled", either(WITH_PROTECTION, true, false)),
        )
        .with("SSESpecification", only_if(WITH_KEY, encryption));
    Map::new()
        .with("Type", "AWS::DynamoDB::Table")
        .with("DeletionPolicy", "Retain")
        .with("UpdateReplacePolicy", "Retain")
        .with("Metadata", Map::new().with("checkov", skipped_on_tables()))
        .with("Properties", properties)
}
