//! A record of a stream as AWS shows it. `dynoxide` 3.2 records a write that changes nothing, sizes a record by
//! its JSON, and writes the identity that deletes expired items as Lambda does, not as the stream's own API; a
//! later version that does so itself makes this superfluous.

use dynoxide::AttributeValue;
use dynoxide::Item;
use dynoxide::actions::get_records::{Record, UserIdentity};
use dynoxide::types::item_size;
use serde::Serialize;

use super::lives::Life;

/// Whether the record is of a write that changed nothing, which is no record at all
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>: "`PutItem` or `UpdateItem`
/// that doesn't change any data").
pub(super) fn is_void(record: &Record) -> bool {
    match (&record.dynamodb.old_image, &record.dynamodb.new_image) {
        (Some(old), Some(new)) => same_items(old, new),
        _ => false,
    }
}

/// Leaves what this stream shows. Answers how many bytes of JSON were left out.
pub(super) fn trim(record: &mut Record, life: &Life, region: &str) -> usize {
    region.clone_into(&mut record.aws_region);
    let change = &mut record.dynamodb;
    let mut hidden = 0;
    let mut hide = |image: &mut Option<Item>| {
        if let Some(image) = image.take() {
            hidden += serde_json::to_string(&image).map_or(0, |json| json.len());
        }
    };
    if !life.shows_new_images() {
        hide(&mut change.new_image);
    }
    if !life.shows_old_images() {
        hide(&mut change.old_image);
    }
    change.stream_view_type.clone_from(&life.view);
    let images = [&change.new_image, &change.old_image];
    let size = item_size(&change.keys) + images.into_iter().flatten().map(item_size).sum::<usize>();
    change.size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
    hidden
}

/// A record in the answer to `GetRecords`.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    record: Record,
    #[serde(rename = "userIdentity", skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
}

/// Whoever made the change, if it was DynamoDB itself.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    principal_id: String,
    r#type: String,
}

impl From<Record> for Shown {
    fn from(mut record: Record) -> Self {
        let identity = |UserIdentity {
                            identity_type,
                            principal_id,
                        }| Identity {
            principal_id,
            r#type: identity_type,
        };
        let identity = record.user_identity.take().map(identity);
        Self { record, identity }
    }
}

fn same_items(one: &Item, other: &Item) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(name, value)| other.get(name).is_some_and(|there| same(value, there)))
}

/// Equal as DynamoDB compares: a set has no order.
fn same(one: &AttributeValue, other: &AttributeValue) -> bool {
    use AttributeValue as V;
    match (one, other) {
        (V::SS(one), V::SS(other)) | (V::NS(one), V::NS(other)) => same_sets(one, other),
        (V::BS(one), V::BS(other)) => same_sets(one, other),
        (V::L(one), V::L(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (V::M(one), V::M(other)) => same_items(one, other),
        (one, other) => one == other,
    }
}

fn same_sets<T: Ord>(one: &[T], other: &[T]) -> bool {
    let (mut one, mut other): (Vec<&T>, Vec<&T>) = (one.iter().collect(), other.iter().collect());
    one.sort();
    other.sort();
    one == other
}
