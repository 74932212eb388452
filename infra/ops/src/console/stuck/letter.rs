//! One dead letter: why it is here, what it holds if that is asked for, and a form to mend it.

use std::rc::Rc;

use aws_adapters::{Received, dead_letter_queue};
use eventsourcing::Clock;
use maud::{Markup, html};

use super::super::answer::Answer;
use super::super::asked::{Asked, TOKEN, address};
use super::super::layout;
use super::super::pages::Pages;
use super::list::code;
use super::looking::SeenLetter;
use super::parts::whole_name;
use super::queue::about;
use super::words::{advice, indented, size};
use crate::dead_letters::Mended;
use crate::failure::Failure;
use crate::letters;
use crate::output::plain;
use crate::send::Allowed;
use crate::stack::Stack;

/// What a form says beside a box that is ticked.
const TICKED: &str = "yes";

pub(super) async fn page(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
    id: &str,
) -> Result<Answer, Failure> {
    let with_data = asked.param("data") == Some("1");
    let seen = if with_data {
        None
    } else {
        pages.letters.counted(stack).await;
        Some(pages.letters.of_queue(queue).await?)
    };
    let known = seen.iter().flat_map(|seen| &seen.letters);
    let mut known = known.filter(|letter| letter.shown.message_id == id);
    let content = if let Some(letter) = known.next() {
        shown(pages, stack, asked, queue, letter, None)
    } else {
        // For its body, or because it was not among those that were seen.
        let letter = receive(pages, stack, queue, id).await?;
        let body = with_data.then_some(letter.body.as_str());
        let letter = SeenLetter::of(stack, &dead_letter_queue(queue), &letter);
        shown(pages, stack, asked, queue, &letter, body)
    };
    let title = format!("A dead letter of {queue}");
    Ok(pages.page(asked, "letters", &title, &content))
}

/// Receives a letter, and lets it go again.
async fn receive(pages: &Pages, stack: &Stack, queue: &str, id: &str) -> Result<Received, Failure> {
    let dead_letter_queue = dead_letter_queue(queue);
    let _alone = pages.letters.alone(queue).await;
    let found = letters::find(stack, &dead_letter_queue, id).await;
    stack.let_go().await;
    if let Some(letter) = found? {
        return Ok(letter);
    }
    let name = whole_name(pages, queue);
    let counts = letters::counts(stack, &dead_letter_queue).await?;
    Err(match counts.map_or(0, |counts| counts.held) {
        0 => Failure::NotFound(format!(
            "{id} is not in {name} any more: it was sent back or dropped, or never was there"
        )),
        held => Failure::NotFound(format!(
            "{id} is not among what can be received from {name}: it was sent back or dropped, or is one of {held} that \
             another reader holds and that come back by themselves"
        )),
    })
}

fn shown(
    pages: &Pages,
    stack: &Stack,
    asked: &Asked,
    queue: &str,
    letter: &SeenLetter,
    body: Option<&str>,
) -> Markup {
    let shown = &letter.shown;
    let now = stack.clock.now();
    let itself = address(["letters", queue, &shown.message_id]);
    let code_of = shown.error_code.as_deref();
    let primary = matches!(code_of, None | Some("exhausted")).then_some("primary");
    let with_data = asked.with(&[("data", Some("1")), ("said", None)]);
    let is_mended = code_of == Some("malformed");
    html! {
        p.quiet { (ways(queue)) }
        section #letter aria-label="The letter" {
            p.why { (code(code_of)) " " strong.error { (shown.error) } }
            p.quiet { (advice(queue, code_of)) }
            dl.facts {
                div { dt { "about" } dd { (about(letter)) } }
                div { dt { "sent here" } dd { @match shown.sent_at { Some(at) => { (layout::time(at, now)) } None => { "–" } } } }
                div { dt { "receives" } dd { (shown.receive_count) } }
                div { dt { "message id" } dd { code { (shown.message_id) } } }
                div { dt { "body" } dd { (size(letter.bytes)) } }
                div { dt { "attributes" } dd {
                    @if letter.attributes.is_empty() { "none" } @else { (letter.attributes.join(", ")) }
                } }
            }
            div.actions {
                @if body.is_none() {
                    a.do.primary[is_mended] href=(with_data) {
                        @if pages.is_read_only() { "Show what it holds" } @else { "Show what it holds, and mend it" }
                    }
                }
                (layout::doing(&pages.frame, &itself, "redrive", "Send back as it is", primary, &[]))
                (layout::doing(&pages.frame, &itself, "drop", "Drop…", Some("danger"), &[]))
            }
        }
        @if let Some(body) = body { (mending(pages, queue, &shown.message_id, body, asked)) }
    }
}

fn ways(queue: &str) -> Markup {
    html! {
        a href=(address(["letters"])) { "All dead letters" } " · "
        a href=(address(["letters", queue])) { "those of " (queue) }
    }
}

/// What it holds; in a form if it may be mended.
fn mending(pages: &Pages, queue: &str, id: &str, body: &str, asked: &Asked) -> Markup {
    let hide = asked.with(&[("data", None), ("said", None)]);
    html! {
        section #body aria-labelledby="body-title" {
            h2 #body-title { "What it holds" }
            p { a href=(hide) { "Hide it" } }
            @if pages.is_read_only() {
                pre { (indented(body)) }
            } @else {
                (form(pages, queue, id, &Written::to_begin(body)))
            }
        }
    }
}

/// What somebody made of a letter's body.
pub(super) struct Written {
    body: String,
    /// What the letter holds.
    original: String,
    unknown_fields: bool,
    everything: bool,
}

impl Allowed for Written {
    fn everything(&self) -> bool {
        self.everything
    }

    fn unknown_fields(&self) -> bool {
        self.unknown_fields
    }
}

impl Written {
    fn to_begin(original: &str) -> Self {
        Self {
            body: indented(original),
            original: original.to_owned(),
            unknown_fields: false,
            everything: false,
        }
    }

    pub(super) fn of(asked: &Asked) -> Self {
        // A form's lines end in CR LF, whatever they were: in JSON that says the same.
        let field = |name| asked.field(name).unwrap_or_default().replace("\r\n", "\n");
        let is_ticked = |name| asked.field(name) == Some(TICKED);
        Self {
            body: field("body"),
            original: field("original"),
            unknown_fields: is_ticked("unknown_fields"),
            everything: is_ticked("everything"),
        }
    }

    pub(super) fn mended(&self) -> Mended {
        Mended::of(&self.body, "the text")
    }

    /// All that the queue's function would say against it.
    pub(super) fn faults(&self, pages: &Pages, queue: &str) -> Vec<String> {
        let faults = self.mended().faults(&pages.stack, queue, self, &self.original);
        let short = |fault: String| match fault.strip_prefix("the text, ") {
            Some(fault) => fault.replace("\n  the text, ", "\n"),
            None => fault,
        };
        faults.into_iter().map(short).collect()
    }
}

/// The page with what somebody has written and what is wrong with it. It asks the stack nothing.
pub(super) fn check(pages: &Pages, asked: &Asked, queue: &str, id: &str) -> Answer {
    let written = Written::of(asked);
    let content = html! {
        p.quiet { (ways(queue)) " · " a href=(address(["letters", queue, id])) { "the letter" } }
        section #body aria-label="The mended letter" { (form(pages, queue, id, &written)) }
    };
    let title = format!("Mend a dead letter of {queue}");
    pages.page(asked, "letters", &title, &content)
}

/// The text without what is not shown as it is, line by line.
fn plain_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| plain(line.trim_end_matches('\r')));
    lines.collect::<Vec<_>>().join("\n")
}

fn form(pages: &Pages, queue: &str, id: &str, written: &Written) -> Markup {
    let faults = written.faults(pages, queue);
    let itself = address(["letters", queue, id]);
    let checking = format!("{itself}?check=1");
    let function = pages.stack.bundle.registry.function(queue);
    let is_read = function.is_some_and(|function| function.read_command("").is_some());
    let lines = written.body.lines().count().clamp(6, 30);
    html! {
        form.block.mend method="post" action=(itself) data-check=(checking) {
            input type="hidden" name=(TOKEN) value=(pages.frame.token);
            input type="hidden" name="original" value=(written.original);
            label for="mended" { "The message as it will be sent" }
            // The first line break of what is in there is not part of it.
            textarea #mended name="body" rows=(lines) spellcheck="false" autocomplete="off" { "\n" (written.body) }
            @if plain_lines(&written.original) != written.original {
                p.problem {
                    "It holds characters that are not shown, or that turn text around: what you see may not be what is \
                     sent. Written as \\u escapes they are seen."
                }
            }
            div #faults.problem[!faults.is_empty()] role="status" {
                @if !faults.is_empty() {
                    ul { @for fault in &faults { li { (fault) } } }
                } @else if written.everything {
                    "It is sent unchecked."
                } @else if is_read {
                    "The function can read it."
                } @else {
                    "It is JSON. No function reads this queue as commands, so that is all that can be told."
                }
            }
            label.box { input type="checkbox" name="unknown_fields" value=(TICKED) checked[written.unknown_fields]; " Send fields that the function does not know, and ignores" }
            label.box { input type="checkbox" name="everything" value=(TICKED) checked[written.everything]; " Send it unchecked, even if it ends here again" }
            div.actions {
                button.primary name=(layout::DO) value="mend" { "Send back mended" }
                button name=(layout::DO) value="check" formaction=(checking) { "Check" }
            }
        }
    }
}
