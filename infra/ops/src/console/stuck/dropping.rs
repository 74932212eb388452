//! Letters are dropped in two steps: the first shows exactly what would be gone, the second drops that and no more.

use std::rc::Rc;

use aws_adapters::dead_letter_queue;
use eventsourcing::Clock;
use maud::{Markup, html};

use super::super::answer::Answer;
use super::super::asked::{Asked, address};
use super::super::layout;
use super::super::pages::Pages;
use super::groups::Group;
use super::list::code;
use super::looking::SeenLetter;
use super::parts::whole_name;
use super::words::short;
use crate::arguments::Which;
use crate::dead_letters::{self, Meant};
use crate::failure::Failure;
use crate::output::{Change, count};
use crate::stack::Stack;

/// The field with the id of a letter that was shown.
const ID: &str = "id";

/// How many letters are listed one by one.
const LISTED: usize = 100;

/// How much of an error is shown here.
const ERROR: usize = 300;

pub(super) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
    mut which: Which,
    back: &str,
) -> Result<Answer, Failure> {
    let shown = asked.fields().filter(|(name, _)| *name == ID);
    let shown: Vec<_> = shown.map(|(_, id)| id.to_owned()).collect();
    let is_sure = !shown.is_empty();
    if is_sure {
        which.ids = shown;
    }
    let dead_letter_queue = dead_letter_queue(queue);
    let alone = pages.letters.alone(queue).await;
    let meant = dead_letters::meant(stack, &dead_letter_queue, &which).await;
    let answer = match meant {
        Ok(meant) if is_sure => {
            let outcome = dead_letters::dropped(stack, &dead_letter_queue, meant).await;
            let list = address(["letters", queue]);
            pages.done_at(&list, outcome.told())
        }
        Ok(meant) => sure(pages, stack, asked, queue, &meant, back),
        Err(failure) => pages.done_at(back, Err(failure)),
    };
    stack.let_go().await;
    if is_sure {
        pages.letters.forget(queue);
    }
    drop(alone);
    Ok(answer)
}

/// Says what would be dropped.
fn sure(pages: &Pages, stack: &Stack, asked: &Asked, queue: &str, meant: &Meant, back: &str) -> Answer {
    let dead_letter_queue = dead_letter_queue(queue);
    let letters = meant.letters.iter();
    let letters: Vec<_> = letters
        .map(|letter| SeenLetter::of(stack, &dead_letter_queue, letter))
        .collect();
    let these = match letters.len() {
        1 => "this letter".to_owned(),
        several => format!("these {several} letters"),
    };
    let content = html! {
        section #drop aria-label="What is dropped" {
            p { "From " strong { (whole_name(pages, queue)) } ":" }
            (listed(stack, &letters))
            @if meant.held > 0 {
                p.held { span.tag.warn { (meant.held) " held" } " Another reader holds more that may be like these; they stay." }
            }
            p { "They are deleted for good: nothing brings them back, and what they ask for is not done." }
            div.actions {
                (layout::form(&pages.frame, &address(asked.path()), &html! {
                    @for (name, value) in asked.fields().filter(|(name, _)| ["code", "error"].contains(name)) {
                        input type="hidden" name=(name) value=(value);
                    }
                    @for letter in &letters { input type="hidden" name=(ID) value=(letter.shown.message_id); }
                    button.danger.sure name=(layout::DO) value="drop" { "Drop " (these) }
                }))
                a.do href=(back) { "Keep " (if letters.len() == 1 { "it" } else { "them" }) }
            }
        }
    };
    let title = format!("Drop {}?", count(letters.len(), "dead letter", "dead letters"));
    pages.page(asked, "letters", &title, &content)
}

fn listed(stack: &Stack, letters: &[SeenLetter]) -> Markup {
    let now = stack.clock.now();
    html! {
        table.letters {
            thead { tr { th.number scope="col" { "letters" } th scope="col" { "code" } th scope="col" { "error" } } }
            tbody {
                @for group in Group::all(letters) {
                    tr {
                        td.number { (group.letters.len()) }
                        td { (code(group.code)) }
                        td.error { (short(&group.error, ERROR)) }
                    }
                }
            }
        }
        details {
            summary { "Each of them" }
            ul.ids {
                @for letter in letters.iter().take(LISTED) {
                    li {
                        code { (letter.shown.message_id) } " "
                        (super::queue::about(letter))
                        @if let Some(at) = letter.shown.sent_at { " " span.quiet { (layout::time(at, now)) } }
                    }
                }
                @if letters.len() > LISTED { li.quiet { "and " (letters.len() - LISTED) " more" } }
            }
        }
    }
}
