//! What only a stack on this machine can do: its clock moves, its systems outside are answered for by hand, its functions
//! fail as they are told, scenarios are played, and all of it starts over.

mod answering;
mod parts;

use std::rc::Rc;
use std::time::Duration;

use bundle::{Scenario, Trigger};
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::Asked;
use super::layout::{button, form, section, time};
use super::local_stack::{LocalStack, Mishap, NotDone, PlayState, Played};
use super::pages::{Pages, nothing_here};
use super::pulse::Pulse;
use crate::failure::Failure;
use crate::output::{age, relative};
use crate::stack::Stack;

use parts::{at, field, story};

impl From<NotDone> for Failure {
    fn from(not_done: NotDone) -> Self {
        Self::Failed(not_done.0)
    }
}

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    let local = pages.local.as_deref().ok_or_else(nothing_here)?;
    if path.is_empty() && !asked.changes() {
        return Ok(pages.page(asked, "bench", "This machine", &all(pages, local)));
    }
    if !asked.changes() {
        return Err(nothing_here());
    }
    let outcome = match path {
        ["clock"] => move_clock(local, asked),
        ["takes"] => take_messages(stack, local, asked),
        ["answer"] => answering::answer(stack, local, asked).await,
        ["mishap"] => set_mishap(local, asked),
        ["play"] => play(pages, local, asked),
        ["start-over"] => start_over(pages, local, asked).await,
        _ => return Err(nothing_here()),
    };
    Ok(pages.done(&["bench"], outcome))
}

fn all(pages: &Pages, local: &dyn LocalStack) -> Markup {
    html! {
        p.quiet {
            "What a stack on this machine can do and no other: time is moved, systems outside answer as you say, functions "
            "fail when you say, and all can begin anew."
        }
        (clock(pages, local))
        (answering::section_of(pages, local))
        (scenarios(pages, local))
        (trouble(pages, local))
        (beginning(pages, local))
    }
}

fn clock(pages: &Pages, local: &dyn LocalStack) -> Markup {
    let clock = local.clock();
    let due = local.next_due();
    let shows = html! {
        div.cards {
            div.card { b { (clock.now.to_string().get(11..19).unwrap_or_default()) } span { (clock.now.to_string().get(..10).unwrap_or_default()) " UTC" } }
            div.card {
                b { @if clock.ahead.is_zero() { "0 s" } @else { (age(clock.ahead)) } }
                span { "ahead of this machine's clock" }
            }
            div.card {
                b { @match &due { Some(due) => (relative(due.at, clock.now)), None => "none" } }
                span {
                    "next deadline"
                    @if let Some(due) = &due { ": " code { (due.queue) } }
                }
            }
        }
    };
    let moves = html! {
        p.quiet {
            "Moves the clock of tables, queues, schedules and functions ahead. Whatever is due by then is handled at once."
        }
        @for (minutes, label) in [("15", "15 minutes"), ("1440", "A day")] {
            (button(&pages.frame, &at("clock"), label, &[("minutes", minutes)]))
        }
        (button(&pages.frame, &at("clock"), "To the next deadline", &[("to", "next")]))
        (form(&pages.frame, &at("clock"), &html! {
            label for="minutes" { "Minutes" }
            input #minutes .minutes type="number" name="minutes" min="1" max=(MOST_MINUTES) required value="60";
            button { "Move" }
        }))
        @if let Some(folder) = local.folder() {
            p.quiet {
                "The tables are in " code { (folder.display()) } ". Their database dates the table stream by this "
                "machine's clock, and at the next start the whole stack goes by that again: what was stored meanwhile is "
                "then dated later than now."
            }
        }
    };
    html! {
        (section("clock", "The clock", true, &shows))
        (moves)
    }
}

/// Ten years: further than any deadline.
const MOST_MINUTES: u64 = 10 * 366 * 24 * 60;

fn move_clock(local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    let now = local.clock().now;
    let (by, why) = if asked.field("to") == Some("next") {
        let due = local
            .next_due()
            .ok_or_else(|| Failure::Failed("nothing waits for its time: no deadline is set".into()))?;
        (
            due.passed_in(now),
            format!(", past the deadline of {}", due.queue),
        )
    } else {
        let minutes = field(asked, "minutes")?;
        let known = minutes.trim().parse().ok();
        let minutes = known.filter(|minutes| (1..=MOST_MINUTES).contains(minutes));
        let minutes = minutes.ok_or_else(|| {
            Failure::Usage(format!(
                "the clock is moved by whole minutes, from 1 to {MOST_MINUTES}: ten years"
            ))
        })?;
        (Duration::from_mins(minutes), String::new())
    };
    local.move_clock(by)?;
    let now = local.clock().now;
    Ok(format!("The clock is {} further{why}: {now}.", age(by)))
}

fn take_messages(stack: &Stack, local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    let function = field(asked, "function")?;
    let takes = field(asked, "takes")? == "yes";
    let registry = &stack.bundle.registry;
    let simulates = registry.function(function).map(|function| function.trigger);
    if !matches!(simulates, Some(Trigger::Outbound(_))) {
        return Err(Failure::Usage(format!(
            "{function} answers for no system outside; expected a simulator, as the page lists them"
        )));
    }
    local.take_messages(function, takes)?;
    Ok(if takes {
        format!("{function} answers by itself again.")
    } else {
        format!("{function} leaves what comes to you: it is listed here.")
    })
}

fn scenarios(pages: &Pages, local: &dyn LocalStack) -> Markup {
    let scenarios = pages.stack.bundle.scenarios("");
    let now = local.clock().now;
    let played = local.played();
    let list = html! {
        p.quiet {
            "Sends what its script says, with ids of its own each time, and watches until it has ended as expected. Where "
            "it waits for a deadline, move the clock."
        }
        @if scenarios.is_empty() { p { "This business has no scenarios." } }
        @else {
            ul.scenarios {
                @for (number, scenario) in scenarios.iter().enumerate() {
                    li {
                        (form(&pages.frame, &at("play"), &html! {
                            input type="hidden" name="number" value=(number);
                            button aria-label={ "Play: " (scenario.title) } { "Play" }
                        }))
                        span { (scenario.title) " " span.quiet { "(" (scenario.subject.name) ")" } }
                    }
                }
            }
        }
    };
    let watched = html! {
        @if played.is_empty() { p.quiet { "None was played yet." } }
        @else {
            table.played {
                thead { tr { th { "scenario" } th { "began" } th { "how it stands" } th { "about" } } }
                tbody { @for one in &played { (played_row(pages, one, now)) } }
            }
        }
    };
    html! {
        (section("played", "Scenarios", true, &watched))
        details #scenarios open[played.is_empty()] { summary { "All " (scenarios.len()) " scenarios" } (list) }
    }
}

fn played_row(pages: &Pages, played: &Played, now: eventsourcing::Timestamp) -> Markup {
    html! {
        tr {
            td { (played.title) }
            td { (time(played.began, now)) }
            td {
                @match &played.state {
                    PlayState::GoesOn(missing) => {
                        span.tag { "goes on" }
                        @if let Some(first) = missing.first() { " " span.quiet { (first) } }
                    }
                    PlayState::Otherwise(ending, problems) => {
                        span.tag.warn { "! otherwise" } " " (ending) " "
                        @if let Some(first) = problems.first() { span.quiet { (first) } }
                    }
                    PlayState::Ended(ending) => { span.tag.good { "✓ as expected" } " " (ending) }
                    PlayState::Broke(why) => { span.tag.bad { "✗ broke" } " " (why) }
                }
            }
            td { @for stream in &played.streams { (story(pages, stream)) " " } }
        }
    }
}

fn play(pages: &Pages, local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    let number = field(asked, "number")?.parse::<usize>().ok();
    let again = uuid::Uuid::new_v4().simple().to_string();
    let mut scenarios = pages.stack.bundle.scenarios(&again[..8]).into_iter();
    let scenario: Option<Scenario> = number.and_then(|number| scenarios.nth(number));
    let scenario = scenario.ok_or_else(|| Failure::NotFound("there is no scenario of that number".into()))?;
    let title = scenario.title;
    local.play(scenario);
    Ok(format!("Playing: {title}"))
}

fn trouble(pages: &Pages, local: &dyn LocalStack) -> Markup {
    let now = local.clock().now;
    let (set, happened) = (local.mishaps(), local.happened());
    let runs = |name: &str, trigger| trigger == Trigger::EventStream || local.takes_messages(name).is_some();
    let functions = pages.stack.bundle.registry.functions.iter();
    let functions: Vec<_> = functions.filter(|f| runs(&f.name, f.trigger)).collect();
    let state = html! {
        @if set.is_empty() && happened.is_empty() { p.quiet { "Nothing is set to go wrong." } }
        @if !set.is_empty() {
            ul {
                @for (function, mishap) in &set {
                    li {
                        code { (function) } ": its next invocation " (mishap.about()) ". "
                        (button(&pages.frame, &at("mishap"), "Call it off", &[("function", function), ("mishap", "none")]))
                    }
                }
            }
        }
        @if !happened.is_empty() {
            ul.quiet {
                @for one in &happened {
                    li { code { (one.function) } " " (befell(one.mishap)) " " (time(one.at, now)) }
                }
            }
        }
    };
    html! {
        (section("trouble", "What goes wrong", true, &state))
        p.quiet #trouble-about {
            "Messages whose function fails or is killed come again when their visibility timeout ends, after 3 minutes: "
            "move the clock to have them at once. Whatever happens, each effect has to come about once."
        }
        (form(&pages.frame, &at("mishap"), &html! {
            label for="function" { "The next invocation of" }
            select #function name="function" {
                @for function in functions { option value=(function.name) { (function.name) } }
            }
            select name="mishap" aria-label="What happens" {
                @for mishap in Mishap::ALL { option value=(mishap.name()) { (mishap.about()) } }
            }
            button { "Let it happen" }
        }))
    }
}

fn befell(mishap: Mishap) -> &'static str {
    match mishap {
        Mishap::Fails => "failed",
        Mishap::Killed => "was killed after its work",
        Mishap::Twice => "got its messages twice",
    }
}

fn set_mishap(local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    let (function, name) = (field(asked, "function")?, field(asked, "mishap")?);
    if name == "none" {
        local.set_mishap(function, None)?;
        return Ok(format!("Nothing happens to {function}."));
    }
    let mishap = Mishap::ALL.into_iter().find(|mishap| mishap.name() == name);
    let mishap = mishap.ok_or_else(|| Failure::Usage(format!("{name} is nothing that can happen")))?;
    let mishaps = local.mishaps();
    let before = mishaps.iter().find(|(known, _)| known == function);
    let instead = before.map_or_else(String::new, |(_, before)| {
        format!(
            " That takes the place of what was set before: {}.",
            before.about()
        )
    });
    local.set_mishap(function, Some(mishap))?;
    Ok(format!(
        "The next invocation of {function} {}.{instead}",
        mishap.about()
    ))
}

fn beginning(pages: &Pages, local: &dyn LocalStack) -> Markup {
    let content = html! {
        p.quiet {
            "Throws away all that is in tables, queues, dead-letter queues and schedules, and what functions remember. The "
            "clock goes on from where it is."
        }
        @if let Some(folder) = local.folder() {
            p {
                "Not on this stack: its tables are in " code { (folder.display()) } ", to be kept. To begin anew, stop it "
                "and delete the folder."
            }
        } @else {
            (form(&pages.frame, &at("start-over"), &html! {
                label { input type="checkbox" name="sure" value="yes" required; " Yes, throw everything away" }
                button.danger { "Start over" }
            }))
        }
    };
    section("beginning", "Start over", false, &content)
}

async fn start_over(pages: &Pages, local: &dyn LocalStack, asked: &Asked) -> Result<String, Failure> {
    if asked.field("sure") != Some("yes") {
        return Err(Failure::Usage(
            "nothing was thrown away: say yes beside the button first".into(),
        ));
    }
    local.start_over().await?;
    // What it has counted is gone, too.
    *pages.pulse.borrow_mut() = Pulse::of(pages.stack.bundle.registry.views());
    Ok("Everything is thrown away: tables, queues and schedules are empty.".into())
}
