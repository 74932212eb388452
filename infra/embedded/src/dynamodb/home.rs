//! Where the database is at home: what its ARNs say, and the names of streams and shards.

use std::sync::Arc;

use super::streams::Life;

/// What the tables' ARNs are called. `dynoxide` has its own names for them, which are replaced on the way out
/// and put back on the way in.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub region: Arc<str>,
    pub account: Arc<str>,
    /// Beginnings of names: outside, and in the database.
    names: Arc<[(String, String); 3]>,
}

impl Home {
    pub fn new(region: &str, account: &str) -> Self {
        let here = (dynoxide::streams::LOCAL_REGION, dynoxide::streams::LOCAL_ACCOUNT);
        let pair = |service: &str, here: (&str, &str)| {
            let arn = |region, account| format!("arn:aws:{service}:{region}:{account}:");
            (arn(region, account), arn(here.0, here.1))
        };
        let user = (
            format!("arn:aws:iam::{account}:root"),
            format!("arn:aws:iam::{}:root", here.1),
        );
        Self {
            region: region.into(),
            account: account.into(),
            names: Arc::new([pair("dynamodb", here), pair("kms", here), user]),
        }
    }

    pub fn inwards(&self, body: &[u8]) -> Vec<u8> {
        self.names.iter().fold(body.to_vec(), |body, (outside, inside)| {
            replace(body, outside, inside)
        })
    }

    pub fn outwards(&self, body: Vec<u8>) -> Vec<u8> {
        self.names
            .iter()
            .fold(body, |body, (outside, inside)| replace(body, inside, outside))
    }

    pub fn stream_arn(&self, table: &str, life: &Life) -> String {
        format!("{}table/{table}/stream/{}", self.names[0].0, life.label)
    }

    /// The table that a stream's ARN names, if it is one of here.
    pub fn table_of_stream<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let path = arn
            .strip_prefix(self.names[0].0.as_str())?
            .strip_prefix("table/")?;
        Some(path.split_once("/stream/")?.0)
    }

    /// As AWS's are: the moment in milliseconds, and eight hexadecimal digits.
    pub fn shard_id(&self, table: &str, life: &Life) -> String {
        let digest = crc32fast::hash(self.stream_arn(table, life).as_bytes());
        format!("shardId-{:020}-{digest:08x}", life.began.as_millis())
    }
}

/// Bytes that are not UTF-8 are left as they are: reading them as JSON is going to say what is wrong.
fn replace(body: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains(from) => text.replace(from, to).into_bytes(),
        _ => body,
    }
}
