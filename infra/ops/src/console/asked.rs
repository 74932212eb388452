//! One request: which page, with what, and what its form holds.

use std::fmt::Write;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Where the console's pages are.
pub const ROOT: &str = "/console";

/// The field of a form that holds the token.
pub(crate) const TOKEN: &str = "token";

/// The largest form: a message of 1 MiB, of which each byte may take three.
const LARGEST_FORM: usize = 4 * 1024 * 1024;

/// What a part of a path can't hold as it is.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    method: Method,
    /// The parts of the path after `/console`.
    path: Vec<String>,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

impl Asked {
    /// Reads a request with its form; or says why that can't be done.
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, String> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, LARGEST_FORM)
            .collect()
            .await
            .map_err(|error| {
                format!("The form did not arrive, or is larger than 4 MiB ({error}). Nothing was done.")
            })?;
        let path = parts.uri.path().strip_prefix(ROOT).unwrap_or_default();
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let pairs = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect();
        Ok(Self {
            method: parts.method,
            path: path
                .split('/')
                .filter(|part| !part.is_empty())
                .map(decoded)
                .collect(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            form: pairs(&body.to_bytes()),
        })
    }

    /// Whether it asks for a change.
    pub(crate) fn changes(&self) -> bool {
        self.method == Method::POST
    }

    /// The parts of the path after `/console`.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// What the address says after its question mark under that name; nothing if it is empty.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        value(&self.query, name).filter(|value| !value.is_empty())
    }

    /// What the form holds under that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// All fields of the form, in its sequence.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.form
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The address of the same page, with these parameters in place of those of their names; one without a value
    /// is left out.
    pub(crate) fn with(&self, changed: &[(&str, Option<&str>)]) -> String {
        let kept = self
            .query
            .iter()
            .filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let changed = changed
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?)));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept.chain(changed).filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        let mut address = address(self.path());
        if !query.is_empty() {
            address.push('?');
            address.push_str(&query);
        }
        address
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The address of a page by the parts of its path.
pub(crate) fn address<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut address = ROOT.to_owned();
    for part in parts {
        // Writing to a text can't fail.
        if write!(address, "/{}", utf8_percent_encode(part, IN_PATH)).is_err() {
            break;
        }
    }
    address
}
