//! What the forms and tables of these pages have in common.

use aws_adapters::dead_letter_queue;
use maud::{Markup, html};

use super::super::layout;
use super::super::pages::Pages;

/// The name of the field that says what is to be done.
pub(super) const DO: &str = "do";

/// The name of a dead-letter queue in the stack.
pub(super) fn whole_name(pages: &Pages, queue: &str) -> String {
    pages.stack.names.of_function(&dead_letter_queue(queue))
}

/// A button that does something at an address, as a form with hidden fields.
pub(super) fn doing(
    pages: &Pages,
    action: &str,
    what: &str,
    label: &str,
    class: Option<&str>,
    fields: &[(&str, &str)],
) -> Markup {
    let content = html! {
        @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
        button class=[class] name=(DO) value=(what) { (label) }
    };
    layout::form(&pages.frame, action, &content)
}
