//! Addresses: the names, URLs and ARNs of queues in one account and region.

use crate::error::SqsError;

/// Where the queues are, as far as URLs and ARNs say it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) base_url: String,
}

impl Address {
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.base_url.trim_end_matches('/'), self.account)
    }

    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account)
    }

    /// The name of a queue of this account and region; none for any other ARN.
    pub(crate) fn name_in_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.arn("")).filter(|name| !name.is_empty())
    }
}

/// The name in a queue URL: its last path segment. Host and account are left out of account, since
/// they differ with the way by which a client reached this process.
pub(crate) fn name_in_url(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
pub(crate) fn check_name(name: &str) -> Result<(), SqsError> {
    // Names tell cases apart, so `.FIFO` is no suffix, only a period that no name can have.
    if name.strip_suffix(".fifo").is_some() {
        return Err(SqsError::FifoQueue {
            name: name.to_owned(),
        });
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=80).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Err(SqsError::invalid("QueueName", name, reason))
}
