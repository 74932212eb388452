//! The picture of what happened: a lane for each stream, drawn from left to right.

use eventsourcing::Timestamp;
use maud::{Markup, html};

use super::axis::{Axis, Point, clock, width_of};
use super::lanes::{Cause, Lanes, Mark};
use crate::dead_letters::ShownLetter;
use crate::outbox::Entry;
use crate::output::{count, took};

/// Where the lanes begin, beside their names.
const START: i32 = 178;
/// The room of one line of text, and what a lane has besides its texts.
const LINE: i32 = 15;
const LANE: i32 = 50;
/// What is above the first lane and below the last.
const TOP: i32 = 22;
const BOTTOM: i32 = 26;
const RADIUS: i32 = 6;
/// How many commits are drawn; of more, the first and the last.
const FIRST: usize = 10;
const LAST: usize = 20;
/// How many texts a mark has; of more, the first.
const TEXTS: usize = 4;

/// A lane, for people.
pub(super) struct LaneTitle {
    /// What its stream is of.
    pub(super) noun: String,
    pub(super) id: String,
    /// The stream's name.
    pub(super) stream: String,
}

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) title: &'a str,
    pub(super) names: &'a [LaneTitle],
    pub(super) lanes: &'a Lanes,
    /// Whether something is still to come.
    pub(super) is_open: bool,
    /// The event that it ended with.
    pub(super) ending: Option<&'a str>,
    /// Whether all is read that could have led to what is drawn.
    pub(super) is_whole: bool,
    pub(super) letters: &'a [ShownLetter],
    pub(super) outbox: &'a [Entry],
    pub(super) now: Timestamp,
}

/// The id of the row that tells an event whole.
pub(super) fn row(stream: &str, revision: u64) -> String {
    format!("e-{stream}-{revision}")
}

/// A dead letter in its lane.
struct Stuck<'a> {
    lane: usize,
    at: Timestamp,
    nth: usize,
    letter: &'a ShownLetter,
}

/// How it is laid out.
struct Layout<'a> {
    picture: &'a Picture<'a>,
    axis: Axis,
    /// The marks that are drawn.
    drawn: Vec<usize>,
    letters: Vec<Stuck<'a>>,
    /// The deadlines, each with the first and the last lane in which it was recorded.
    dues: Vec<(usize, usize, Timestamp)>,
    /// Where each lane is: its upper edge, and the line that its marks stand on.
    tops: Vec<i32>,
    lines: Vec<i32>,
    height: i32,
}

impl Picture<'_> {
    /// Draws it, with what its shapes mean.
    pub(super) fn draw(&self) -> Markup {
        if self.names.is_empty() || (self.lanes.marks.is_empty() && self.letters.is_empty()) {
            return html! { p.quiet { "Nothing is recorded, so there is nothing to draw." } };
        }
        let layout = Layout::of(self);
        html! {
            div.lanes tabindex="0" role="region" aria-label="The picture, which scrolls sideways" { (layout.svg()) }
            (layout.left_out())
            (layout.legend())
        }
    }

    fn texts(mark: &Mark) -> Vec<String> {
        let mut texts: Vec<(String, usize)> = Vec::new();
        for event in &mark.events {
            match texts.iter_mut().find(|(title, _)| *title == event.title) {
                Some((_, times)) => *times += 1,
                None => texts.push((event.title.clone(), 1)),
            }
        }
        let more = texts.len().saturating_sub(TEXTS);
        texts.truncate(TEXTS);
        let mut texts: Vec<_> = texts
            .into_iter()
            .map(|(title, times)| {
                if times > 1 {
                    format!("{title} ×{times}")
                } else {
                    title
                }
            })
            .collect();
        if more > 0 {
            texts.push(format!("and {more} more"));
        }
        texts
    }

    fn tries(&self, mark: &Mark) -> Option<&Entry> {
        self.outbox.iter().find(|entry| {
            let revision = entry.revision.to_string();
            let is_of = |event: &super::lanes::Told| event.revision.to_string() == revision;
            entry.stream_id == mark.stream.as_str() && mark.events.iter().any(is_of)
        })
    }

    /// What is written below a mark, so that nothing is told by its shape alone.
    fn notes(&self, mark: &Mark) -> Vec<String> {
        let mut notes = Vec::new();
        if mark.late {
            notes.push("too late".to_owned());
        }
        // What is late has been overtaken by what it is late for.
        if mark.overtaken && !mark.late {
            notes.push("overtaken".to_owned());
        }
        if let Some(entry) = self.tries(mark) {
            let tries = count(u64::from(entry.attempts), "try", "tries");
            notes.push(format!("not delivered, {tries}"));
        }
        notes
    }

    fn ends(&self, mark: &Mark) -> bool {
        self.ending
            .is_some_and(|ending| mark.events.iter().any(|event| event.event_type == ending))
    }
}

impl<'a> Layout<'a> {
    fn of(picture: &'a Picture<'a>) -> Self {
        let marks = &picture.lanes.marks;
        let all = marks.len();
        let is_drawn = |number: &usize| all <= FIRST + LAST || *number < FIRST || *number >= all - LAST;
        let drawn: Vec<_> = (0..all).filter(is_drawn).collect();
        let newest = marks.last().map_or(picture.now, |mark| mark.at);
        let dues = picture.lanes.due.iter();
        let mut spans: Vec<(usize, usize, Timestamp)> = Vec::new();
        for due in dues.filter(|due| picture.is_open || due.at <= newest) {
            match spans.iter_mut().find(|(_, _, at)| *at == due.at) {
                Some((first, last, _)) => (*first, *last) = ((*first).min(due.lane), (*last).max(due.lane)),
                None => spans.push((due.lane, due.lane, due.at)),
            }
        }
        let mut letters: Vec<Stuck<'_>> = Vec::new();
        for letter in picture.letters {
            let stream = letter.stream_id.as_deref();
            let lane = picture
                .names
                .iter()
                .position(|name| Some(name.stream.as_str()) == stream);
            if let (Some(lane), Some(at)) = (lane, letter.sent_at) {
                let beside = letters
                    .iter()
                    .filter(|other| other.lane == lane && other.at == at)
                    .count();
                let nth = beside
                    + marks
                        .iter()
                        .filter(|mark| mark.lane == lane && mark.at == at)
                        .count();
                letters.push(Stuck {
                    lane,
                    at,
                    nth,
                    letter,
                });
            }
        }
        let mut layout = Self {
            picture,
            axis: Axis::default(),
            drawn,
            letters,
            dues: spans,
            tops: Vec::new(),
            lines: Vec::new(),
            height: 0,
        };
        layout.axis = Axis::of(&layout.points(), START);
        layout.stack_lanes();
        layout
    }

    fn points(&self) -> Vec<Point> {
        let widest = |texts: &[String]| texts.iter().map(|text| width_of(text)).max().unwrap_or(0);
        let mut points = Vec::new();
        for &number in &self.drawn {
            let mark = &self.picture.lanes.marks[number];
            let texts = Picture::texts(mark);
            let notes = self.picture.notes(mark);
            points.push(Point {
                at: mark.at,
                nth: mark.nth,
                lane: mark.lane,
                left: RADIUS + 10,
                right: widest(&texts).max(widest(&notes)).max(RADIUS),
            });
        }
        for stuck in &self.letters {
            points.push(Point {
                at: stuck.at,
                nth: stuck.nth,
                lane: stuck.lane,
                left: RADIUS,
                right: widest(&letter_texts(stuck.letter)),
            });
        }
        for (lane, _, at) in &self.dues {
            points.push(Point {
                at: *at,
                nth: 0,
                lane: *lane,
                left: 4,
                right: width_of("deadline"),
            });
        }
        if self.picture.is_open {
            points.push(Point {
                at: self.picture.now,
                nth: 0,
                lane: usize::MAX,
                left: 0,
                right: width_of("now"),
            });
        }
        points
    }

    fn stack_lanes(&mut self) {
        let mut y = TOP;
        for lane in 0..self.picture.names.len() {
            let marks = self.drawn.iter().map(|number| &self.picture.lanes.marks[*number]);
            let texts = marks
                .filter(|mark| mark.lane == lane)
                .map(|mark| Picture::texts(mark).len())
                .max();
            let letters = self.letters.iter().any(|stuck| stuck.lane == lane).then_some(2);
            let lines = texts.max(letters).unwrap_or(1).max(1);
            let above = LINE * i32::try_from(lines).unwrap_or(1);
            self.tops.push(y);
            self.lines.push(y + above + 14);
            y += above + LANE;
        }
        self.height = y + BOTTOM;
    }

    fn svg(&self) -> Markup {
        let (width, height) = (self.axis.width.max(START) + 24, self.height);
        let lanes = self.picture.names.len();
        let marks = count(self.picture.lanes.marks.len(), "commit", "commits");
        let (streams, below) = (count(lanes, "stream", "streams"), self.height - BOTTOM);
        html! {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group"
                aria-labelledby="picture-name picture-about" {
                title #picture-name { "What happened to " (self.picture.title) }
                desc #picture-about {
                    (marks) " in " (streams) ", from left to right in order of time. The table below tells the same."
                }
                defs {
                    marker #head viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                        path.head d="M0 0 8 4 0 8z" {}
                    }
                }
                @for lane in 0..lanes { (self.lane(lane, width)) }
                @for fold in &self.axis.folds {
                    g.fold {
                        title { "A wait of " (took(fold.wait)) ", drawn shorter than it was" }
                        path d=(wave(fold.x, TOP - 4, below)) {}
                        text x=(fold.x) y=(TOP - 8) text-anchor="middle" { (took(fold.wait)) }
                    }
                }
                @if self.picture.is_open {
                    @let x = self.axis.x(self.picture.now, 0);
                    g.now { path d={ "M" (x) " " (TOP) "V" (below) } {} text x=(x + 4) y=(TOP - 8) { "now" } }
                }
                @for due in &self.dues { (self.due(*due)) }
                @for number in &self.drawn { (self.arrows(*number)) }
                @for number in &self.drawn { (self.mark(*number)) }
                @for stuck in &self.letters { (self.letter(stuck)) }
                g.ticks {
                    @for (x, text) in self.axis.ticks() { text x=(x - RADIUS) y=(self.height - 8) { (text) } }
                }
            }
        }
    }

    fn left_out(&self) -> Markup {
        html! {
            @if self.drawn.len() < self.picture.lanes.marks.len() {
                p.quiet {
                    "Of " (count(self.picture.lanes.marks.len(), "commit", "commits")) " the first " (FIRST)
                    " and the last " (LAST) " are drawn."
                }
            }
        }
    }

    fn lane(&self, lane: usize, width: i32) -> Markup {
        let name = &self.picture.names[lane];
        let (top, y) = (self.tops[lane], self.lines[lane]);
        let bottom = self.tops.get(lane + 1).copied().unwrap_or(self.height - BOTTOM);
        let is_empty = !self.picture.lanes.marks.iter().any(|mark| mark.lane == lane)
            && !self.letters.iter().any(|stuck| stuck.lane == lane);
        html! {
            g.lane.odd[lane % 2 == 1] {
                title { (name.stream) }
                rect x="0" y=(top) width=(width) height=(bottom - top) {}
                text.noun x="10" y=(y - 2) { (name.noun) }
                text.id x="10" y=(y + 13) { (short(&name.id)) }
                path d={ "M" (START - 26) " " (y) "H" (width - 12) } {}
                @if is_empty { text.id x=(START) y=(y - 8) { @if self.picture.is_open { "nothing yet" } @else { "nothing" } } }
            }
        }
    }

    fn due(&self, (first, last, at): (usize, usize, Timestamp)) -> Markup {
        let x = self.axis.x(at, 0);
        let (top, below) = (self.tops[first] + 4, self.lines[last] + 24);
        let passed = at <= self.picture.now;
        html! {
            g.due {
                title { "Deadline at " (clock(at)) @if passed { ", which has passed" } }
                path d={ "M" (x) " " (top) "V" (below) } {}
                text x=(x + 4) y=(top + 6) { "deadline" }
            }
        }
    }

    /// What led to a mark: an arrow for each message, or one from outside.
    fn arrows(&self, number: usize) -> Markup {
        let mark = &self.picture.lanes.marks[number];
        let (x, y) = (self.axis.x(mark.at, mark.nth), self.lines[mark.lane]);
        let causes = mark.causes();
        html! {
            @if causes.is_empty() && self.picture.is_whole {
                g.outside {
                    title { "From outside: no event in the picture led to it" }
                    path d={ "M" (x - 24) " " (y - 9) "L" (x - RADIUS - 2) " " (y - 2) } marker-end="url(#head)" {}
                }
            }
            @for cause in causes.into_iter().filter(|cause| self.drawn.contains(&cause.mark)) {
                (self.arrow(cause, x, y))
            }
        }
    }

    fn arrow(&self, cause: &Cause, x: i32, y: i32) -> Markup {
        let from = &self.picture.lanes.marks[cause.mark];
        let (from_x, from_y) = (self.axis.x(from.at, from.nth), self.lines[from.lane]);
        html! {
            g.arrow {
                title { (from.type_at(cause.revision)) " led to it, by " (cause.command) }
                path d=(curve(from_x, from_y, x, y)) marker-end="url(#head)" {}
            }
        }
    }

    fn mark(&self, number: usize) -> Markup {
        let mark = &self.picture.lanes.marks[number];
        let (x, y) = (self.axis.x(mark.at, mark.nth), self.lines[mark.lane]);
        let texts = Picture::texts(mark);
        let notes = self.picture.notes(mark);
        let first = mark.events.first().map_or(0, |event| event.revision);
        let up = |place: usize| y - 12 - LINE * i32::try_from(texts.len() - 1 - place).unwrap_or(0);
        let down = |place: usize| y + 20 + LINE * i32::try_from(place).unwrap_or(0);
        let kind = match (mark.late, mark.overtaken) {
            (true, _) => "mark late",
            (false, true) => "mark overtaken",
            (false, false) => "mark",
        };
        html! {
            a class=(kind) href={ "#" (row(mark.stream.as_str(), first)) } {
                title { (clock(mark.at)) " " (mark.stream) " revision " (first) }
                @if self.picture.ends(mark) { circle.end cx=(x) cy=(y) r=(RADIUS + 4) {} }
                @if mark.late {
                    path.shape d={ "M" (x) " " (y - 8) "l8 8l-8 8l-8-8z" } {}
                } @else {
                    circle.shape cx=(x) cy=(y) r=(RADIUS) {}
                }
                @for (place, text) in texts.iter().enumerate() {
                    text x=(x - RADIUS) y=(up(place)) { (text) }
                }
                @for (place, note) in notes.iter().enumerate() {
                    text.note x=(x + 4) y=(down(place)) { (note) }
                }
            }
        }
    }

    fn letter(&self, stuck: &Stuck<'_>) -> Markup {
        let (x, y) = (self.axis.x(stuck.at, stuck.nth), self.lines[stuck.lane]);
        html! {
            g.letter {
                title { (stuck.letter.queue) ": " (stuck.letter.error) }
                path.shape d={ "M" (x - 7) " " (y - 7) "h14v14h-14zl14 14m0-14l-14 14" } {}
                @for (place, text) in (0..).zip(letter_texts(stuck.letter)) {
                    text x=(x - RADIUS) y=(y - 12 - LINE * (1 - place)) { (text) }
                }
            }
        }
    }

    /// What the shapes that are there mean.
    fn legend(&self) -> Markup {
        let marks = || self.drawn.iter().map(|number| &self.picture.lanes.marks[*number]);
        let sample =
            |shape: Markup| html! { svg.sample width="26" height="20" aria-hidden="true" { (shape) } };
        let circle = || html! { g.mark { circle.shape cx="13" cy="10" r="6" {} } };
        let line = |class: &str| html! { g class=(class) { path d="M2 10H22" marker-end="url(#head)" {} } };
        let mut shapes: Vec<(Markup, &str)> = vec![(circle(), "a commit; it leads to its row below")];
        if marks().any(|mark| self.picture.ends(mark)) {
            let end = html! { g.mark { circle.end cx="13" cy="10" r="9" {} circle.shape cx="13" cy="10" r="5" {} } };
            shapes.push((end, "the end"));
        }
        if marks().any(|mark| !mark.causes().is_empty()) {
            shapes.push((line("arrow"), "led to, by a command of a step"));
        }
        if self.picture.is_whole && marks().any(|mark| mark.causes().is_empty()) {
            shapes.push((line("outside"), "came from outside"));
        }
        if !self.dues.is_empty() {
            let due = html! { g.due { path d="M13 1V19" {} } };
            shapes.push((due, "a deadline"));
        }
        if marks().any(|mark| mark.late) {
            let late = html! { g.mark.late { path.shape d="M13 2l8 8l-8 8l-8-8z" {} } };
            shapes.push((late, "came too late to count"));
        }
        if marks().any(|mark| mark.overtaken && !mark.late) {
            let overtaken = html! { g.mark.overtaken { circle.shape cx="13" cy="10" r="6" {} } };
            shapes.push((
                overtaken,
                "overtaken: on its way before the commit ahead of it, decided after it",
            ));
        }
        if !self.letters.is_empty() {
            let letter = html! { g.letter { path.shape d="M6 3h14v14h-14zl14 14m0-14l-14 14" {} } };
            shapes.push((letter, "a dead letter"));
        }
        if !self.axis.folds.is_empty() {
            let fold = html! { g.fold { path d=(wave(13, 0, 20)) {} } };
            shapes.push((fold, "a long wait, folded"));
        }
        html! { ul.legend { @for (shape, text) in shapes { li { (sample(shape)) (text) } } } }
    }
}

fn letter_texts(letter: &ShownLetter) -> [String; 2] {
    let receives = count(u64::from(letter.receive_count), "receive", "receives");
    ["dead letter".to_owned(), receives]
}

/// As much of an id as a lane has room for.
fn short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 20 {
        return id.to_owned();
    }
    let (first, last) = (letters[..13].iter(), letters[letters.len() - 4..].iter());
    first.chain(&['…']).chain(last).collect()
}

fn wave(x: i32, top: i32, bottom: i32) -> String {
    let half = 6;
    let mut path = format!("M{x} {top}");
    let mut y = top;
    while y + 2 * half <= bottom {
        path.push_str("q4 3 0 6t0 6");
        y += 2 * half;
    }
    path
}

fn curve(from_x: i32, from_y: i32, x: i32, y: i32) -> String {
    if from_y == y {
        let (from_x, x) = (from_x + 4, x - 5);
        let low = y + 30;
        return format!("M{from_x} {} C{from_x} {low} {x} {low} {x} {}", y + 6, y + 9);
    }
    let (from_x, x) = (from_x + RADIUS, x - RADIUS - 3);
    let bend = ((x - from_x) / 2).max(22);
    format!(
        "M{from_x} {from_y} C{} {from_y} {} {y} {x} {y}",
        from_x + bend,
        x - bend
    )
}
