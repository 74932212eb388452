//! What goes on now: what is wrong first, then what is open, what came and went, and the way that messages take.

use std::rc::Rc;
use std::time::Duration;

use bundle::ViewTableForm;
use eventsourcing::{Clock, Read, Timestamp};
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::{Asked, address};
use super::flow;
use super::kept::Known;
use super::layout::{capitalised, in_words, part, section};
use super::pages::Pages;
use super::pulse::is_behind;
use crate::failure::Failure;
use crate::output::{age, count, one_or_more, took};
use crate::stack::Stack;
use crate::views::View;

/// How late views may be before that is worth saying: the relay alone may take some seconds.
const LATE: Duration = Duration::from_secs(30);

/// When counts are so old that it is told.
const OLD: Duration = Duration::from_secs(15);

/// How many minutes the chart shows.
const CHARTED: u32 = 60;

/// Answers what was asked of it.
pub(crate) async fn answer(pages: &Rc<Pages>, stack: &Stack, asked: &Asked) -> Result<Answer, Failure> {
    let views: Vec<_> = stack.bundle.registry.views().collect();
    let (problems, open, flow) = futures::join!(
        part("problems", "Problems", true, problems(pages, stack, &views)),
        futures::future::join_all(views.iter().map(async |form| {
            let title = capitalised(form.listing.many);
            part(form.listing.command, &title, true, of_view(pages, stack, form)).await
        })),
        part("flow", "On the way", true, flow::draw(pages, stack)),
    );
    let content = html! {
        (problems)
        div.beside {
            (section("today", "Today", true, &today(pages, stack, &views)))
            div { @for view in &open { (view) } }
        }
        (flow)
    };
    Ok(pages.page(asked, "now", "Now", &content))
}

/// One thing that is wrong, and where it is mended.
struct Problem {
    what: String,
    href: String,
    is_bad: bool,
}

async fn problems(pages: &Rc<Pages>, stack: &Stack, views: &[ViewTableForm]) -> Result<Markup, Failure> {
    let (mut problems, mut missing) = (Vec::new(), Vec::new());
    match pages.waiting().await {
        Ok(counts) => {
            for (queue, since) in pages.busy.for_long(&counts.value) {
                problems.push(Problem {
                    what: format!("{queue} has not been empty for {}", age(since)),
                    href: format!("{}#flow", address([])),
                    is_bad: false,
                });
            }
            let dead: usize = counts.value.values().map(|queued| queued.dead).sum();
            if dead > 0 {
                problems.push(Problem {
                    what: count(dead, "dead letter", "dead letters"),
                    href: address(["letters"]),
                    is_bad: true,
                });
            }
        }
        Err(failure) => missing.push(failure.to_string()),
    }
    match pages.undelivered().await {
        Ok(Known { value, .. }) => {
            for (number, is_bad, what) in [
                (value.parked, true, "parked in the outbox, for a person"),
                (value.pending, false, "in the outbox, sent again by itself"),
            ] {
                if number > 0 {
                    problems.push(Problem {
                        what: format!("{} {what}", count(number, "commit", "commits")),
                        href: address(["outbox"]),
                        is_bad,
                    });
                }
            }
        }
        Err(failure) => missing.push(failure.to_string()),
    }
    for form in views {
        match late(pages, stack, form).await {
            Ok(None) => {}
            Ok(Some(late)) => problems.push(Problem {
                what: format!(
                    "the view {} is {} behind its events, or more",
                    form.name,
                    age(late)
                ),
                href: address(["outbox"]),
                is_bad: true,
            }),
            Err(failure) => missing.push(failure.to_string()),
        }
        if let Ok(counts) = pages.open(*form).await {
            let overdue: u64 = counts.value.iter().map(|(_, phase)| phase.overdue).sum();
            if overdue > 0 {
                problems.push(Problem {
                    what: format!("{} overdue", count(overdue, form.listing.one, form.listing.many)),
                    href: format!("{}?overdue=1", address(["view", form.listing.command])),
                    is_bad: true,
                });
            }
        }
    }
    if let Some(trouble) = &pages.pulse.borrow().trouble {
        missing.push(trouble.clone());
    }
    Ok(html! {
        @if problems.is_empty() && missing.is_empty() {
            p { span.tag.good { "all is well" } " Nothing is dead, parked or overdue, and views are up to date." }
        }
        @if !problems.is_empty() {
            div.cards {
                @for problem in &problems {
                    a.card.problem-card.bad[problem.is_bad].warn[!problem.is_bad] href=(problem.href) { (problem.what) }
                }
            }
        }
        @for why in &missing { p.problem { "Not known: " (why) } }
    })
}

/// By how much a view is behind its events, if that is worth saying: the newest event that renews a row is not in
/// its row yet. So far all is late that comes before: the relay, the view's queue, its function.
async fn late(pages: &Pages, stack: &Stack, form: &ViewTableForm) -> Result<Option<Duration>, Failure> {
    let newest = pages.pulse.borrow().newest(form.name).cloned();
    let Some(newest) = newest else {
        return Ok(None);
    };
    let late = stack.clock.now().since(newest.at);
    if late < LATE {
        return Ok(None);
    }
    let view = View::of(stack, form);
    let row = view.reader.row(&newest.id, Read::Consistent).await;
    let row = row.map_err(|error| view.failed(error))?;
    if is_behind(&newest, row.as_ref()) {
        return Ok(Some(late));
    }
    pages.pulse.borrow_mut().is_shown(form.name, &newest);
    Ok(None)
}

/// What is open of a view, by phase.
async fn of_view(pages: &Rc<Pages>, stack: &Stack, form: &ViewTableForm) -> Result<Markup, Failure> {
    let now = stack.clock.now();
    let counts = pages.open(*form).await?;
    let phases = form.listing.phases.iter().filter(|phase| phase.is_open);
    let begun = pages.pulse.borrow().began_a_minute(now, form.name);
    let list = |query: &str| format!("{}{query}", address(["view", form.listing.command]));
    Ok(html! {
        div.cards {
            a.card href=(list("?all=1")) { b { (begun) } span { "begun in the last minute" } }
            @for phase in phases {
                @let counted = counts.value.of(phase.name);
                a.card.bad[counted.overdue > 0] href=(list(&format!("?phase={}", phase.name))) {
                    b { (counted.rows) }
                    span {
                        (in_words(phase.name))
                        @if let Some(oldest) = counted.oldest { ", oldest " (age(now.since(oldest))) }
                        @if counted.overdue > 0 { ", " (counted.overdue) " overdue" }
                    }
                }
            }
            @if let Some(times) = pages.pulse.borrow().took(now, form.name) {
                div.card { b { (took(times.p50)) } span { "p50 from begin to end, of " (times.of) } }
                div.card { b { (took(times.p95)) } span { "p95" } }
            }
        }
        @if counts.age > OLD { p.quiet { "What is open was counted " (age(counts.age)) " ago: that takes a while, and is not done at once again." } }
    })
}

/// What ended within the day, and how much happens.
fn today(pages: &Pages, stack: &Stack, views: &[ViewTableForm]) -> Markup {
    let now = stack.clock.now();
    let pulse = pages.pulse.borrow();
    let is_whole = pulse
        .read_to
        .is_some_and(|read| now.since(read) < Duration::from_secs(10));
    html! {
        div.cards {
            @for form in views {
                @for (how, number) in pulse.ended(now, form.name) {
                    @let phase = how.split(' ').next().unwrap_or_default();
                    a.card href=(format!("{}?phase={phase}", address(["view", form.listing.command]))) {
                        b { (number) }
                        span { (one_or_more(number, form.listing.one, form.listing.many)) " " (in_words(how)) }
                    }
                }
            }
        }
        (chart(&pulse.by_minute(now, CHARTED)))
        @match (pulse.read_to, is_whole) {
            (None, _) => p.quiet { "The day's events are being read …" },
            (Some(read), false) => p.quiet { "The day's events are being read: so far up to " (clock_time(read)) },
            (Some(_), true) => p.quiet { "Bars: events in each minute of the last hour. Endings are those of the last 24 hours, as far as the table's stream goes back." },
        }
    }
}

/// `08:15` of a time.
fn clock_time(at: Timestamp) -> String {
    at.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// Bars, one a minute.
fn chart(minutes: &[u64]) -> Markup {
    let most = minutes.iter().copied().max().unwrap_or_default().max(1);
    let width = 10;
    let total: u64 = minutes.iter().sum();
    html! {
        svg.chart viewBox={ "0 0 " (minutes.len() * width) " 60" } role="img" preserveAspectRatio="none" {
            title { (total) " events within " (minutes.len()) " minutes; at most " (most) " within one" }
            @for (place, number) in minutes.iter().enumerate() {
                @let height = (number * 58).div_ceil(most);
                rect x=(place * width + 1) y=(60 - height) width=(width - 2) height=(height) {
                    title { (number) " events, " (minutes.len() - 1 - place) " min ago" }
                }
            }
        }
    }
}
