//! A typed value that travels next to a message's body.

/// A typed value that travels next to the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with a label of one's own after a period if wanted.
    pub data_type: String,
    /// The value of a `String` or a `Number`.
    pub string_value: Option<String>,
    /// The value of a `Binary`.
    pub binary_value: Option<Vec<u8>>,
}

impl MessageAttribute {
    /// An attribute of type `String`.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            string_value: Some(value.into()),
            binary_value: None,
        }
    }

    /// An attribute of type `Binary`.
    pub fn binary(value: impl Into<Vec<u8>>) -> Self {
        Self {
            data_type: "Binary".to_owned(),
            string_value: None,
            binary_value: Some(value.into()),
        }
    }

    /// Whether the value travels as bytes.
    pub(crate) fn is_binary(&self) -> bool {
        self.base_type() == "Binary"
    }

    /// The value as the digest and the size see it.
    pub(crate) fn value_bytes(&self) -> &[u8] {
        if self.is_binary() {
            self.binary_value.as_deref().unwrap_or_default()
        } else {
            self.string_value.as_deref().unwrap_or_default().as_bytes()
        }
    }

    /// The type without a label of its sender's.
    pub(crate) fn base_type(&self) -> &str {
        self.data_type
            .split_once('.')
            .map_or(self.data_type.as_str(), |(base, _)| base)
    }
}
