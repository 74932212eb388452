//! Sections of pages that are written by a command: between two comments, which name the section and the
//! command, stands what the command writes; the rest of the page is its author's.
//!
//! ```
//! use template::pages::{section, with_section};
//!
//! let page = "Above.\n<!-- written by `cargo template`: doors -->\nold\n<!-- end of doors -->\nBelow.\n";
//! let page = with_section(page, "doors", "new\n").expect("the page has such a section");
//! assert_eq!(section(&page, "doors"), Some("new\n"));
//! assert!(page.starts_with("Above.") && page.ends_with("Below.\n"));
//! ```

use std::ops::Range;

/// What stands in a section; none if the page has no such section.
pub fn section<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    place(page, name).map(|place| &page[place])
}

/// The page with another text in a section; none if it has no such section.
pub fn with_section(page: &str, name: &str, text: &str) -> Option<String> {
    let place = place(page, name)?;
    Some(format!("{}{text}{}", &page[..place.start], &page[place.end..]))
}

fn place(page: &str, name: &str) -> Option<Range<usize>> {
    let begins = format!("`: {name} -->\n");
    let start = page.find(&begins)? + begins.len();
    let length = page[start..].find(&format!("<!-- end of {name} -->"))?;
    Some(start..start + length)
}
