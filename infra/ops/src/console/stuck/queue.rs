//! One dead-letter queue: its letters, by code and error.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use eventsourcing::{Clock, Timestamp};
use maud::{Markup, html};

use super::super::answer::Answer;
use super::super::asked::{Asked, address};
use super::super::layout;
use super::super::pages::Pages;
use super::groups::{Filter, Group, NO_CODE, error_mark};
use super::list::{actions, code, unseen};
use super::looking::{LOOKED_AT, Seen, SeenLetter};
use super::words::{OF_SQS, advice, short};
use crate::failure::Failure;
use crate::kinds::Key;
use crate::output::count;
use crate::stack::Stack;

/// How many letters a page shows.
const ON_A_PAGE: usize = 50;

/// How much of an error is shown here.
const ERROR: usize = 300;

pub(super) async fn page(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
) -> Result<Answer, Failure> {
    let filter = Filter::of_address(asked)?;
    let part = layout::part("letters", "Letters", true, async {
        // For whether they have changed since the last look.
        pages.letters.counted(stack).await;
        let seen = pages.letters.of_queue(queue).await?;
        Ok(shown(pages, asked, queue, &filter, &seen, stack.clock.now()))
    });
    let about = stack
        .bundle
        .registry
        .function(queue)
        .map(|function| function.about);
    let content = html! {
        p.quiet {
            a href=(address(["letters"])) { "All dead letters" }
            @if let Some(about) = about { " · what the queue is for: " (about) }
        }
        (part.await)
    };
    let title = format!("Dead letters of {queue}");
    Ok(pages.page(asked, "letters", &title, &content))
}

fn shown(pages: &Pages, asked: &Asked, queue: &str, filter: &Filter, seen: &Seen, now: Timestamp) -> Markup {
    let letters: Vec<_> = seen
        .letters
        .iter()
        .filter(|letter| filter.holds(letter))
        .collect();
    // Errors of several letters among others.
    let groups = Group::all(letters.iter().copied());
    let shared = groups
        .iter()
        .filter(|group| groups.len() > 1 && group.letters.len() > 1);
    let shared: BTreeSet<_> = shared.map(|group| error_mark(&group.error)).collect();
    let number = asked.param("page").and_then(|page| page.parse::<usize>().ok());
    let last = letters.len().div_ceil(ON_A_PAGE).max(1);
    let number = number.unwrap_or(1).clamp(1, last);
    let on_page: Vec<_> = letters
        .iter()
        .skip((number - 1) * ON_A_PAGE)
        .take(ON_A_PAGE)
        .collect();
    html! {
        p.sum {
            strong { (count(seen.of, "letter", "letters")) }
            span.quiet { "looked at " (layout::time(seen.at, now)) }
            a href=(asked.with(&[("again", Some("1"))])) { "Look again" }
        }
        (unseen(seen))
        @if seen.letters.is_empty() && seen.held == 0 {
            p.empty { strong { "This queue is empty." } " Nothing waits for you here." }
        }
        @if !seen.letters.is_empty() {
            (codes(asked, filter, seen))
            (meant(pages, asked, queue, filter, &letters, seen))
        }
        @if !on_page.is_empty() {
            table.letters {
                thead {
                    tr {
                        th scope="col" { "letter" }
                        th scope="col" { "code" }
                        th scope="col" { "sent here" }
                        th.number scope="col" { "receives" }
                        th scope="col" { "about" }
                        th scope="col" { "error" }
                    }
                }
                tbody { @for letter in on_page { (row(asked, queue, letter, &shared, now)) } }
            }
        }
        @if last > 1 { (turning(asked, number, last)) }
    }
}

/// How many there are of each code, each with the way to them.
fn codes(asked: &Asked, filter: &Filter, seen: &Seen) -> Markup {
    let mut codes: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for letter in &seen.letters {
        *codes.entry(letter.shown.error_code.as_deref()).or_default() += 1;
    }
    let to = |code| asked.with(&[("code", code), ("error", None), ("page", None), ("said", None)]);
    html! {
        nav.filters aria-label="By code" {
            a href=(to(None)) aria-current=[filter.code.is_none().then_some("true")] { "all " span.quiet { (seen.letters.len()) } }
            @for (code, letters) in codes {
                @let of_code = Filter::of_group(code, None);
                a href=(to(of_code.code)) aria-current=[(filter.code == of_code.code).then_some("true")] {
                    (code.unwrap_or(OF_SQS)) " " span.quiet { (letters) }
                }
            }
        }
    }
}

/// What the letters have in common that are shown, and what can be done with all of them.
fn meant(
    pages: &Pages,
    asked: &Asked,
    queue: &str,
    filter: &Filter,
    letters: &[&SeenLetter],
    seen: &Seen,
) -> Markup {
    let code_of = |letter: &&SeenLetter| letter.shown.error_code.clone().unwrap_or(NO_CODE.to_owned());
    let codes: BTreeSet<_> = letters.iter().map(code_of).collect();
    let one_code = codes.first().filter(|_| codes.len() == 1);
    let one_code = one_code.map(String::as_str);
    let groups = Group::all(letters.iter().copied());
    let error = filter.error.as_ref().and(groups.first());
    let mending = match letters {
        [letter] => format!("{}?data=1", address(["letters", queue, &letter.shown.message_id])),
        _ => String::new(),
    };
    html! {
        @if letters.is_empty() {
            p.empty { "No letter of this queue is like that any more. " a href=(address(["letters", queue])) { "All of them" } }
        } @else {
            div.meant {
                @if let Some(group) = error {
                    p { "With the error " q.error { (group.error) } " "
                        a href=(asked.with(&[("error", None), ("page", None), ("said", None)])) { "whatever the error" } }
                }
                @if let Some(code) = one_code {
                    p.quiet {
                        (advice(queue, Some(code).filter(|code| *code != NO_CODE)))
                        @if code == "malformed" && letters.len() > 1 { " Open a letter to mend it." }
                    }
                }
                div.actions {
                    // Of what was not looked at there may be more that is meant.
                    @let all = if seen.letters.len() == LOOKED_AT { usize::MAX } else { letters.len() };
                    (of_all(pages, queue, one_code, all, &mending, filter))
                }
            }
        }
    }
}

fn of_all(
    pages: &Pages,
    queue: &str,
    one_code: Option<&str>,
    letters: usize,
    mending: &str,
    filter: &Filter,
) -> Markup {
    if letters == usize::MAX {
        let at = address(["letters", queue]);
        let fields = filter.fields();
        return html! {
            (layout::doing(&pages.frame, &at, "redrive", "Send back all of these", None, &fields))
            (layout::doing(&pages.frame, &at, "drop", "Drop all of these…", Some("danger"), &fields))
        };
    }
    // Several that can't be read are mended one by one, and of different codes nothing helps all.
    let code = match one_code {
        None => Some("rejected"),
        Some("malformed") if letters > 1 => Some("rejected"),
        Some(NO_CODE) => None,
        Some(code) => Some(code),
    };
    actions(pages, queue, code, letters, mending, filter)
}

fn row(asked: &Asked, queue: &str, letter: &SeenLetter, shared: &BTreeSet<String>, now: Timestamp) -> Markup {
    let shown = &letter.shown;
    let id = shown.message_id.as_str();
    let mark = error_mark(&shown.error);
    let of_error = asked.with(&[("error", Some(&mark)), ("page", None), ("said", None)]);
    html! {
        tr {
            td.id { a href=(address(["letters", queue, id])) { (id) } }
            td { (code(shown.error_code.as_deref())) }
            td.when { @match shown.sent_at { Some(at) => { (layout::time(at, now)) } None => { "–" } } }
            td.number { (shown.receive_count) }
            td { (about(letter)) }
            td.error {
                (short(&shown.error, ERROR))
                @if shared.contains(&mark) { " " a.quiet href=(of_error) { "all like this" } }
            }
        }
    }
}

/// The way to the thing that a letter is about.
pub(super) fn about(letter: &SeenLetter) -> Markup {
    html! {
        @match (&letter.about, &letter.shown.stream_id) {
            (Some(key), _) => { (of(key)) }
            (None, Some(stream)) => { (stream) }
            (None, None) => { span.quiet { "can't be told" } }
        }
    }
}

fn of(key: &Key) -> Markup {
    html! { a href=(layout::page_of(key)) { (key) } }
}

fn turning(asked: &Asked, number: usize, last: usize) -> Markup {
    let to = |page: usize| asked.with(&[("page", Some(&page.to_string())), ("said", None)]);
    html! {
        nav.filters aria-label="Pages of letters" {
            @if number > 1 { a rel="prev" href=(to(number - 1)) { "earlier" } }
            span.quiet { "page " (number) " of " (last) }
            @if number < last { a rel="next" href=(to(number + 1)) { "later" } }
        }
    }
}
