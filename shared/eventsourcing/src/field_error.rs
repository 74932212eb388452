//! What is wrong with a field, in words that keep its value (which may be personal data) out of logs.

/// A field that is missing or holds something else than it should.
///
/// The text names the field by its path, what it holds by JSON type, and what was expected; never
/// the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{path}` {holds}; expected {expected}")]
pub struct FieldError {
    path: String,
    holds: &'static str,
    expected: String,
}

impl FieldError {
    /// The value `raw` is not what is expected.
    pub(crate) fn wrong(raw: &str, expected: String) -> Self {
        Self {
            path: String::new(),
            holds: kind(raw),
            expected,
        }
    }

    /// The field of that name is not there.
    pub(crate) fn missing(name: &str, expected: String) -> Self {
        Self {
            path: name.to_owned(),
            holds: "is missing",
            expected,
        }
    }

    /// The field at `path` is there more than once.
    pub(crate) fn doubled(path: String) -> Self {
        Self {
            path,
            holds: "is given twice",
            expected: "once".to_owned(),
        }
    }

    /// The field, as in `command.product_items[1].quantity`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same error, seen from one level further in.
    #[must_use]
    pub(crate) fn inside(mut self, outer: &str) -> Self {
        self.path = inner(&self.path, outer).to_owned();
        self
    }

    /// The same error, seen from one level further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{outer}{joint}{}", self.path);
        self
    }
}

/// What the JSON text is, by its first character.
fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "holds an object",
        Some(b'[') => "holds a list",
        Some(b'"') => "holds a string",
        Some(b't' | b'f') => "holds a boolean",
        Some(b'n') => "is null",
        Some(_) => "holds a number",
        None => "is empty",
    }
}

/// The path within `outer`.
pub(crate) fn inner<'p>(path: &'p str, outer: &str) -> &'p str {
    let inner = path.strip_prefix(outer).and_then(|rest| rest.strip_prefix('.'));
    inner.unwrap_or(path)
}
