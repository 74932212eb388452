//! All that happened to one thing, in a lane for each of its streams: the same as `cargo ops trace` tells, drawn.
//!
//! | address | what it shows |
//! | --- | --- |
//! | `/console/of/KIND/ID` | that thing, or what it is a part of |
//! | `/console/of?id=ID` | what the id names, looked for as the command looks for it; links if that is several things |

mod asks;
mod axis;
mod lanes;
mod members;
mod picture;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{ViewError, ViewRow};
use bundle::ViewTableForm;
use eventsourcing::standing::{Deadline, StoredStream};
use eventsourcing::{Clock, Column, ColumnKind, DUE_AT, PHASE, Read, RecordedEvent, TextForm, Timestamp};
use maud::{Markup, html};

use super::answer::Answer;
use super::asked::{Asked, address};
use super::layout;
use super::messages::indented;
use super::pages::{Pages, nothing_here};
use crate::called;
use crate::dead_letters::ShownLetter;
use crate::events::{Data, ShownEvent, ShownFault};
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::outbox::Entry;
use crate::output::{age, count, plain, took};
use crate::stack::Stack;
use crate::trace::subject;
use crate::trace::{Chain, Found, Leftovers, Sources, Stuck, Trace, Traced, chain};
use crate::views::{View, amount, value};
use asks::{forms, send};
use axis::clock;
use lanes::{Lanes, Rules, Source};
use picture::{LaneTitle, Picture, row};

/// For how long a page waits for what happened.
const PATIENCE: Duration = Duration::from_secs(8);
/// For how long it waits for what is stuck.
const LETTERS_PATIENCE: Duration = Duration::from_secs(4);
/// Of how many members the streams are read, and drawn. Of more, those that nothing was heard of are read, if those
/// are so few.
const DRAWN: usize = 20;
/// With how many members what is over takes too long to read to be read again and again.
const MANY: usize = 500;
/// How many events are told; of more, the first and the last.
const FIRST: usize = 50;
const LAST: usize = 150;

/// Answers what was asked of it.
pub(crate) async fn answer(
    pages: &Rc<Pages>,
    stack: &Stack,
    asked: &Asked,
    path: &[&str],
) -> Result<Answer, Failure> {
    let kinds = Kinds::of(&pages.stack.bundle.streams);
    let told = async {
        match path {
            [] => look_for(pages, stack, &kinds, asked).await,
            [kind, id] if asked.changes() => {
                let category = kinds.named(kind).ok_or_else(nothing_here)?;
                let outcome = send(stack, &kinds, &Key::new(category, id), asked).await;
                Ok(pages.done(&["of", category.name(), id], outcome))
            }
            [kind, id] => {
                let category = kinds.named(kind).ok_or_else(nothing_here)?;
                let id = format!("{}/{id}", category.name());
                find(pages, stack, &kinds, asked, &id).await
            }
            _ => Err(nothing_here()),
        }
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .unwrap_or_else(|_| Err(Failure::Failed(layout::no_answer_within(PATIENCE))))
}

async fn look_for(
    pages: &Rc<Pages>,
    stack: &Stack,
    kinds: &Kinds<'_>,
    asked: &Asked,
) -> Result<Answer, Failure> {
    match asked.param("id").map(str::trim) {
        Some(id) if !id.is_empty() => find(pages, stack, kinds, asked, id).await,
        _ => {
            let content = html! {
                p { "The id of " (kinds.titles()) ", a stream's name, or a correlation id:" }
                (layout::search_box())
            };
            Ok(pages.page(asked, "", "Find", &content))
        }
    }
}

/// What is stuck, or that it can't be told.
async fn stuck_now(pages: &Rc<Pages>) -> Arc<Stuck> {
    let why = match tokio::time::timeout(LETTERS_PATIENCE, pages.stuck()).await {
        Ok(Ok(known)) => return known.value.as_ref().clone(),
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("no answer within {}", age(LETTERS_PATIENCE)),
    };
    Arc::new(Stuck::unsearched(format!(
        "dead letters and the outbox could not be searched: {why}"
    )))
}

/// What the id names, as the command finds it.
async fn find(
    pages: &Rc<Pages>,
    stack: &Stack,
    kinds: &Kinds<'_>,
    asked: &Asked,
    id: &str,
) -> Result<Answer, Failure> {
    let leftovers = Leftovers::found(stuck_now(pages).await, kinds);
    let is_searched = asked.path().len() == 1;
    let found = match subject::search(stack, id, kinds, &leftovers).await? {
        Found::Several(candidates) => {
            let content = html! {
                p { (plain(id)) " names " (count(candidates.len(), "thing", "things")) ". Which do you mean?" }
                ul { @for one in &candidates { li { a href=(of_name(&one.name)) { (one.name) } " " span.quiet { (one) } } } }
            };
            return Ok(pages.page(asked, "", "Which one?", &content));
        }
        Found::One(traced @ Traced::Things(_)) => {
            let main = traced.main(kinds).or_else(|| traced.keys().first());
            if let (true, Some(key)) = (is_searched, main) {
                return Ok(Answer::see(layout::page_of(key)));
            }
            let story = Story::of(stack, kinds, &leftovers, &traced, asked).await?;
            return Ok(story.page(pages, asked));
        }
        Found::One(unknown) => Some(unknown),
        Found::Nothing => None,
    };
    if let Some(chain) = chain::find(stack, kinds, &leftovers, id, false, false).await? {
        return Ok(chain_page(pages, asked, &chain, stack.clock.now()));
    }
    match found {
        Some(traced) => {
            let story = Story::of(stack, kinds, &leftovers, &traced, asked).await?;
            Ok(story.page(pages, asked))
        }
        None => Err(subject::nothing(stack, id, kinds, &leftovers).await?),
    }
}

/// The address of what is named `KIND/ID`.
fn of_name(name: &str) -> String {
    match name.split_once('/') {
        Some((kind, id)) => address(["of", kind, id]),
        None => address(["of"]),
    }
}

/// What a first message set going.
fn chain_page(pages: &Rc<Pages>, asked: &Asked, chain: &Chain, now: Timestamp) -> Answer {
    let title = format!("Chain {}", chain.correlation_id);
    let things = html! {
        ul {
            @for thing in &chain.things {
                li {
                    a href=(of_name(&thing.name)) { (thing.subject) } ": " (thing.state)
                    @for one in &thing.outstanding { br; span.quiet { "outstanding: " (one) } }
                }
            }
        }
    };
    let content = html! {
        (layout::section("things", "What it went through", true, &things))
        (layout::section("events", "Events", true, &events(&chain.events, None, false, asked)))
        (layout::section("stuck", "Stuck", true, &stuck(pages, &chain.dead_letters, &chain.outbox, now)))
        p.quiet {
            "What is open or stuck led here. If the chain went through other things, "
            code { (called::name()) " trace " (chain.correlation_id) " --scan" } " finds them."
        }
    };
    pages.page(asked, "", &title, &content)
}

/// All that is shown of a thing.
struct Story<'k> {
    kinds: &'k Kinds<'k>,
    traced: Traced,
    trace: Trace,
    sources: Sources,
    heard: Vec<eventsourcing::standing::Heard>,
    row: Option<(ViewTableForm, ViewRow)>,
    data: bool,
    now: Timestamp,
}

impl<'k> Story<'k> {
    async fn of(
        stack: &Stack,
        kinds: &'k Kinds<'k>,
        leftovers: &Leftovers<'_>,
        traced: &Traced,
        asked: &Asked,
    ) -> Result<Self, Failure> {
        let data = asked.param("data") == Some("1");
        let sources = Sources::read(stack, kinds, traced, DRAWN).await?;
        let heard = traced.heard(kinds, &sources.own);
        let row = match traced.main(kinds) {
            Some(key) => row_of(stack, key).await?,
            None => None,
        };
        Ok(Self {
            kinds,
            trace: Trace::told(stack, kinds, leftovers, traced, &sources, data),
            traced: traced.clone(),
            sources,
            heard,
            row,
            data,
            now: stack.clock.now(),
        })
    }

    /// Whether something is still to come of it.
    fn is_open(&self) -> bool {
        let is_over = self.trace.ending.is_some() && self.trace.outstanding.is_empty();
        !is_over && !self.trace.events.is_empty()
    }

    /// Whether all is read that could have led to what happened.
    fn is_whole(&self) -> bool {
        self.sources.members() <= DRAWN
    }

    fn page(&self, pages: &Rc<Pages>, asked: &Asked) -> Answer {
        let lanes = self.lanes(&pages.stack.bundle);
        let outstanding = self.outstanding();
        let stuck = stuck(pages, &self.trace.dead_letters, &self.trace.outbox, self.now);
        let events = html! {
            (self.data_link(asked))
            (events(&self.trace.events, Some((&lanes.1, self.is_whole())), self.data, asked))
            (faults(&self.trace.faults))
        };
        let main = self.traced.main(self.kinds);
        let asks = main
            .filter(|_| self.trace.ending.is_none() && self.is_open())
            .and_then(|key| forms(pages, self.kinds, key));
        let live = self.is_open() || self.sources.members() <= MANY;
        let content = html! {
            div #state data-live[live] { (self.head(&lanes.1)) }
            @if !self.heard.is_empty() {
                (layout::section("members", "Members", live, &members::grid(self.kinds, &self.heard)))
            }
            (layout::section("picture", "What happened", live, &self.picture(&lanes)))
            div.beside {
                (layout::section("outstanding", "Outstanding", live, &outstanding))
                (layout::section("stuck", "Stuck", live, &stuck))
            }
            (layout::section("events", "Events", live, &events))
            @if let Some(asks) = asks { (layout::section("asks", "What can be asked of it", false, &asks)) }
            @if let Some(key) = main.or_else(|| self.traced.keys().first()) {
                p.quiet { "The same in a terminal: " code { (called::name()) " trace " (key) } }
            }
        };
        let place = self.row.as_ref().map_or("", |(form, _)| form.listing.command);
        let title = match &self.traced {
            Traced::Things(_) => layout::capitalised(&self.trace.subject),
            Traced::Unknown(id) => plain(id),
        };
        pages.page(asked, place, &title, &content)
    }

    /// How it stands, and what its view says of it.
    fn head(&self, lanes: &Lanes) -> Markup {
        let deadline = self.deadline();
        let state = self.trace.state();
        // A reason in its sender's words stays as it is.
        let state = if self.data {
            state
        } else {
            layout::in_words(&state)
        };
        let phase = self.row.as_ref().and_then(|(_, row)| row.phase());
        let late = lanes.marks.iter().filter(|mark| mark.late).count();
        let (letters, entries) = (self.trace.dead_letters.len(), self.trace.outbox.len());
        html! {
            p.state {
                @if self.trace.ending.is_some() {
                    span.tag { "ended" }
                } @else if !self.trace.events.is_empty() {
                    span.tag.warn[deadline.is_some_and(|at| at < self.now)] { "open" }
                }
                " " strong { @if let (None, Some(phase)) = (self.trace.ending, phase) { (layout::in_words(phase)) } @else { (state) } }
                @if late > 0 { " " span.tag.warn { (late) " came too late" } }
                @if letters > 0 { " " a.tag.bad href="#stuck" { (count(letters, "dead letter", "dead letters")) } }
                @if entries > 0 { " " a.tag.warn href="#stuck" { (entries) " not delivered" } }
            }
            dl.facts {
                @if let Some(at) = deadline {
                    div { dt { "deadline" } dd.problem[at < self.now] { (layout::time(at, self.now)) } }
                }
                @if let Some((form, row)) = &self.row {
                    @for column in form.listing.columns {
                        @if let Some(value) = self.fact(form, row, column) { div { dt { (column.title) } dd { (value) } } }
                    }
                }
                @if let (Some(first), Some(last)) = (self.trace.events.first(), self.trace.events.last()) {
                    div { dt { "began" } dd { (layout::time(first.committed_at, self.now)) } }
                    @if !self.is_open() && last.committed_at > first.committed_at {
                        div { dt { "took" } dd { (took(last.committed_at.since(first.committed_at))) } }
                    }
                }
            }
        }
    }

    fn fact(&self, form: &ViewTableForm, row: &ViewRow, column: &Column) -> Option<Markup> {
        let name = column.attribute;
        let is_payload = form.listing.payload.contains(&name) && !self.data;
        if is_payload || [form.key, PHASE, DUE_AT].contains(&name) {
            return None;
        }
        match (column.kind, row.time(name)) {
            (ColumnKind::Age | ColumnKind::Due, Some(at)) => Some(layout::time(at, self.now)),
            (ColumnKind::Amount, _) => row.number(name).map(|number| html! { (amount(number)) }),
            _ => value(row, name).map(|text| html! { (layout::in_words(&text)) }),
        }
    }

    /// When what it waits for is settled at the latest.
    fn deadline(&self) -> Option<Timestamp> {
        let outstanding = self.trace.outstanding.iter();
        let recorded = outstanding.filter_map(|one| match one.deadline {
            Deadline::At(at) => Some(at),
            Deadline::Without | Deadline::NotRecorded => None,
        });
        recorded.min()
    }

    /// The streams that are drawn, and what they tell.
    fn lanes(&self, bundle: &bundle::Bundle) -> (Vec<LaneTitle>, Lanes) {
        let about = self
            .sources
            .of_members()
            .iter()
            .filter(|stream| stream.events().any(|(_, event)| self.sources.is_about_it(event)));
        let members: Vec<_> = if self.sources.members() <= DRAWN {
            about.collect()
        } else {
            Vec::new()
        };
        let kind = |stream: &StoredStream| {
            self.kinds
                .of_stream(stream.id.as_str())
                .and_then(|key| self.kinds.kind(key.category))
        };
        let names = self
            .sources
            .own
            .iter()
            .chain(members.iter().copied())
            .map(|stream| LaneTitle {
                noun: kind(stream)
                    .map_or_else(|| stream.id.category().to_owned(), |kind| kind.noun().to_owned()),
                id: stream.id.id().to_owned(),
                stream: stream.id.to_string(),
            });
        let names: Vec<_> = names.collect();
        let title = |event: &RecordedEvent| {
            let kinds = self
                .kinds
                .all()
                .filter(|kind| kind.events.contains(&event.event_type.as_str()));
            let cause = kinds.into_iter().find_map(|kind| (kind.cause)(event));
            match cause {
                Some(cause) => format!("{} ({})", event.event_type, layout::in_words(cause)),
                None => event.event_type.clone(),
            }
        };
        let (all, about_it) = (
            |_: &RecordedEvent| true,
            |event: &RecordedEvent| self.sources.is_about_it(event),
        );
        let own = self.sources.own.iter().map(|stream| Source {
            stream,
            title: &title,
            shows: &all,
        });
        let of_members = members.iter().map(|stream| Source {
            stream,
            title: &title,
            shows: &about_it,
        });
        let sources: Vec<_> = own.chain(of_members).collect();
        (names, Lanes::of(&sources, &Rules::of(bundle)))
    }

    fn picture(&self, (names, lanes): &(Vec<LaneTitle>, Lanes)) -> Markup {
        let picture = Picture {
            title: &self.trace.subject,
            names,
            lanes,
            is_open: self.is_open(),
            ending: self.trace.ending,
            is_whole: self.is_whole(),
            letters: &self.trace.dead_letters,
            outbox: &self.trace.outbox,
            now: self.now,
        };
        html! {
            (picture.draw())
            @if self.sources.members() > DRAWN {
                p.quiet { "Of more than " (DRAWN) " members no lanes are drawn; each has a page of its own." }
            }
        }
    }

    fn outstanding(&self) -> Markup {
        let Trace {
            outstanding,
            unknown_events,
            unsearched,
            ..
        } = &self.trace;
        let is_stuck = !self.trace.dead_letters.is_empty() || !self.trace.outbox.is_empty();
        html! {
            @if outstanding.is_empty() {
                p {
                    @if is_stuck { "Nothing but what is stuck." } @else { "Nothing is outstanding" @if !unsearched.is_empty() { ", as far as could be searched" } "." }
                }
            } @else {
                ul { @for one in outstanding { li {
                    (one.what)
                    @if let Some(since) = one.since { ", since " (layout::time(since, self.now)) }
                    @match one.deadline {
                        Deadline::At(at) => { "; its deadline " @if at < self.now { "was " } @else { "is " } (layout::time(at, self.now)) }
                        Deadline::NotRecorded => "; its deadline was not recorded",
                        Deadline::Without => {}
                    }
                } } }
            }
            @if self.is_open() && self.sources.members() > self.sources.of_members().len() {
                p.quiet { "Told by what has been recorded here. The streams of the members are read by " code { (called::name()) " trace" } "." }
            }
            @for unknown in unknown_events {
                p.problem { (unknown.stream_id) " at revision " (unknown.revision) ", " (unknown.event_type) ": " (unknown.why) }
            }
            @for unsearched in unsearched { p.problem { (unsearched) } }
        }
    }

    fn data_link(&self, asked: &Asked) -> Markup {
        html! {
            p {
                @if self.data {
                    a href=(asked.with(&[("data", None), ("said", None)])) { "Hide what the events hold" }
                } @else {
                    a href=(asked.with(&[("data", Some("1")), ("said", None)])) { "Show what the events hold" }
                }
            }
        }
    }
}

/// What its view says of it; nothing if its kind has none, or the stack.
async fn row_of(stack: &Stack, key: &Key) -> Result<Option<(ViewTableForm, ViewRow)>, Failure> {
    let form = stack
        .bundle
        .registry
        .views()
        .find(|form| form.category == key.category);
    let Some(form) = form.filter(|_| TextForm::ID.fits(&key.id)) else {
        return Ok(None);
    };
    let view = View::of(stack, &form);
    match view.reader.row(&key.id, Read::Consistent).await {
        Ok(row) => Ok(row.map(|row| (form, row))),
        Err(ViewError::NoTable(_)) => Ok(None),
        Err(error) => Err(view.failed(error)),
    }
}

/// The events as a table: what the picture shows, and what it can't.
fn events(events: &[ShownEvent], lanes: Option<(&Lanes, bool)>, data: bool, asked: &Asked) -> Markup {
    let all = asked.param("all") == Some("1") || events.len() <= FIRST + LAST;
    let is_told = |place: usize| all || place < FIRST || place >= events.len() - LAST;
    let told = events.iter().enumerate().filter(|(place, _)| is_told(*place));
    let days = events.first().zip(events.last());
    let one_day = days.is_none_or(|(first, last)| day(first.committed_at) == day(last.committed_at));
    if events.is_empty() {
        return html! { p.quiet { "None is recorded." } };
    }
    html! {
        @if !all {
            p { "The first " (FIRST) " and the last " (LAST) " of " (events.len()) ". "
                a href=(asked.with(&[("all", Some("1")), ("said", None)])) { "Show all" } }
        }
        table.events {
            thead { tr {
                th scope="col" { "time" @if one_day { " on " (days.map_or_else(String::new, |(first, _)| day(first.committed_at))) } }
                th scope="col" { "event" }
                @if lanes.is_some() { th scope="col" { "because of" } }
                th scope="col" { "stream" }
                th.number scope="col" { "rev." }
                th scope="col" { "event id" }
            } }
            tbody { @for (_, event) in told {
                tr id=(row(&event.stream_id, event.revision)) {
                    td.at { time datetime=(event.committed_at) title=(event.committed_at) {
                        @if !one_day { (day(event.committed_at)) " " } (clock(event.committed_at))
                    } }
                    td {
                        strong { (event.event_type) }
                        @if let Some(cause) = event.cause { " (" (layout::in_words(cause)) ")" }
                        @if let Some((lanes, _)) = lanes { (tags(lanes, event)) }
                    }
                    @if let Some((lanes, is_whole)) = lanes { td { (because(lanes, event, is_whole)) } }
                    td.id { (event.stream_id) }
                    td.number { (event.revision) }
                    td.id { (event.event_id) }
                }
                @if data { tr.data { td colspan="6" { pre { (held(event)) } } } }
            } }
        }
    }
}

/// What an event holds, as it is stored: JSON on several lines, and what is none as it is.
fn held(event: &ShownEvent) -> String {
    match &event.data {
        Some(Data::Json(json)) => indented(json.get()),
        _ => event.data().to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('T')
        .map_or(text.clone(), |(day, _)| day.to_owned())
}

fn mark_of<'l>(lanes: &'l Lanes, event: &ShownEvent) -> Option<&'l lanes::Mark> {
    let is_it = |mark: &&lanes::Mark| {
        mark.stream.as_str() == event.stream_id
            && mark.events.iter().any(|told| told.revision == event.revision)
    };
    lanes.marks.iter().find(is_it)
}

fn tags(lanes: &Lanes, event: &ShownEvent) -> Markup {
    let mark = mark_of(lanes, event);
    html! {
        @if mark.is_some_and(|mark| mark.late) { " " span.tag.warn { "too late" } }
        @if mark.is_some_and(|mark| mark.overtaken && !mark.late) { " " span.tag.warn { "overtaken" } }
    }
}

fn because(lanes: &Lanes, event: &ShownEvent, is_whole: bool) -> Markup {
    let Some(mark) = mark_of(lanes, event) else {
        return html! {};
    };
    let told = mark.events.iter().find(|told| told.revision == event.revision);
    let Some(cause) = told.and_then(|told| told.cause.as_ref()) else {
        return html! { @if is_whole { span.quiet { "a message from outside" } } };
    };
    let led = &lanes.marks[cause.mark];
    html! {
        a href={ "#" (row(led.stream.as_str(), cause.revision)) } { (led.type_at(cause.revision)) }
        " " span.quiet { "by " (cause.command) }
    }
}

fn faults(faults: &[ShownFault]) -> Markup {
    html! {
        @for fault in faults {
            p.problem { (fault.stream_id) " is broken at revision " (fault.revision) ": " (fault.fault) }
        }
    }
}

/// What of it is in dead-letter queues, and what could not be delivered.
fn stuck(pages: &Pages, letters: &[ShownLetter], outbox: &[Entry], now: Timestamp) -> Markup {
    let own = pages.stack.names.prefix();
    html! {
        @if letters.is_empty() && outbox.is_empty() { p { "No dead letter, and nothing in the outbox." } }
        @if !letters.is_empty() {
            ul { @for letter in letters {
                @let queue = letter.queue.strip_prefix(&own).unwrap_or(&letter.queue);
                li {
                    a href=(address(["letters", queue])) { (letter.queue) }
                    @if let Some(code) = &letter.error_code { " " span.tag.bad { (code) } }
                    " " (letter.error)
                    span.quiet {
                        " (" (count(u64::from(letter.receive_count), "receive", "receives"))
                        @if let Some(at) = letter.sent_at { ", sent " (layout::time(at, now)) } ")"
                    }
                }
            } }
        }
        @if !outbox.is_empty() {
            ul { @for entry in outbox {
                li {
                    a href=(address(["outbox"])) { (entry.stream_id) " at " (entry.revision) } " " span.tag.warn { (entry.delivery) }
                    " " (count(u64::from(entry.attempts), "try", "tries")) ": " (entry.last_error)
                    span.quiet { " (last " (layout::time(entry.last_attempt_at, now)) ")" }
                }
            } }
        }
    }
}
