//! The table of a view: one item for each row, which a row never replaces that knows less of its stream.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use eventsourcing::{Attribute, OPEN_SHARD, Read, Transient, Viewed};

use crate::client::failure::reason;
use crate::store::batch_get::BatchGet;
use crate::store::segments::{Item, Page, Place, not_read, page, scan};
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

    /// The rows of these ids, at most 100, read consistently, by id; and how many read units that took.
    pub(crate) async fn get_all(&self, ids: &[String]) -> Result<(HashMap<String, Item>, f64), Transient> {
        let key = |id: &String| Item::from([(self.key.to_owned(), AttributeValue::S(id.clone()))]);
        let keys = ids.iter().map(key).collect();
        let batch = BatchGet {
            client: &self.client,
            table: &self.table,
            projection: None,
            read: Read::Consistent,
            attempts: None,
        };
        let (rows, units) = batch.items(keys).await.map_err(|why| why.of_table(&self.table))?;
        let by_id = rows.into_iter().filter_map(|row| {
            let id = row.get(self.key)?.as_s().ok()?.clone();
            Some((id, row))
        });
        Ok((by_id.collect(), units))
    }

    /// The keys of some rows of a segment.
    pub(crate) async fn keys(&self, place: &Place) -> Result<Page, Transient> {
        let keys = scan(&self.client, &self.table, place)
            .projection_expression("#key")
            .expression_attribute_names("#key", self.key);
        page(keys, &self.table).await
    }

    /// Whether there is such a table.
    ///
    /// # Errors
    /// It could not be asked for.
    pub async fn is_there(&self) -> Result<bool, Transient> {
        let looked = self.client.scan().table_name(&self.table).limit(1).send().await;
        match looked {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(ScanError::is_resource_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(not_read(&self.table, reason(&error))),
        }
    }

    /// The attribute that is the key.
    pub(crate) fn key(&self) -> &'static str {
        self.key
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
