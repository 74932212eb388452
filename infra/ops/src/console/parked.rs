//! The outbox: what the relay could not deliver, what is tried again by itself and what waits for somebody.

use std::collections::BTreeSet;
use std::rc::Rc;

use aws_adapters::{CommitRef, Delivery, OutboxEntry};
use eventsourcing::{Clock, Timestamp};
use futures::future::try_join;
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::{Asked, address};
use super::layout;
use super::pages::{Pages, nothing_here};
use crate::called;
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::outbox;
use crate::output::{Change, count};
use crate::stack::Stack;

/// How many entries of a state are shown.
const SHOWN: usize = 100;

/// The field with an entry that is meant: its revision, a blank, its stream.
const ENTRY: &str = "entry";

/// The field that says that all are meant which are parked.
const ALL: &str = "all";

/// The field that says that somebody has seen what would be dropped.
const SURE: &str = "sure";

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    match (path, asked.changes()) {
        ([], false) => Ok(page(pages, stack, asked).await),
        ([], true) => change(pages, stack, asked).await,
        _ => Err(nothing_here()),
    }
}

async fn page(pages: &Pages, stack: &Stack, asked: &Asked) -> Answer {
    let (parked, pending) = futures::future::join(
        layout::part("parked", "Parked", true, parked(pages, stack)),
        layout::part("pending", "Pending", true, pending(pages, stack)),
    )
    .await;
    let content = html! {
        p.quiet {
            "Commits whose events did not reach all their queues, or the event bus. They are in the event table, and wait here to be sent."
        }
        (parked) (pending)
    };
    pages.page(asked, "outbox", "Outbox", &content)
}

async fn parked(pages: &Pages, stack: &Stack) -> Result<Markup, Failure> {
    let (entries, all) = both(stack, Delivery::Parked).await?;
    let label = |verb: &str, end: &str| match all {
        1 => format!("{verb} it{end}"),
        _ => format!("{verb} all {all}{end}"),
    };
    Ok(html! {
        @if entries.is_empty() {
            p.empty { strong { "Nothing is parked." } " What can't be sent for three days, or never can be, stops here and waits for you." }
        } @else {
            p.sum { strong { (count(all, "entry", "entries")) } span.quiet { "nobody tries these again until you say so" } }
            div.actions {
                (doing(pages, "redrive", &label("Send", " again"), Some("primary"), (ALL, "1")))
                (doing(pages, "drop", &label("Drop", "…"), Some("danger"), (ALL, "1")))
            }
            (table(pages, stack, &entries))
            (more(entries.len(), all))
        }
    })
}

async fn pending(pages: &Pages, stack: &Stack) -> Result<Markup, Failure> {
    let (entries, all) = both(stack, Delivery::Pending).await?;
    Ok(html! {
        @if entries.is_empty() {
            p.empty { strong { "Nothing is pending." } " What could not be sent is tried again from here, by itself." }
        } @else {
            p.sum { strong { (count(all, "entry", "entries")) } span.quiet { "tried again by themselves when they are due" } }
            (table(pages, stack, &entries))
            (more(entries.len(), all))
        }
    })
}

async fn both(stack: &Stack, delivery: Delivery) -> Result<(Vec<OutboxEntry>, u64), Failure> {
    let entries = outbox::entries(stack, delivery, SHOWN);
    try_join(entries, outbox::counted(stack, delivery)).await
}

fn more(shown: usize, all: u64) -> Markup {
    html! { @if all > shown as u64 { p.quiet { "The " (shown) " that are due first are shown." } } }
}

fn table(pages: &Pages, stack: &Stack, entries: &[OutboxEntry]) -> Markup {
    let now = stack.clock.now();
    let kinds = Kinds::of(&stack.bundle.streams);
    let is_parked = entries.iter().all(|entry| entry.delivery == Delivery::Parked);
    html! {
        table.letters.entries {
            thead {
                tr {
                    th scope="col" { "stream" }
                    th.number scope="col" { "revision" }
                    th scope="col" { "why" }
                    th.number scope="col" { "attempts" }
                    th scope="col" { "first" }
                    th scope="col" { "last" }
                    th scope="col" { @if is_parked { "parked" } @else { "next" } }
                    th scope="col" { "what to do" }
                }
            }
            tbody { @for entry in entries { (row(pages, &kinds, entry, now)) } }
        }
    }
}

fn row(pages: &Pages, kinds: &Kinds<'_>, entry: &OutboxEntry, now: Timestamp) -> Markup {
    let this = named(&entry.commit);
    let to: Vec<_> = entry.undelivered_to.iter().map(String::as_str).collect();
    html! {
        tr {
            td.id { (stream(kinds, &entry.commit.stream)) }
            td.number data-title="revision" { (entry.commit.revision) }
            td.why.error { (entry.last_error) @if !to.is_empty() { p.quiet { "not sent to " (to.join(", ")) } } }
            td.number data-title="attempts" { (entry.attempts) }
            td.when data-title="first" { (layout::time(entry.first_attempt_at, now)) }
            td.when data-title="last" { (layout::time(entry.last_attempt_at, now)) }
            td.when data-title=(if entry.delivery == Delivery::Parked { "parked" } else { "next" }) { (next(entry, now)) }
            td.actions {
                (doing(pages, "redrive", "Send again", None, (ENTRY, &this)))
                (doing(pages, "drop", "Drop…", Some("danger"), (ENTRY, &this)))
            }
        }
    }
}

/// When it is tried again; of one that is not, since when.
fn next(entry: &OutboxEntry, now: Timestamp) -> Markup {
    html! {
        @match entry.delivery {
            Delivery::Pending if entry.next_attempt_at <= now => { span.tag.warn { "due" } }
            _ => (layout::time(entry.next_attempt_at, now)),
        }
    }
}

/// The way to the thing whose stream it is.
fn stream(kinds: &Kinds<'_>, stream: &str) -> Markup {
    html! {
        @match kinds.of_stream(stream) {
            Some(key) => { a href=(layout::page_of(&key)) { (stream) } }
            None => { (stream) }
        }
    }
}

fn doing(pages: &Pages, what: &str, label: &str, class: Option<&str>, field: (&str, &str)) -> Markup {
    layout::doing(&pages.frame, &address(["outbox"]), what, label, class, &[field])
}

fn named(commit: &CommitRef) -> String {
    format!("{} {}", commit.revision, commit.stream)
}

async fn change(pages: &Pages, stack: &Stack, asked: &Asked) -> Result<Answer, Failure> {
    let drops = match asked.field(layout::DO) {
        Some("redrive") => false,
        Some("drop") => true,
        _ => return Err(nothing_here()),
    };
    let done = |outcome| Ok(pages.done(&["outbox"], outcome));
    let entries = match meant(stack, asked).await {
        Ok(entries) => entries,
        Err(failure) => return done(Err(failure)),
    };
    if drops && asked.field(SURE).is_none() {
        return Ok(sure(pages, stack, asked, &entries));
    }
    let commits: Vec<_> = entries.into_iter().map(|entry| entry.commit).collect();
    let outcome = if drops {
        outbox::dropped(stack, &commits).await
    } else {
        outbox::redriven(stack, &commits).await
    };
    done(outcome.told())
}

/// The entries that a form means: all that are parked, or those that it names.
async fn meant(stack: &Stack, asked: &Asked) -> Result<Vec<OutboxEntry>, Failure> {
    let mut entries = outbox::entries(stack, Delivery::Parked, usize::MAX).await?;
    let of_form = asked.fields().filter(|(name, _)| *name == ENTRY);
    let of_form: BTreeSet<_> = of_form.map(|(_, entry)| entry).collect();
    if asked.field(ALL).is_none() {
        entries.extend(outbox::entries(stack, Delivery::Pending, usize::MAX).await?);
        entries.retain(|entry| of_form.contains(named(&entry.commit).as_str()));
    }
    if entries.is_empty() {
        return Err(Failure::NotFound(
            "the outbox holds nothing of that any more: it was sent, or dropped by somebody else".into(),
        ));
    }
    Ok(entries)
}

/// Says what would be dropped.
fn sure(pages: &Pages, stack: &Stack, asked: &Asked, entries: &[OutboxEntry]) -> Answer {
    let now = stack.clock.now();
    let kinds = Kinds::of(&stack.bundle.streams);
    let these = match entries.len() {
        1 => "this entry".to_owned(),
        several => format!("these {several} entries"),
    };
    let content = html! {
        section #drop aria-label="What is dropped" {
            table.letters {
                thead { tr { th scope="col" { "stream" } th.number scope="col" { "revision" } th scope="col" { "why" } th scope="col" { "first" } } }
                tbody {
                    @for entry in entries {
                        tr {
                            td.id { (stream(&kinds, &entry.commit.stream)) }
                            td.number { (entry.commit.revision) }
                            td.error { (entry.last_error) }
                            td.when { (layout::time(entry.first_attempt_at, now)) }
                        }
                    }
                }
            }
            p { "Their events stay in the event table, and are not sent: what follows from them does not happen. Only "
                code { (called::name()) " republish" } " sends them then." }
            div.actions {
                (layout::form(&pages.frame, &address(["outbox"]), &html! {
                    input type="hidden" name=(SURE) value="1";
                    @for entry in entries { input type="hidden" name=(ENTRY) value=(named(&entry.commit)); }
                    button.danger.sure name=(layout::DO) value="drop" { "Drop " (these) }
                }))
                a.do href=(address(["outbox"])) { "Keep " (if entries.len() == 1 { "it" } else { "them" }) }
            }
        }
    };
    let title = format!("Drop {} of the outbox?", count(entries.len(), "entry", "entries"));
    pages.page(asked, "outbox", &title, &content)
}
