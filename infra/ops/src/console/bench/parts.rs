//! What the forms of this page have in common.

use eventsourcing::StreamId;
use maud::{Markup, html};

use super::super::asked::{Asked, address};
use super::super::pages::Pages;
use crate::failure::Failure;

pub(super) fn at(action: &str) -> String {
    address(["bench", action])
}

/// What the form holds under that name.
pub(super) fn field<'a>(asked: &'a Asked, name: &str) -> Result<&'a str, Failure> {
    let missing = || Failure::Usage(format!("the form has no field {name}"));
    asked.field(name).ok_or_else(missing)
}

/// A link to what happened in a stream.
pub(super) fn story(pages: &Pages, stream: &StreamId) -> Markup {
    let kinds = &pages.stack.bundle.streams;
    let kind = kinds
        .iter()
        .find(|kind| kind.category.name() == stream.category());
    let noun = kind.map_or(stream.category(), |kind| kind.noun());
    html! {
        a href=(address(["of", stream.category(), stream.id()])) title=(stream) { (noun) }
    }
}
