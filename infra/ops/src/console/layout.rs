//! What all pages have: the way to the others, and parts that may fail or be late each by itself.

use std::time::Duration;

use eventsourcing::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::asked::{TOKEN, address};
use crate::failure::Failure;
use crate::kinds::Key;
use crate::output::{age, relative};

/// For how long a part of a page waits for the stack.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Why a page of a read-only console has no buttons.
pub(crate) const READ_ONLY: &str = "This console is read-only: it shows and changes nothing. Nothing was done. To change \
     something, start it without --read-only and as the stack's operator (the role of the output OperatorRoleArn).";

/// What stands around each page.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The stack's name.
    pub(crate) stack: String,
    /// Where it is, for people.
    pub(crate) at: String,
    /// The pages that there are: name, title, address.
    pub(crate) ways: Vec<(String, String, String)>,
    /// What a form has to hold.
    pub(crate) token: String,
    /// Whether whoever looks here may change nothing.
    pub(crate) is_read_only: bool,
}

/// A page with the way to the others. `place` is the name of the one that it is, or is below of.
pub(crate) fn page(frame: &Frame, place: &str, title: &str, content: &Markup) -> Markup {
    let stack = &frame.stack;
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{title} · {stack}")))
            body {
                a.skip href="#content" { "To the content" }
                header {
                    a.stack href=(address([])) { strong { (stack) } " " span { (frame.at) } }
                    nav aria-label="Pages" {
                        @for (name, title, href) in &frame.ways {
                            a href=(href) aria-current=[(*name == place).then_some("page")] { (title) }
                        }
                    }
                    (search_box())
                    @if frame.is_read_only { span.tag title=(READ_ONLY) { "read-only" } }
                    span #live role="status" {}
                }
                main #content { h1 { (title) } (content) }
            }
        }
    }
}

/// The form that looks for whatever has an id.
pub(crate) fn search_box() -> Markup {
    html! {
        form.search method="get" action=(address(["of"])) role="search" {
            input type="search" name="id" aria-label="Find by an id" placeholder="id of whatever" size="22"
                autocomplete="off" spellcheck="false" required;
            button { "Find" }
        }
    }
}

/// A page before there is anything to lead to.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body { main #content { h1 { (title) } (content) } }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) }
            link rel="stylesheet" href=(address(["style.css"]));
            link rel="icon" href=(address(["icon.svg"])) type="image/svg+xml";
            script src=(address(["console.js"])) defer {}
        }
    }
}

/// A part of a page that asks the stack. What can't be asked, or gives no answer in time, is said in its place.
pub(crate) async fn part(
    id: &str,
    title: &str,
    live: bool,
    asks: impl Future<Output = Result<Markup, Failure>>,
) -> Markup {
    part_within(PATIENCE, id, title, live, asks).await
}

/// The same for what may take longer, because somebody asked for much.
pub(crate) async fn part_within(
    patience: Duration,
    id: &str,
    title: &str,
    live: bool,
    asks: impl Future<Output = Result<Markup, Failure>>,
) -> Markup {
    let content = match tokio::time::timeout(patience, asks).await {
        Ok(Ok(content)) => content,
        Ok(Err(failure)) => problem(&failure.to_string()),
        Err(_) => problem(&no_answer_within(patience)),
    };
    section(id, title, live, &content)
}

/// What is said of a stack that gives none in time.
pub(crate) fn no_answer_within(patience: Duration) -> String {
    format!(
        "no answer within {}: the stack is slow or does not answer",
        age(patience)
    )
}

/// A part of a page. What is live is renewed by the script.
pub(crate) fn section(id: &str, title: &str, live: bool, content: &Markup) -> Markup {
    html! {
        section id=(id) data-live[live] aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            (content)
        }
    }
}

/// The text as a title: its first letter is a capital.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What went wrong, where it would have been shown.
pub(crate) fn problem(why: &str) -> Markup {
    html! { p.problem role="alert" { (why) } }
}

/// A form that changes something: a button, and what is sent with it. Where nothing can be changed there is none.
pub(crate) fn form(frame: &Frame, action: &str, content: &Markup) -> Markup {
    html! {
        @if !frame.is_read_only {
            form method="post" action=(action) {
                input type="hidden" name=(TOKEN) value=(frame.token);
                (content)
            }
        }
    }
}

/// A button alone that does something at that address, with hidden fields.
pub(crate) fn button(frame: &Frame, action: &str, label: &str, fields: &[(&str, &str)]) -> Markup {
    let content = html! {
        @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
        button { (label) }
    };
    form(frame, action, &content)
}

/// The name of the field that says which of a page's changes is asked for.
pub(crate) const DO: &str = "do";

/// A button alone for one of a page's changes, with hidden fields.
pub(crate) fn doing(
    frame: &Frame,
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
    form(frame, action, &content)
}

/// The page of a thing.
pub(crate) fn page_of(key: &Key) -> String {
    address(["of", key.category.name(), &key.id])
}

/// A word of the rules as people read it.
pub(crate) fn in_words(word: &str) -> String {
    word.replace('_', " ")
}

/// A moment, with how long ago it was or how long it takes until then.
pub(crate) fn time(at: Timestamp, now: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) title=(text) { (relative(at, now)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_gets_no_answer_says_so_and_does_not_wait_for_ever() {
        let never = std::future::pending::<Result<Markup, Failure>>();
        let shown = part("p", "Part", true, never).await.into_string();
        assert!(shown.contains("no answer within 4 s"), "{shown}");
    }

    #[tokio::test]
    async fn what_failed_is_said_in_its_place_and_escaped() {
        let failed = async { Err(Failure::Failed("<b>broken</b>".into())) };
        let shown = part("p", "Part", false, failed).await.into_string();
        assert!(shown.contains("&lt;b&gt;broken&lt;/b&gt;"), "{shown}");
        assert!(!shown.contains("data-live"), "{shown}");
    }

    #[test]
    fn a_title_begins_with_a_capital() {
        assert_eq!(capitalised("loans"), "Loans");
        assert_eq!(capitalised("éclairs"), "Éclairs");
        assert_eq!(capitalised(""), "");
    }
}
