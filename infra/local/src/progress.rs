//! How far it is, on the terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on the terminal, if there is one.
pub(crate) fn progress(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64)
        .with_style(style)
        .with_message(what)
}
