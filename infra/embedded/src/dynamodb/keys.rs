//! The primary key of a table: the attributes that it is of, and the form in which their values are stored.

use dynoxide::storage::TableMetadata;
use dynoxide::types::{AttributeDefinition, AttributeValue, KeySchemaElement, KeyType, ScalarAttributeType};

/// The longest text that is a sort key, in bytes; a partition key may be longer
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const LONGEST: usize = 1_024;

/// Partition key and sort key.
pub(super) struct Keys {
    pub(super) partition: Key,
    pub(super) sort: Option<Key>,
}

/// An attribute that is a key.
pub(super) struct Key {
    pub(super) name: String,
    kind: ScalarAttributeType,
}

impl Keys {
    /// Those of a table; none if its schema can't be read.
    pub(super) fn of(table: &TableMetadata) -> Option<Self> {
        let schema: Vec<KeySchemaElement> = serde_json::from_str(&table.key_schema).ok()?;
        let definitions: Vec<AttributeDefinition> =
            serde_json::from_str(&table.attribute_definitions).ok()?;
        let key = |wanted: KeyType| {
            let name = schema
                .iter()
                .find(|key| key.key_type == wanted)?
                .attribute_name
                .clone();
            let kind = definitions.iter().find(|one| one.attribute_name == name)?;
            Some(Key {
                kind: kind.attribute_type.clone(),
                name,
            })
        };
        Some(Self {
            partition: key(KeyType::HASH)?,
            sort: key(KeyType::RANGE),
        })
    }

    /// Both, or the one that there is.
    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        [Some(&self.partition), self.sort.as_ref()].into_iter().flatten()
    }
}

impl Key {
    /// The value as it is stored; none if it is not of the key's type, or there is something to say about it.
    pub(super) fn stored(&self, value: &AttributeValue) -> Option<String> {
        let is_plain = match (value, &self.kind) {
            (AttributeValue::S(text), ScalarAttributeType::S) => (1..=LONGEST).contains(&text.len()),
            (AttributeValue::N(_), ScalarAttributeType::N) => true,
            _ => false,
        };
        is_plain.then(|| value.to_key_string()).flatten()
    }
}
