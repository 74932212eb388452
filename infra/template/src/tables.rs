//! The event table and the outbox table.

use aws_adapters::OUTBOX_INDEX;

use crate::checkov::skipped_on_tables;
use crate::intrinsics::{either, only_if, reference, stack_name};
use crate::parameters::{WITH_DELETION_PROTECTION, WITH_KEY, WITH_PROTECTION};
use crate::yaml::Map;

/// The event table, with the stream that the relay reads.
pub(crate) fn events() -> Map {
    let stream = Map::new().with("StreamViewType", "NEW_IMAGE");
    table("events", vec![], Map::new().with("StreamSpecification", stream))
}

/// The outbox table, with the index that the sweeper goes by. Published entries go by themselves.
pub(crate) fn outbox() -> Map {
    let (what, due) = ("delivery", "next_attempt_at");
    let index = Map::new()
        .with("IndexName", OUTBOX_INDEX)
        .with("KeySchema", vec![key(what, "HASH"), key(due, "RANGE")])
        .with("Projection", Map::new().with("ProjectionType", "ALL"));
    let expiry = Map::new()
        .with("AttributeName", "expires_at")
        .with("Enabled", true);
    let extra = Map::new()
        .with("GlobalSecondaryIndexes", vec![index])
        .with("TimeToLiveSpecification", expiry);
    table("outbox", vec![attribute(what, "S"), attribute(due, "S")], extra)
}

fn attribute(name: &str, kind: &str) -> Map {
    Map::new().with("AttributeName", name).with("AttributeType", kind)
}

fn key(name: &str, kind: &str) -> Map {
    Map::new().with("AttributeName", name).with("KeyType", kind)
}

/// Both have the keys of a commit: the outbox refers to commits. They outlive their stack, but not a first deployment
/// that fails: its tables are empty, and their names would block the next one.
///
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>
fn table(name: &str, indexed: Vec<Map>, extra: Map) -> Map {
    let mut attributes = vec![attribute("stream_id", "S"), attribute("revision", "N")];
    attributes.extend(indexed);
    let encryption = Map::new()
        .with("SSEEnabled", true)
        .with("SSEType", "KMS")
        .with("KMSMasterKeyId", reference("KmsKeyArn"));
    let properties = Map::new()
        .with("TableName", stack_name(name))
        .with("BillingMode", "PAY_PER_REQUEST")
        .with("AttributeDefinitions", attributes)
        .with(
            "KeySchema",
            vec![key("stream_id", "HASH"), key("revision", "RANGE")],
        )
        .followed_by(extra)
        .with(
            "DeletionProtectionEnabled",
            either(WITH_DELETION_PROTECTION, true, false),
        )
        .with(
            "PointInTimeRecoverySpecification",
            Map::new().with("PointInTimeRecoveryEnabled", either(WITH_PROTECTION, true, false)),
        )
        .with("SSESpecification", only_if(WITH_KEY, encryption));
    Map::new()
        .with("Type", "AWS::DynamoDB::Table")
        .with("DeletionPolicy", "RetainExceptOnCreate")
        .with("UpdateReplacePolicy", "Retain")
        .with("Metadata", Map::new().with("checkov", skipped_on_tables()))
        .with("Properties", properties)
}
