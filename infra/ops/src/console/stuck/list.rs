//! All dead-letter queues that hold anything.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use eventsourcing::{Clock, Timestamp};
use futures::future::join_all;
use maud::{Markup, html};

use super::super::answer::Answer;
use super::super::asked::{Asked, address};
use super::super::layout;
use super::super::pages::Pages;
use super::groups::{Filter, Group};
use super::looking::{Counted, Seen};
use super::parts::whole_name;
use super::words::{OF_SQS, advice, short};
use crate::called;
use crate::failure::Failure;
use crate::output::{age, count, one_or_more};
use crate::stack::Stack;

/// For how long the list waits for a look at a queue; the look goes on.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many groups of a queue are shown here.
const SHOWN: usize = 4;

/// How much of an error is shown here.
const ERROR: usize = 300;

pub(super) async fn page(pages: &Rc<Pages>, stack: &Stack, asked: &Asked) -> Answer {
    let part = layout::part("letters", "By queue", true, shown(pages, stack, asked)).await;
    pages.page(asked, "letters", "Dead letters", &part)
}

async fn shown(pages: &Rc<Pages>, stack: &Stack, asked: &Asked) -> Result<Markup, Failure> {
    let counted = pages.letters.counted(stack).await;
    let looks = counted.iter().map(|counted| look(pages, counted));
    let looks: Vec<_> = join_all(looks).await.into_iter().flatten().collect();
    let letters: usize = counted.iter().map(Counted::all).sum();
    let queues = counted.iter().filter(|counted| counted.all() > 0).count();
    let seen = looks.iter().filter_map(|(_, look)| look.as_ref().ok());
    let oldest_look = seen.map(|seen| seen.at).min();
    let now = stack.clock.now();
    Ok(html! {
        @if looks.is_empty() {
            p.empty {
                strong { "No dead letters." }
                " What a function can't handle ends here, with the reason, and waits for you. "
                span.quiet { "All " (counted.len()) " dead-letter queues are empty." }
            }
        } @else {
            p.sum {
                strong { (count(letters, "letter", "letters")) " in " (count(queues, "queue", "queues")) }
                @if let Some(at) = oldest_look {
                    span.quiet { "looked at " (layout::time(at, now)) }
                    a href=(asked.with(&[("again", Some("1"))])) { "Look again" }
                }
            }
            @for (counted, look) in &looks {
                (of_queue(pages, counted, look, now))
            }
        }
    })
}

/// What there is to see of a queue; nothing if it is empty.
async fn look<'c>(
    pages: &Rc<Pages>,
    counted: &'c Counted,
) -> Option<(&'c Counted, Result<Rc<Seen>, String>)> {
    match &counted.counts {
        Err(why) => return Some((counted, Err(why.clone()))),
        Ok(_) if counted.all() == 0 => return None,
        Ok(_) => {}
    }
    let seen = pages.letters.of_queue(&counted.queue);
    let seen = match tokio::time::timeout(PATIENCE, seen).await {
        Ok(seen) => seen.map_err(|failure| failure.to_string()),
        Err(_) => Err(format!(
            "the look takes longer than {}; it goes on",
            age(PATIENCE)
        )),
    };
    Some((counted, seen))
}

fn of_queue(pages: &Pages, counted: &Counted, look: &Result<Rc<Seen>, String>, now: Timestamp) -> Markup {
    let queue = counted.queue.as_str();
    let holds = look.as_ref().map_or(counted.all(), |seen| seen.of);
    html! {
        div.queue {
            h3 {
                a href=(address(["letters", queue])) { (queue) }
                @if holds > 0 { " " span.tag.bad { (count(holds, "letter", "letters")) } }
            }
            @match look {
                Err(why) => { (layout::problem(&format!("{} could not be looked at: {why}", whole_name(pages, queue)))) }
                Ok(seen) => {
                    (unseen(seen))
                    @if !seen.letters.is_empty() { (groups(pages, queue, seen, now)) }
                }
            }
        }
    }
}

/// What of a queue is not shown, and why.
pub(super) fn unseen(seen: &Seen) -> Markup {
    let shown = seen.letters.len();
    let left = seen.of.saturating_sub(shown + seen.held);
    html! {
        @if seen.held > 0 {
            p.held {
                span.tag.warn { (seen.held) " held" }
                " Another reader has received "
                (if seen.held == 1 { "one letter" } else { "these" })
                ", or it is gone and the count lags behind. What that reader does not delete comes back by itself, within \
                 15 minutes if it is " (called::name()) "."
            }
        }
        @if left > 0 { p.quiet { (shown) " of about " (seen.of) " were looked at." } }
    }
}

fn groups(pages: &Pages, queue: &str, seen: &Seen, now: Timestamp) -> Markup {
    let groups = Group::all(&seen.letters);
    let (shown, others) = groups.split_at(SHOWN.min(groups.len()));
    let mut advised = BTreeSet::new();
    let mut codes: BTreeMap<Option<&str>, Vec<&Group<'_>>> = BTreeMap::new();
    for group in others {
        codes.entry(group.code).or_default().push(group);
    }
    html! {
        table.letters.groups {
            thead {
                tr {
                    th.number scope="col" { "letters" }
                    th scope="col" { "why" }
                    th scope="col" { "first came" }
                    th scope="col" { "last came" }
                    th.number scope="col" title="How often each was received since it is here, looks included" { "receives" }
                    th scope="col" { "what to do" }
                }
            }
            tbody {
                @for group in shown { (row(pages, queue, group, advised.insert(group.code), now)) }
                @for (of, groups) in codes {
                    @let letters: usize = groups.iter().map(|group| group.letters.len()).sum();
                    @let filter = Filter::of_group(of, None);
                    tr.others {
                        td.number data-unit="letters" { (letters) }
                        td.why { (code(of)) " with " (count(groups.len(), "other error", "other errors")) }
                        td {} td {} td {}
                        td.actions { a.do href=(filter.address(queue)) { "Look at all " (of.unwrap_or(OF_SQS)) } }
                    }
                }
            }
        }
    }
}

/// A group. What its code means is said once.
fn row(pages: &Pages, queue: &str, group: &Group<'_>, advises: bool, now: Timestamp) -> Markup {
    let filter = Filter::of_group(group.code, Some(&group.error));
    let page = filter.address(queue);
    let itself = match group.letters.as_slice() {
        [letter] => address(["letters", queue, &letter.shown.message_id]),
        _ => page.clone(),
    };
    // To mend it is to ask for what it holds.
    let mending = match group.letters.as_slice() {
        [_] => format!("{itself}?data=1"),
        _ => itself.clone(),
    };
    let (fewest, most) = group.receives();
    html! {
        tr {
            td.number data-unit=(one_or_more(group.letters.len(), "letter", "letters")) { a href=(itself) { (group.letters.len()) } }
            td.why { (code(group.code)) " " a.error href=(itself) { (short(&group.error, ERROR)) } @if advises { p.quiet { (advice(queue, group.code)) } } }
            @match group.sent() {
                Some((first, last)) => {
                    td.when data-title="first came" { (layout::time(first, now)) }
                    td.when data-title="last came" { @if first == last { "–" } @else { (layout::time(last, now)) } }
                }
                None => { td { "–" } td { "–" } }
            }
            td.number data-title="receives" { (fewest) @if most > fewest { "–" (most) } }
            td.actions { (actions(pages, queue, group.code, group.letters.len(), &mending, &filter)) }
        }
    }
}

/// What can be done with letters that have a code in common. The first is what most likely helps.
pub(super) fn actions(
    pages: &Pages,
    queue: &str,
    code: Option<&str>,
    letters: usize,
    mending: &str,
    filter: &Filter,
) -> Markup {
    let at = address(["letters", queue]);
    let fields = filter.fields();
    let all = |verb: &str, end: &str| match letters {
        1 => format!("{verb}{end}"),
        _ => format!("{verb} all {letters}{end}"),
    };
    let is_mended = code == Some("malformed");
    let plain = (!is_mended && code != Some("rejected")).then_some("primary");
    html! {
        @if is_mended && !pages.is_read_only() { a.do.primary href=(mending) { @if letters == 1 { "Mend…" } @else { "Mend one by one…" } } }
        (layout::doing(&pages.frame, &at, "redrive", &all("Send back", ""), plain, &fields))
        (layout::doing(&pages.frame, &at, "drop", &all("Drop", "…"), Some("danger"), &fields))
    }
}

/// A code as people read it.
pub(super) fn code(code: Option<&str>) -> Markup {
    html! { span.tag.bad { (code.unwrap_or(OF_SQS)) } }
}
