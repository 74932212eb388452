//! The way that messages take, drawn from the registry with what is on it now: a column for each kind of stream, with
//! the commands that are decided on it and the events that come of them; a line for each step, from the event that it
//! waits for to the command that it sends.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use aws_adapters::pascal_case;
use bundle::{Bundle, Function, Picture, Trigger};
use eventsourcing::{Clock, Timestamp};
use maud::{Markup, html};

use super::asked::address;
use super::layout::capitalised;
use super::pages::Pages;
use super::pulse::Pulse;
use super::waiting::{Counts, Queued};
use crate::failure::Failure;
use crate::stack::Stack;

/// Measures in the units of the picture, which grows and shrinks with the window.
const COLUMN: usize = 250;
const BOX: usize = 190;
const TOP: usize = 34;
const COMMAND: usize = 40;
const EVENT: usize = 26;
const GAP: usize = 8;

/// What stands in a column: where its box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    x: usize,
    y: usize,
    height: usize,
}

impl Place {
    /// Where a line leaves to the one that it leads to, and arrives there: on the sides that face each other, or on
    /// the right of both if they stand in one column.
    fn to(self, other: Self) -> [Point; 2] {
        let (left, right) = (|place: Self| place.at(0, -1), |place: Self| place.at(BOX, 1));
        match self.x.cmp(&other.x) {
            Ordering::Less => [right(self), left(other)],
            Ordering::Equal => [right(self), right(other)],
            Ordering::Greater => [left(self), right(other)],
        }
    }

    fn at(self, offset: usize, side: i64) -> Point {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Point {
            x: whole(self.x + offset),
            y: whole(self.y + self.height / 2),
            side,
        }
    }
}

/// Where a line begins or ends, and on which side of its box: -1 on the left, 1 on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    x: i64,
    y: i64,
    side: i64,
}

/// A column: a kind of stream, or what is outside.
struct Column<'b> {
    title: &'b str,
    commands: Vec<&'b Function>,
    events: Vec<&'b str>,
    outbound: Vec<&'b str>,
}

/// All that is drawn, and where.
struct Layout<'b> {
    columns: Vec<Column<'b>>,
    functions: BTreeMap<&'b str, Place>,
    events: BTreeMap<&'b str, Place>,
    size: (usize, usize),
}

impl<'b> Layout<'b> {
    fn of(bundle: &'b Bundle, picture: &Picture) -> Self {
        let functions = &bundle.registry.functions;
        let is_shown = |function: &&Function| picture.contexts.contains(&function.context);
        let takes = |function: &&Function| matches!(function.trigger, Trigger::Commands(_));
        let mut columns: Vec<Column<'b>> = Vec::new();
        for kind in &bundle.streams {
            let is_of_kind =
                |function: &&Function| kind.commands.contains(&pascal_case(&function.name).as_str());
            let commands = functions.iter().filter(takes).filter(is_shown).filter(is_of_kind);
            let commands: Vec<_> = commands.collect();
            if !commands.is_empty() {
                columns.push(Column {
                    title: kind.noun(),
                    commands,
                    events: kind.events.to_vec(),
                    outbound: Vec::new(),
                });
            }
        }
        let told = |events: &[&str]| {
            columns
                .iter()
                .any(|column| column.events.iter().any(|event| events.contains(event)))
        };
        let outbound = bundle
            .registry
            .outbound
            .iter()
            .filter(|outbound| told(outbound.events));
        let outbound: Vec<_> = outbound.map(|outbound| outbound.queue).collect();
        if !outbound.is_empty() {
            columns.push(Column {
                title: "outside",
                commands: Vec::new(),
                events: Vec::new(),
                outbound,
            });
        }
        let mut layout = Self {
            size: (columns.len() * COLUMN, 0),
            columns: Vec::new(),
            functions: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        for (number, column) in columns.iter().enumerate() {
            let (x, mut y) = (number * COLUMN + (COLUMN - BOX) / 2, TOP);
            let mut place = |height: usize| {
                let place = Place { x, y, height };
                y += height + GAP;
                place
            };
            for function in &column.commands {
                layout.functions.insert(&function.name, place(COMMAND));
            }
            for queue in &column.outbound {
                layout.functions.insert(queue, place(COMMAND));
            }
            for event in &column.events {
                layout.events.insert(event, place(EVENT));
            }
            layout.size.1 = layout.size.1.max(y);
        }
        layout.columns = columns;
        layout
    }

    /// The lines: of a step, from its events to the commands that it sends; of a queue for systems outside, from its
    /// events to it.
    fn lines(&self, bundle: &'b Bundle) -> Vec<Line<'b>> {
        let mut lines = Vec::new();
        for function in &bundle.registry.functions {
            let Trigger::Events(events) = function.trigger else {
                continue;
            };
            for (event, from) in events
                .iter()
                .filter_map(|event| Some((event, self.events.get(event)?)))
            {
                for to in function
                    .sends_to
                    .iter()
                    .filter_map(|queue| self.functions.get(queue.as_str()))
                {
                    lines.push(Line {
                        queue: &function.name,
                        about: function.about,
                        event,
                        way: from.to(*to),
                    });
                }
            }
        }
        for outbound in &bundle.registry.outbound {
            let events = outbound
                .events
                .iter()
                .filter_map(|event| Some((event, self.events.get(event)?)));
            for (event, from) in events {
                if let Some(to) = self.functions.get(outbound.queue) {
                    lines.push(Line {
                        queue: outbound.queue,
                        about: outbound.about,
                        event,
                        way: from.to(*to),
                    });
                }
            }
        }
        lines
    }
}

/// A line from an event to what follows from it.
struct Line<'b> {
    /// The queue that the event waits in.
    queue: &'b str,
    about: &'b str,
    event: &'b str,
    way: [Point; 2],
}

/// Draws each of the bundle's pictures.
pub(crate) async fn draw(pages: &Rc<Pages>, stack: &Stack) -> Result<Markup, Failure> {
    let counts = pages.waiting().await?.value;
    let (pulse, now) = (pages.pulse.borrow(), stack.clock.now());
    let drawn = stack.bundle.pictures.iter();
    let drawn = drawn.map(|picture| one(&stack.bundle, picture, &counts, &pulse, now));
    let others = others(&stack.bundle, &counts);
    Ok(html! {
        p.quiet {
            "Boxes are queues of commands: what waits, what is held back (a deadline, a retry, or in a function's \
             hands), what is dead. Below them are their events, with how many came in the last minute. A line is a step: \
             it leads from an event to the command that it sends."
        }
        @for drawn in drawn { (drawn) }
        (others)
    })
}

fn one(bundle: &Bundle, picture: &Picture, counts: &Counts, pulse: &Pulse, now: Timestamp) -> Markup {
    let layout = Layout::of(bundle, picture);
    let (width, height) = layout.size;
    let of = |queue: &str| counts.get(queue).copied().unwrap_or_default();
    html! {
        h3 { (capitalised(picture.section)) }
        div.flow-frame {
            svg.flow width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group" aria-label=(picture.section) {
                @for line in layout.lines(bundle) {
                    (drawn_line(&line, of(line.queue), pulse.events_a_minute(now, line.event)))
                }
                @for (number, column) in layout.columns.iter().enumerate() {
                    text.flow-title x=(number * COLUMN + (COLUMN - BOX) / 2) y="20" { (column.title) }
                    @for function in &column.commands {
                        @if let Some(place) = layout.functions.get(function.name.as_str()) {
                            (command(&pascal_case(&function.name), function.about, *place, of(&function.name), true))
                        }
                    }
                    @for queue in &column.outbound {
                        @if let Some(place) = layout.functions.get(queue) {
                            (command(queue, "for a system outside", *place, of(queue), false))
                        }
                    }
                    @for name in &column.events {
                        @if let Some(place) = layout.events.get(name) {
                            (event(name, *place, pulse.events_a_minute(now, name)))
                        }
                    }
                }
            }
        }
    }
}

fn drawn_line(line: &Line<'_>, queued: Queued, rate: u64) -> Markup {
    let [from, to] = line.way;
    let bend = ((to.x - from.x).abs() / 2).clamp(30, 120);
    let path = format!(
        "M{} {}C{} {} {} {} {} {}",
        from.x,
        from.y,
        from.x + from.side * bend,
        from.y,
        to.x + to.side * bend,
        to.y,
        to.x,
        to.y
    );
    let arrow = format!("M{} {}l{} -4v8z", to.x, to.y, to.side * 7);
    let (middle, level) = (i64::midpoint(from.x, to.x), i64::midpoint(from.y, to.y));
    let says = format!(
        "{} → {}: {}; {} waiting, {} dead",
        line.event,
        line.queue,
        line.about,
        queued.waiting + queued.held,
        queued.dead
    );
    html! {
        g.flow-line.moving[rate > 0 || queued.waiting > 0].stuck[queued.dead > 0] {
            title { (says) }
            path d=(path) {}
            path.arrow d=(arrow) {}
            @if queued.waiting > 0 || queued.dead > 0 {
                text x=(middle) y=(level) text-anchor="middle" { (figures(queued)) }
            }
        }
    }
}

/// `3 waiting, 2 held back, 1 dead`; nothing if there is nothing.
fn figures(queued: Queued) -> String {
    let told = [
        (queued.waiting, "waiting"),
        (queued.held, "held back"),
        (queued.dead, "dead"),
    ];
    let told = told.iter().filter(|(number, _)| *number > 0);
    told.map(|(number, what)| format!("{number} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn command(name: &str, about: &str, place: Place, queued: Queued, is_command: bool) -> Markup {
    let Place { x, y, height } = place;
    let href = if queued.dead > 0 {
        address(["letters"])
    } else {
        address(["messages", name])
    };
    let content = html! {
        g.flow-command.outside[!is_command].moving[queued.waiting > 0].stuck[queued.dead > 0] {
            title { (name) ": " (about) }
            rect x=(x) y=(y) width=(BOX) height=(height) rx="6" {}
            text x=(x + 10) y=(y + 17) { (name) }
            text.figures x=(x + 10) y=(y + 32) { (figures(queued)) }
        }
    };
    html! {
        @if is_command || queued.dead > 0 { a href=(href) { (content) } } @else { (content) }
    }
}

fn event(name: &str, place: Place, rate: u64) -> Markup {
    let Place { x, y, height } = place;
    html! {
        a href=(address(["messages", name])) {
            g.flow-event.moving[rate > 0] {
                rect x=(x) y=(y) width=(BOX) height=(height) rx=(height / 2) {}
                text x=(x + 12) y=(y + 17) { (name) }
                @if rate > 0 { text.figures x=(x + BOX - 10) y=(y + 17) text-anchor="end" { (rate) } }
            }
        }
    }
}

/// Queues that are in no picture and hold something: of views, of what delivers events, of deadlines.
fn others(bundle: &Bundle, counts: &Counts) -> Markup {
    let is_drawn = |queue: &str| {
        let function = bundle.registry.function(queue);
        let of_business = function.is_some_and(|function| bundle.contexts.contains(&function.context));
        of_business
            || bundle
                .registry
                .outbound
                .iter()
                .any(|outbound| outbound.queue == queue)
    };
    let busy = counts
        .iter()
        .filter(|(queue, queued)| **queued != Queued::default() && !is_drawn(queue));
    let busy: Vec<_> = busy.collect();
    html! {
        @if !busy.is_empty() {
            h3 { "Other queues" }
            table {
                thead { tr { th { "queue" } th.number { "waiting" } th.number { "dead" } } }
                @for (queue, queued) in busy {
                    tr { td { (queue) } td.number { (queued.waiting) } td.number { (queued.dead) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> String {
        let bundle = library::bundle();
        let lends = Queued {
            waiting: 3,
            held: 0,
            dead: 1,
        };
        let counts = BTreeMap::from([("lend-book".to_owned(), lends)]);
        let pulse = Pulse::of(bundle.registry.views());
        let now = Timestamp::from_millis(0);
        let pictures = bundle.pictures.iter();
        let drawn = pictures.map(|picture| one(&bundle, picture, &counts, &pulse, now).into_string());
        drawn.collect()
    }

    #[test]
    fn every_command_and_event_of_a_picture_is_drawn_once_with_what_waits_for_it() {
        let drawn = drawn();
        for name in ["LendBook", "BookLent"] {
            assert_eq!(
                drawn.matches(&format!(">{name}</text>")).count(),
                1,
                "{name}: {drawn}"
            );
        }
        assert!(drawn.contains("3 waiting, 1 dead"), "{drawn}");
    }

    #[test]
    fn a_line_goes_from_side_to_side_and_around_in_its_own_column() {
        let place = |x| Place { x, y: 0, height: 40 };
        let sides = |one: Place, other| one.to(other).map(|point| point.side);
        assert_eq!(sides(place(0), place(250)), [1, -1]);
        assert_eq!(sides(place(250), place(0)), [-1, 1]);
        assert_eq!(sides(place(0), place(0)), [1, 1]);
    }
}
