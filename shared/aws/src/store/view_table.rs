//! The table of a view: one item for each row, which a row never replaces that knows less of its stream.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use eventsourcing::{Attribute, OPEN_SHARD, Transient, Viewed};

use crate::client::failure::reason;
use crate::store::view_reader::ViewRow;

/// The attribute that says up to which revision a row knows its stream.
pub const ROW_REVISION: &str = "revision";

/// The table of one view of one stack.
#[derive(Clone, Debug)]
pub struct ViewTable {
    client: Client,
    table: String,
    key: &'static str,
}

/// What became of a row that was put.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// It stands in the table, in the place of this one if there was one.
    Shown(Option<ViewRow>),
    /// The one that is there knows as much of the stream, or more.
    Known,
}

/// Which rows may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// Those that know less of their stream.
    Older,
    /// Those, and those that know as much: they may have been made by another version of the rule.
    OlderAndSame,
}

impl ViewTable {
    /// The table of that name, whose rows have their ids in the attribute `key`.
    pub fn new(client: Client, table: String, key: &'static str) -> Self {
        Self { client, table, key }
    }

    /// Puts a row, unless that would take one back.
    ///
    /// # Errors
    /// The table could not be written; the row may stand there all the same.
    pub async fn put(&self, viewed: &Viewed, replacing: Replacing) -> Result<Put, Transient> {
        let condition = match replacing {
            Replacing::Older => "attribute_not_exists(#revision) OR #revision < :revision",
            Replacing::OlderAndSame => "attribute_not_exists(#revision) OR #revision <= :revision",
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(viewed)))
            .condition_expression(condition)
            .expression_attribute_names("#revision", ROW_REVISION)
            .expression_attribute_values(":revision", AttributeValue::N(viewed.revision.to_string()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(put) => return Ok(Put::Shown(put.attributes.map(ViewRow::from))),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Put::Known),
            _ => Err(Transient {
                doing: format!("write of the row of {} in {}", viewed.id, self.table),
                why: reason(&error),
            }),
        }
    }

    /// The row of that id, read consistently; none if there is none.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn get(&self, id: &str) -> Result<Option<HashMap<String, AttributeValue>>, Transient> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(self.key, AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await;
        let got = got.map_err(|error| Transient {
            doing: format!("read of the row of {id} in {}", self.table),
            why: reason(&error),
        })?;
        Ok(got.item)
    }

    /// A row as its item.
    pub fn item(&self, viewed: &Viewed) -> HashMap<String, AttributeValue> {
        let value = |attribute: &Attribute| match attribute {
            Attribute::Text(text) => AttributeValue::S(text.clone()),
            Attribute::Number(number) => AttributeValue::N(number.clone()),
        };
        let attributes = viewed.row.attributes();
        let mut item: HashMap<_, _> = attributes
            .map(|(name, attribute)| (name.to_owned(), value(attribute)))
            .collect();
        item.insert(self.key.to_owned(), AttributeValue::S(viewed.id.clone()));
        item.insert(
            ROW_REVISION.to_owned(),
            AttributeValue::N(viewed.revision.to_string()),
        );
        if let Some(shard) = viewed.open_shard() {
            item.insert(OPEN_SHARD.to_owned(), AttributeValue::S(shard));
        }
        item
    }
}
