//! A `Query` for a whole partition, or for its part on one side of a sort key, answered from the rows as they are stored.
//!
//! `dynoxide` keeps an item as the JSON that a client gets, and for an answer reads it into a tree of values, twice over,
//! and writes it out again: four fifths of what such a query takes. Here the texts are joined. Only what leaves
//! no choice is answered here, and only for an expression that `dynoxide` has accepted before on this table; all else, and
//! whatever might be refused, is `dynoxide`'s. With one that read its own rows straight, this module would not be needed.

use std::collections::HashMap;

use dynoxide::Result;
use dynoxide::storage::{Storage, TableMetadata};
use dynoxide::types::{AttributeValue, consumed_capacity, read_capacity_units_with_consistency};
use serde::Deserialize;
use serde_json::Value;

use super::accepted::{Accepted, Found};
use super::body;
use super::keys::{Key, Keys};
use super::plain_item::is_shortest;

/// The most bytes of items in one answer
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html>).
const LARGEST_PAGE: usize = 1024 * 1024;

/// A request that says no more than this.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PlainQuery {
    pub(super) table_name: String,
    pub(super) key_condition_expression: String,
    #[serde(default)]
    expression_attribute_names: HashMap<String, String>,
    expression_attribute_values: HashMap<String, Value>,
    #[serde(default)]
    consistent_read: bool,
    #[serde(default = "forward")]
    scan_index_forward: bool,
    return_consumed_capacity: Option<String>,
}

fn forward() -> bool {
    true
}

/// The condition on a key: a side of its value, as SQL has it.
struct Range {
    side: &'static str,
    key: String,
}

impl PlainQuery {
    /// The request, if it says no more than this can answer.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The answer; none if it is for `dynoxide` to give one.
    pub(super) fn answer(&self, storage: &Storage, accepted: &Accepted) -> Result<Option<Found>> {
        if !accepted.knows(&self.table_name, &self.key_condition_expression) {
            return Ok(None);
        }
        let Some(table) = storage.get_table_metadata(&self.table_name)? else {
            return Ok(None);
        };
        let Some((partition, range)) = self.keys(&table) else {
            return Ok(None);
        };
        let (side, order) = (
            range
                .as_ref()
                .map_or(String::new(), |range| format!("AND sk {} ?2", range.side)),
            if self.scan_index_forward { "ASC" } else { "DESC" },
        );
        let name = self.table_name.replace('"', "\"\"");
        let sql =
            format!("SELECT item_json, item_size FROM \"{name}\" WHERE pk = ?1 {side} ORDER BY sk {order}");
        let mut statement = storage.conn().prepare_cached(&sql)?;
        let parameters: Vec<&str> = [
            Some(partition.as_str()),
            range.as_ref().map(|range| range.key.as_str()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
        let (mut body, mut count, mut bytes) = (b"{\"Items\":[".to_vec(), 0, 0);
        while let Some(row) = rows.next()? {
            bytes += row.get::<_, usize>(1)?;
            if bytes > LARGEST_PAGE {
                return Ok(None);
            }
            if count > 0 {
                body.push(b',');
            }
            let item = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            body.extend_from_slice(item.as_bytes());
            count += 1;
        }
        body.extend_from_slice(format!("],\"Count\":{count},\"ScannedCount\":{count}").as_bytes());
        let units = read_capacity_units_with_consistency(bytes, self.consistent_read);
        if let Some(told) = consumed_capacity(&self.table_name, units, &self.return_consumed_capacity) {
            body.extend_from_slice(b",\"ConsumedCapacity\":");
            body.extend_from_slice(&body::write(&told)?);
        }
        body.push(b'}');
        let consumed = consumed_capacity(&self.table_name, units, &Some("TOTAL".to_owned()));
        Ok(Some(Found { body, consumed }))
    }

    /// The keys that are asked for, in the form in which they are stored; none if anything is out of the ordinary.
    fn keys(&self, table: &TableMetadata) -> Option<(String, Option<Range>)> {
        let mode = self.return_consumed_capacity.as_deref();
        if table.vector_index_definitions.is_some()
            || !matches!(mode, None | Some("NONE" | "TOTAL" | "INDEXES"))
        {
            return None;
        }
        let keys = Keys::of(table)?;
        let words = words(&self.key_condition_expression)?;
        let used = |name: &str, value: &str| {
            let names = usize::from(name.starts_with('#'));
            (names, self.expression_attribute_values.contains_key(value))
        };
        match words.as_slice() {
            [name, "=", value] => {
                let (names, there) = used(name, value);
                let all = there && self.uses(names, 1);
                let partition = self.key(&keys.partition, name, value)?;
                all.then_some((partition, None))
            }
            [name, "=", value, and, sort, side, bound]
                if and.eq_ignore_ascii_case("AND") && value != bound =>
            {
                let ((names, there), (more_names, also_there)) = (used(name, value), used(sort, bound));
                let all = there && also_there && name != sort && self.uses(names + more_names, 2);
                let partition = self.key(&keys.partition, name, value)?;
                let key = self.key(keys.sort.as_ref()?, sort, bound)?;
                let side = ["=", "<", "<=", ">", ">="]
                    .into_iter()
                    .find(|known| known == side)?;
                all.then_some((partition, Some(Range { side, key })))
            }
            _ => None,
        }
    }

    /// Whether the request holds no more names and values than that.
    fn uses(&self, names: usize, values: usize) -> bool {
        self.expression_attribute_names.len() == names && self.expression_attribute_values.len() == values
    }

    fn key(&self, key: &Key, name: &str, value: &str) -> Option<String> {
        let name = match name.strip_prefix('#') {
            Some(_) => self.expression_attribute_names.get(name)?,
            None => name,
        };
        let given = self.expression_attribute_values.get(value)?.as_object()?;
        let (kind, text) = given
            .iter()
            .next()
            .filter(|_| given.len() == 1 && name == key.name)?;
        let text = text.as_str()?.to_owned();
        let value = match kind.as_str() {
            "S" => AttributeValue::S(text),
            "N" if is_shortest(&text) && !text.contains('.') => AttributeValue::N(text),
            _ => return None,
        };
        key.stored(&value)
    }
}

/// Names, placeholders and comparisons; none if there is anything else.
fn words(expression: &str) -> Option<Vec<&str>> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_#:".contains(character);
    let is_comparison = |character: char| "<>=".contains(character);
    let mut words = Vec::new();
    let mut rest = expression.trim();
    while let Some(first) = rest.chars().next() {
        let belongs: &dyn Fn(char) -> bool = match first {
            first if is_name(first) => &is_name,
            first if is_comparison(first) => &is_comparison,
            _ => return None,
        };
        let end = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Some(words)
}
