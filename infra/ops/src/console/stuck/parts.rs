//! What these pages have in common.

use aws_adapters::dead_letter_queue;

use super::super::pages::Pages;

/// The name of a dead-letter queue in the stack.
pub(super) fn whole_name(pages: &Pages, queue: &str) -> String {
    pages.stack.names.of_function(&dead_letter_queue(queue))
}
