//! What a pattern says of one value.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use serde_json::{Number, Value};

/// Which values are meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Matcher {
    /// A string, number, truth value or null, as it is. Numbers are the same if they are written the same.
    Exact(Value),
    Text(TextMatcher),
    /// Any value that is none of these.
    NoneOf(Vec<Matcher>),
    Numeric(Vec<(Comparison, f64)>),
    /// Whether there is a value at all.
    Exists(bool),
}

/// Which texts are meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextMatcher {
    Prefix(String),
    Suffix(String),
    /// These three in lower case, as what they are compared with.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    /// The parts between the wildcards, each of which stands for any number of characters.
    Wildcard(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// The numbers that can be compared.
const LARGEST: f64 = 5.0e9;

impl Matcher {
    /// Reads what stands in a list of the pattern, or says what is wrong with it.
    pub(super) fn read(given: &Value, path: &str) -> Result<Self, String> {
        let Value::Object(operator) = given else {
            return match given {
                Value::Array(_) => Err(format!("a list in a list is not allowed, as at {path}")),
                exact => Ok(Self::Exact(exact.clone())),
            };
        };
        let mut operators = operator.iter();
        let (Some((name, operand)), None) = (operators.next(), operators.next()) else {
            return Err(format!("Only one key allowed in match expression, as at {path}"));
        };
        match name.as_str() {
            "anything-but" => anything_but(operand, path).map(Self::NoneOf),
            "numeric" => comparisons(operand, path).map(Self::Numeric),
            "exists" => operand
                .as_bool()
                .map(Self::Exists)
                .ok_or_else(|| format!("exists match pattern must be either true or false, as at {path}")),
            _ => TextMatcher::read(name, operand, path).map(Self::Text),
        }
    }

    /// Whether a value is meant: a string, number, truth value or null.
    pub(super) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exact(exact) => exact == value,
            Self::Text(matcher) => value.as_str().is_some_and(|text| matcher.matches(text)),
            Self::NoneOf(matchers) => !matchers.iter().any(|matcher| matcher.matches(value)),
            Self::Numeric(comparisons) => {
                let number = value.as_number().and_then(Number::as_f64);
                number.is_some_and(|number| comparisons.iter().all(|(how, with)| how.holds(number, *with)))
            }
            Self::Exists(wanted) => *wanted,
        }
    }
}

impl TextMatcher {
    fn read(name: &str, operand: &Value, path: &str) -> Result<Self, String> {
        match (name, operand) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("equals-ignore-case", Value::String(text)) => Ok(Self::EqualsIgnoringCase(text.to_lowercase())),
            ("wildcard", Value::String(text)) => wildcard(text, path).map(Self::Wildcard),
            ("prefix" | "suffix", operand) => match ignoring_case(operand) {
                Some(text) if name == "prefix" => Ok(Self::PrefixIgnoringCase(text)),
                Some(text) => Ok(Self::SuffixIgnoringCase(text)),
                None => Err(format!("{name} match pattern must be a string, as at {path}")),
            },
            ("equals-ignore-case" | "wildcard", _) => {
                Err(format!("{name} match pattern must be a string, as at {path}"))
            }
            ("cidr", _) => Err(format!("cidr is not served here, as at {path}")),
            _ => Err(format!("Unrecognized match type {name}, as at {path}")),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::PrefixIgnoringCase(prefix) => text.to_lowercase().starts_with(prefix),
            Self::SuffixIgnoringCase(suffix) => text.to_lowercase().ends_with(suffix),
            Self::EqualsIgnoringCase(other) => text.to_lowercase() == *other,
            Self::Wildcard(parts) => fits(text, parts),
        }
    }
}

impl Comparison {
    fn read(given: &Value) -> Option<Self> {
        Some(match given.as_str()? {
            "<" => Self::Less,
            "<=" => Self::AtMost,
            "=" => Self::Equal,
            ">=" => Self::AtLeast,
            ">" => Self::More,
            _ => return None,
        })
    }

    // What is equal was written so: nothing is computed.
    #[allow(clippy::float_cmp)]
    fn holds(self, number: f64, with: f64) -> bool {
        match self {
            Self::Less => number < with,
            Self::AtMost => number <= with,
            Self::Equal => number == with,
            Self::AtLeast => number >= with,
            Self::More => number > with,
        }
    }
}

/// The text of `{"equals-ignore-case": "…"}`, in lower case.
fn ignoring_case(operand: &Value) -> Option<String> {
    let operator = operand.as_object().filter(|operator| operator.len() == 1)?;
    let text = operator.get("equals-ignore-case")?.as_str()?;
    Some(text.to_lowercase())
}

/// A value, several, or one operator of texts with one text or several.
fn anything_but(operand: &Value, path: &str) -> Result<Vec<Matcher>, String> {
    let listed = |operand: &Value| match operand {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    let none = || format!("Value within anything-but may not be empty, as at {path}");
    if let Value::Object(operator) = operand {
        let mut operators = operator.iter();
        let (Some((name, texts)), None) = (operators.next(), operators.next()) else {
            return Err(format!("Only one key allowed in anything-but, as at {path}"));
        };
        let texts = listed(texts);
        if texts.is_empty() {
            return Err(none());
        }
        let each = texts.iter().map(|text| TextMatcher::read(name, text, path));
        return each.map(|matcher| matcher.map(Matcher::Text)).collect();
    }
    let values = listed(operand);
    if values.is_empty() {
        return Err(none());
    }
    let exact = |value: Value| match value {
        Value::String(_) | Value::Number(_) => Ok(Matcher::Exact(value)),
        _ => Err(format!("anything-but takes strings and numbers, as at {path}")),
    };
    values.into_iter().map(exact).collect()
}

/// One or two comparisons: `[">", 0, "<=", 5]`.
fn comparisons(operand: &Value, path: &str) -> Result<Vec<(Comparison, f64)>, String> {
    let wrong = |what: &str| format!("{what}, as at {path}; [\">\", 0, \"<=\", 5] is right");
    let Some(parts) = operand.as_array() else {
        return Err(wrong("Value of numeric must be an array"));
    };
    if ![2, 4].contains(&parts.len()) {
        return Err(wrong("numeric takes one comparison or two"));
    }
    let pairs = parts.chunks_exact(2).map(|pair| {
        let how = Comparison::read(&pair[0]).ok_or_else(|| wrong("Unrecognized numeric range operator"))?;
        let number = pair[1].as_f64().filter(|number| number.abs() <= LARGEST);
        let number = number.ok_or_else(|| wrong("Value of numeric must be a number from -5.0e9 to 5.0e9"))?;
        Ok((how, number))
    });
    let comparisons = pairs.collect::<Result<Vec<_>, String>>()?;
    if let [(from, bottom), (to, top)] = comparisons.as_slice() {
        let is_range = matches!(from, Comparison::More | Comparison::AtLeast)
            && matches!(to, Comparison::Less | Comparison::AtMost);
        if !is_range {
            return Err(wrong("A range is from its bottom to its top"));
        }
        if bottom >= top {
            return Err(wrong("Bottom must be less than top"));
        }
    }
    Ok(comparisons)
}

/// The parts between the wildcards. `\*` and `\\` stand for the characters themselves.
fn wildcard(text: &str, path: &str) -> Result<Vec<String>, String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.peek() == Some(&'*') => {
                return Err(format!("Consecutive wildcard characters at {path}"));
            }
            '*' => parts.push(std::mem::take(&mut part)),
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => part.push(escaped),
                _ => return Err(format!("Invalid escape character at {path}")),
            },
            other => part.push(other),
        }
    }
    parts.push(part);
    Ok(parts)
}

/// Whether a text is made of these parts, with anything between them.
fn fits(text: &str, parts: &[String]) -> bool {
    let [first, between @ .., last] = parts else {
        return parts.iter().all(|part| text == part);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in between {
        // The first place leaves the most room for what follows.
        let Some(at) = rest.find(part.as_str()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}
