//! The event table, the outbox table, and those of views.

use std::collections::BTreeSet;

use aws_adapters::OUTBOX_INDEX;
use bundle::ViewTableForm;

use crate::checkov::skipped_on_tables;
use crate::intrinsics::{either, only_if, reference, stack_name};
use crate::parameters::{WITH_DELETION_PROTECTION, WITH_KEY, WITH_PROTECTION, WITH_VIEWS};
use crate::yaml::{Map, inline};

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

/// The table of a view, with its indexes. All its keys are text.
pub(crate) fn view(form: &ViewTableForm) -> Map {
    let indexes = form.indexes.iter().map(|index| {
        let projection = Map::new()
            .with("ProjectionType", "INCLUDE")
            .with("NonKeyAttributes", inline(index.holds.iter().copied()));
        Map::new()
            .with("IndexName", index.name)
            .with(
                "KeySchema",
                vec![key(index.partition, "HASH"), key(index.sort, "RANGE")],
            )
            .with("Projection", projection)
    });
    let keys: BTreeSet<_> = form
        .indexes
        .iter()
        .flat_map(|index| [index.partition, index.sort])
        .collect();
    let attributes = [form.key]
        .into_iter()
        .chain(keys)
        .map(|name| attribute(name, "S"));
    let extra = Map::new().with("GlobalSecondaryIndexes", indexes.collect::<Vec<_>>());
    let keys = vec![key(form.key, "HASH")];
    resource(form.name, Some(WITH_VIEWS), attributes.collect(), keys, extra)
}

fn attribute(name: &str, kind: &str) -> Map {
    Map::new().with("AttributeName", name).with("AttributeType", kind)
}

fn key(name: &str, kind: &str) -> Map {
    Map::new().with("AttributeName", name).with("KeyType", kind)
}

/// Both have the keys of a commit: the outbox refers to commits.
fn table(name: &str, indexed: Vec<Map>, extra: Map) -> Map {
    let mut attributes = vec![attribute("stream_id", "S"), attribute("revision", "N")];
    attributes.extend(indexed);
    let keys = vec![key("stream_id", "HASH"), key("revision", "RANGE")];
    resource(name, None, attributes, keys, extra)
}

/// Tables outlive their stack, but not a first deployment
/// that fails: its tables are empty, and their names would block the next one.
///
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>
fn resource(name: &str, condition: Option<&str>, attributes: Vec<Map>, keys: Vec<Map>, extra: Map) -> Map {
    let encryption = Map::new()
        .with("SSEEnabled", true)
        .with("SSEType", "KMS")
        .with("KMSMasterKeyId", reference("KmsKeyArn"));
    let properties = Map::new()
        .with("TableName", stack_name(name))
        .with("BillingMode", "PAY_PER_REQUEST")
        .with("AttributeDefinitions", attributes)
        .with("KeySchema", keys)
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
        .maybe("Condition", condition)
        .with("DeletionPolicy", "RetainExceptOnCreate")
        .with("UpdateReplacePolicy", "Retain")
        .with("Metadata", Map::new().with("checkov", skipped_on_tables()))
        .with("Properties", properties)
}
