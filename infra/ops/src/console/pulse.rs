//! What happened within the last day, from the event table's stream, which is followed for as long as the console runs.
//!
//! It is counted here, and nowhere kept: a console that begins reads the day that the stream holds first. How a thing
//! ended is told by the rule of its view on the events themselves, as the view's own function has it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use aws_adapters::ViewRow;
use bundle::ViewTableForm;
use eventsourcing::{Commit, PHASE, RecordedEvent, Timestamp, assemble};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::stack::Stack;
use crate::tail::{Follower, Place, Streamed, TableStream};

/// How far the stream reaches back.
const KEPT: Duration = Duration::from_hours(24);

/// In what pieces of time is counted, in milliseconds.
const PIECE: i64 = 10_000;

/// What a rate is told of.
const MINUTE: Duration = Duration::from_mins(1);

/// How many of the newest times from beginning to end are kept for each view.
const TIMES: usize = 10_000;

/// How many things that have not ended are followed. Of others, nothing tells how they end but their rows.
const FOLLOWED: usize = 100_000;

/// How long to wait after the stream gave no answer.
const AGAIN: Duration = Duration::from_secs(5);

/// What was counted, and how far.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    pieces: BTreeMap<i64, Piece>,
    views: Vec<Watched>,
    /// Up to when the stream was read; none before it was read at all.
    pub(crate) read_to: Option<Timestamp>,
    /// Since when is counted.
    pub(crate) since: Option<Timestamp>,
    /// Why it is not read at the moment.
    pub(crate) trouble: Option<String>,
}

/// What happened within a piece of time.
#[derive(Debug, Default)]
struct Piece {
    events: BTreeMap<String, u64>,
    began: BTreeMap<&'static str, u64>,
    ended: BTreeMap<(&'static str, String), u64>,
}

/// A view whose things are followed.
#[derive(Debug)]
struct Watched {
    form: ViewTableForm,
    /// Those that have not ended.
    open: HashMap<String, Open>,
    took: VecDeque<(Timestamp, Duration)>,
    /// The newest event that renews a row, by its stream's id; none if it is known to be in it.
    newest: Option<Newest>,
}

/// A thing that has not ended.
#[derive(Debug, Default)]
struct Open {
    commits: Vec<Commit>,
    /// Whether it has a row, and so was counted.
    is_shown: bool,
}

/// An event that renews a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) at: Timestamp,
}

/// How long things took from their beginning to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) of: usize,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
}

impl Pulse {
    pub(crate) fn of(views: impl Iterator<Item = ViewTableForm>) -> Self {
        let watched = |form| Watched {
            form,
            open: HashMap::new(),
            took: VecDeque::new(),
            newest: None,
        };
        Self {
            views: views.map(watched).collect(),
            ..Self::default()
        }
    }

    /// Counts a commit.
    pub(crate) fn add(&mut self, commit: Commit) {
        let at = commit.committed_at;
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        let piece = self.pieces.entry(at.millis().div_euclid(PIECE)).or_default();
        for event in &commit.events {
            *piece.events.entry(event.event_type.clone()).or_default() += 1;
        }
        let category = commit.stream.category().to_owned();
        if let Some(view) = self
            .views
            .iter_mut()
            .find(|view| view.form.category.name() == category)
        {
            view.add(commit, piece);
        }
    }

    /// Forgets what is older than the stream keeps.
    fn forget(&mut self, now: Timestamp) {
        let oldest = piece_before(now, KEPT);
        self.pieces = self.pieces.split_off(&oldest);
    }

    fn within(&self, now: Timestamp, time: Duration) -> impl Iterator<Item = &Piece> {
        self.pieces
            .range(piece_before(now, time) + 1..)
            .map(|(_, piece)| piece)
    }

    /// How many events of that type there were within the last minute.
    pub(crate) fn events_a_minute(&self, now: Timestamp, event_type: &str) -> u64 {
        self.within(now, MINUTE)
            .filter_map(|piece| piece.events.get(event_type))
            .sum()
    }

    /// How many things of a view began within the last minute.
    pub(crate) fn began_a_minute(&self, now: Timestamp, view: &str) -> u64 {
        self.within(now, MINUTE)
            .filter_map(|piece| piece.began.get(view))
            .sum()
    }

    /// How many things of a view ended within the day, by how: a phase, with the cause if there is one.
    pub(crate) fn ended(&self, now: Timestamp, view: &str) -> BTreeMap<&str, u64> {
        let mut ended = BTreeMap::new();
        for piece in self.within(now, KEPT) {
            for ((_, how), number) in piece.ended.iter().filter(|((of, _), _)| *of == view) {
                *ended.entry(how.as_str()).or_default() += number;
            }
        }
        ended
    }

    /// How many events there were in each of the last minutes, the oldest first.
    pub(crate) fn by_minute(&self, now: Timestamp, minutes: u32) -> Vec<u64> {
        let pieces = millis(MINUTE) / PIECE;
        let last = now.millis().div_euclid(PIECE);
        let in_minute = |minute: i64| {
            let to = last - minute * pieces;
            let within = self.pieces.range(to - pieces + 1..=to);
            within.flat_map(|(_, piece)| piece.events.values()).sum()
        };
        (0..i64::from(minutes)).rev().map(in_minute).collect()
    }

    /// How long the things of a view took that ended within the day.
    pub(crate) fn took(&self, now: Timestamp, view: &str) -> Option<Took> {
        let view = self.views.iter().find(|watched| watched.form.name == view)?;
        let recent = view.took.iter().filter(|(at, _)| now.since(*at) <= KEPT);
        let mut times: Vec<_> = recent.map(|(_, took)| *took).collect();
        times.sort_unstable();
        let at = |percent: usize| {
            times
                .get((times.len() * percent).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Some(Took {
            of: times.len(),
            p50: at(50)?,
            p95: at(95)?,
        })
    }

    /// That event is in its row: nobody need look again.
    pub(crate) fn is_shown(&mut self, view: &str, event: &Newest) {
        let views = self.views.iter_mut().filter(|watched| watched.form.name == view);
        for watched in views.filter(|watched| watched.newest.as_ref() == Some(event)) {
            watched.newest = None;
        }
    }

    /// The newest event that renews a row of a view, if it is not known to be in it.
    pub(crate) fn newest(&self, view: &str) -> Option<&Newest> {
        let view = self.views.iter().find(|watched| watched.form.name == view)?;
        view.newest.as_ref()
    }
}

impl Watched {
    fn add(&mut self, commit: Commit, piece: &mut Piece) {
        let (at, id) = (commit.committed_at, commit.stream.id().to_owned());
        let is_listened_to = |event: &RecordedEvent| self.form.listens.contains(&event.event_type.as_str());
        let renews = commit.events.iter().any(is_listened_to);
        if renews {
            self.newest = Some(Newest {
                id: id.clone(),
                revision: commit.last_revision(),
                at,
            });
        }
        if commit.revision == 1 {
            if self.open.len() >= FOLLOWED {
                return;
            }
            self.open.insert(id.clone(), Open::default());
        }
        let stream = commit.stream.clone();
        let Some(open) = self.open.get_mut(&id) else {
            // It began before the day, or has ended.
            return;
        };
        open.commits.push(commit);
        // Of a thing with many members, thousands of commits may stand between those that change its row.
        if !renews {
            return;
        }
        // What can't be read shows nothing here; its row and `trace` tell why.
        let viewed = assemble(&stream, open.commits.clone())
            .ok()
            .and_then(|stream| (self.form.row)(&stream).ok()?);
        let Some(viewed) = viewed else {
            return;
        };
        let of = |name| {
            viewed
                .row
                .text_of(name)
                .and_then(|time| time.parse::<Timestamp>().ok())
        };
        if !std::mem::replace(&mut open.is_shown, true) {
            *piece.began.entry(self.form.name).or_default() += 1;
        }
        if viewed.row.is_open() {
            return;
        }
        self.open.remove(&id);
        let phase = viewed.row.text_of(PHASE).unwrap_or_default();
        let cause = self
            .form
            .figures
            .cause
            .and_then(|(cause, _)| viewed.row.text_of(cause));
        let how = cause.map_or_else(|| phase.to_owned(), |cause| format!("{phase} ({cause})"));
        *piece.ended.entry((self.form.name, how)).or_default() += 1;
        if let Some(began) = of(self.form.figures.began) {
            self.took.push_back((at, at.since(began)));
            if self.took.len() > TIMES {
                self.took.pop_front();
            }
        }
    }
}

fn piece_before(now: Timestamp, time: Duration) -> i64 {
    now.millis().saturating_sub(millis(time)).div_euclid(PIECE)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Follows the stream for as long as anybody looks. What the stream does not answer is asked again.
pub(crate) async fn follow(stack: &Stack, pulse: &RefCell<Pulse>, now: impl Fn() -> Timestamp) {
    loop {
        let Err(failure) = follow_once(stack, pulse, &now).await;
        pulse.borrow_mut().trouble = Some(failure.to_string());
        tokio::time::sleep(AGAIN).await;
    }
}

async fn follow_once(
    stack: &Stack,
    pulse: &RefCell<Pulse>,
    clock: impl Fn() -> Timestamp,
) -> Result<std::convert::Infallible, Failure> {
    let source = TableStream::of(stack).await?;
    let began = clock();
    let mut follower = Follower::begin(source, Place::Oldest, began, Instant::now()).await?;
    *pulse.borrow_mut() = Pulse::of(stack.bundle.registry.views());
    loop {
        let round = follower.round(Instant::now()).await?;
        let now = clock();
        {
            let mut pulse = pulse.borrow_mut();
            pulse.trouble = round.news.last().cloned();
            let whole = round.next.is_some_and(|next| next > Instant::now());
            let mut latest = whole.then_some(now);
            for streamed in round.streamed {
                if let Streamed::Commit(commit) = streamed {
                    latest = latest.max(Some(commit.committed_at));
                    pulse.add(commit);
                }
            }
            pulse.read_to = pulse.read_to.max(latest);
            pulse.forget(now);
        }
        match round.next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => tokio::task::yield_now().await,
        }
    }
}

/// Whether a row does not know that event yet.
pub(crate) fn is_behind(newest: &Newest, row: Option<&ViewRow>) -> bool {
    let known = row.and_then(|row| row.number("revision")?.parse::<u64>().ok());
    known.is_none_or(|known| known < newest.revision)
}

#[cfg(test)]
mod tests {
    use eventsourcing::{NewEvent, Position, StreamId};
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn form() -> ViewTableForm {
        let mut views = library::bundle().registry.views().collect::<Vec<_>>();
        views.remove(0)
    }

    fn count(pulse: &mut Pulse, stream: &str, seconds: i64, event_type: &'static str) {
        let stream: StreamId = stream.parse().expect("a stream's name");
        let event = NewEvent {
            event_type,
            schema_version: 1,
            trace: None,
            correlation_id: "c".into(),
            causation_id: "c".into(),
            data: "{}".into(),
        };
        pulse.add(Commit::at(
            Position::START,
            &stream,
            Uuid::nil(),
            at(seconds),
            vec![event],
        ));
    }

    #[test]
    fn events_are_counted_by_minute_and_a_rate_is_that_of_the_last_one() {
        let mut pulse = Pulse::of([form()].into_iter());
        for (number, seconds) in [1, 2, 61, 62, 63].into_iter().enumerate() {
            count(&mut pulse, &format!("copy-{number}"), seconds, "CopyBought");
        }
        assert_eq!(pulse.events_a_minute(at(69), "CopyBought"), 3);
        assert_eq!(pulse.events_a_minute(at(69), "CopySold"), 0);
        assert_eq!(pulse.by_minute(at(69), 2), [2, 3]);
        assert_eq!(pulse.events_a_minute(at(200), "CopyBought"), 0);
    }

    #[test]
    fn an_event_that_is_in_its_row_is_looked_for_no_more_and_the_next_one_is() {
        let form = form();
        let mut pulse = Pulse::of([form].into_iter());
        let listened = form.listens[0];
        count(&mut pulse, "loan-1", 1, listened);
        let first = pulse.newest(form.name).cloned().expect("it renews a row");
        pulse.is_shown(form.name, &first);
        assert_eq!(pulse.newest(form.name), None);
        count(&mut pulse, "loan-2", 2, listened);
        // What was looked for before is no word on what came since.
        pulse.is_shown(form.name, &first);
        let next = pulse.newest(form.name).expect("it renews a row");
        assert_eq!(next.id, "2");
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let mut pulse = Pulse::of([form()].into_iter());
        count(&mut pulse, "copy-1", 0, "CopyBought");
        pulse.forget(at(86_000));
        assert_eq!(pulse.pieces.len(), 1);
        pulse.forget(at(86_500));
        assert_eq!(pulse.pieces.len(), 0);
    }
}
