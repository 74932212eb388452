//! Why a message is in a dead-letter queue, as attributes beside its body: written by the function that
//! moves it there, read by whoever looks at it.

use std::collections::BTreeMap;

use crate::client::message::{Attribute, MAX_ATTRIBUTES, Received};

const CODE: &str = "error_code";
const ERROR: &str = "error";
const FUNCTION: &str = "function";

/// The most characters of an error on a message; its log line has the whole.
const MAX_ERROR: usize = 1000;

/// Why a record is moved to the dead-letter queue, as its attribute `error_code` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// It can't be understood.
    Malformed,
    /// The rules forbid it, or a queue refuses what follows from it, for what that is.
    Rejected,
    /// It failed for a transient reason until its last receive.
    Exhausted,
}

impl RefusalCode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Malformed, Self::Rejected, Self::Exhausted];

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
        }
    }

    /// The code whose attribute has that value.
    pub fn of(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == value)
    }
}

/// What a function wrote on a message that it moved to a dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The kind of reason.
    pub code: RefusalCode,
    /// What was wrong, in words.
    pub error: &'a str,
    /// The function.
    pub function: &'a str,
}

impl Refusal<'_> {
    /// The reason as attributes beside those of the sender, which stay as far as there is room, and but for
    /// those of the same names.
    pub(crate) fn beside(&self, of_sender: &BTreeMap<String, Attribute>) -> BTreeMap<String, Attribute> {
        let error: String = self.error.chars().take(MAX_ERROR).collect();
        let reason = [
            (CODE, self.code.as_str()),
            (ERROR, &error),
            (FUNCTION, self.function),
        ];
        let kept = of_sender.iter().filter(|(name, _)| !is_reason(name));
        let kept = kept.take(MAX_ATTRIBUTES - reason.len());
        let kept = kept.map(|(name, attribute)| (name.clone(), attribute.clone()));
        let reason = reason.map(|(name, text)| (name.to_owned(), Attribute::text(text)));
        kept.chain(reason).collect()
    }
}

fn is_reason(name: &str) -> bool {
    [CODE, ERROR, FUNCTION].contains(&name)
}

impl Received {
    /// What a function wrote on it; none if SQS moved it by itself, after a crash. Of such a message,
    /// attributes of these names are the sender's.
    pub fn refusal(&self) -> Option<Refusal<'_>> {
        let text = |name: &str| self.attributes.get(name).and_then(Attribute::as_text);
        Some(Refusal {
            code: RefusalCode::of(text(CODE)?)?,
            error: text(ERROR)?,
            function: text(FUNCTION)?,
        })
    }

    /// What its sender put beside the body, as far as it is still there.
    pub fn attributes_of_sender(&self) -> BTreeMap<String, Attribute> {
        let mut attributes = self.attributes.clone();
        if self.refusal().is_some() {
            attributes.retain(|name, _| !is_reason(name));
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(attributes: BTreeMap<String, Attribute>) -> Received {
        Received {
            message_id: "m-1".into(),
            receipt: "r-1".into(),
            body: "{}".into(),
            attributes,
            trace: None,
            sent_at: None,
            receives: 1,
        }
    }

    fn texts<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, Attribute> {
        let attributes = attributes.into_iter();
        attributes
            .map(|(name, text)| (name.to_owned(), Attribute::text(text)))
            .collect()
    }

    const REFUSAL: Refusal = Refusal {
        code: RefusalCode::Rejected,
        error: "the book is lent",
        function: "lend-book",
    };

    #[test]
    fn what_is_written_beside_a_message_is_read_back_and_the_senders_own_stays() {
        let own = texts([("tenant", "t-1")]);
        let letter = received(REFUSAL.beside(&own));
        assert_eq!(letter.refusal(), Some(REFUSAL));
        assert_eq!(letter.attributes_of_sender(), own);
    }

    #[test]
    fn a_senders_attributes_of_the_same_names_are_no_refusal() {
        for own in [
            texts([("error", "a"), ("function", "b")]),
            texts([("error_code", "malformed"), ("error", "a")]),
            texts([("error_code", "E17"), ("error", "a"), ("function", "b")]),
        ] {
            let letter = received(own.clone());
            assert_eq!(letter.refusal(), None);
            assert_eq!(letter.attributes_of_sender(), own);
        }
    }
}
