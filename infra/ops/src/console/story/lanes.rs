//! What happened to a thing, with a lane for each of its streams: what led to what, what came too late, what was
//! overtaken, what was tried again. Pure: it is told by the events alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_adapters::kebab_case;
use bundle::{Bundle, StreamKind};
use eventsourcing::standing::StoredStream;
use eventsourcing::{Commit, DUE_AT, RecordedEvent, StreamId, Timestamp, command_id};

/// What of the business the lanes are told by.
#[derive(Default)]
pub(super) struct Rules {
    /// The commands that are decided on a kind of stream.
    commands: BTreeMap<&'static str, &'static [&'static str]>,
    /// Those of them that are deadlines, which wait for their time without being overtaken.
    deadlines: BTreeSet<&'static str>,
    /// The events that tell of a fact which came too late.
    late: BTreeSet<&'static str>,
    /// The events that end a stream of their kind.
    endings: BTreeMap<&'static str, &'static [&'static str]>,
}

impl Rules {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let deadlines = bundle.registry.deadlines();
        let is_deadline = |command: &&'static str| deadlines.contains(&kebab_case(command).as_str());
        let of_kind = |types: fn(&StreamKind) -> &'static [&'static str]| {
            let kinds = bundle.streams.iter();
            kinds.map(|kind| (kind.category.name(), types(kind))).collect()
        };
        Self {
            commands: of_kind(|kind| kind.commands),
            deadlines: bundle
                .streams
                .iter()
                .flat_map(|kind| kind.commands.iter().copied())
                .filter(is_deadline)
                .collect(),
            late: bundle
                .registry
                .functions
                .iter()
                .flat_map(|function| function.late_facts.iter().copied())
                .collect(),
            endings: of_kind(|kind| kind.endings),
        }
    }

    fn ends(&self, stream: &StreamId, event: &RecordedEvent) -> bool {
        let endings = self.endings.get(stream.category()).copied().unwrap_or_default();
        endings.contains(&event.event_type.as_str())
    }
}

/// A commit in its lane.
#[derive(Debug)]
pub(super) struct Mark {
    /// Which lane.
    pub(super) lane: usize,
    pub(super) at: Timestamp,
    /// Of several in its lane at one moment, the place of this one.
    pub(super) nth: usize,
    pub(super) stream: StreamId,
    pub(super) events: Vec<Told>,
    /// It tells of something that came too late.
    pub(super) late: bool,
    /// What led to it was there before the commit ahead of it: that overtook it, and it was decided on what was left.
    pub(super) overtaken: bool,
}

/// An event, for people.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) revision: u64,
    pub(super) event_type: String,
    pub(super) title: String,
    /// What led to it; none if that is not among what is known.
    pub(super) cause: Option<Cause>,
}

impl Mark {
    /// What led to its events, each once.
    pub(super) fn causes(&self) -> Vec<&Cause> {
        let mut causes: Vec<&Cause> = Vec::new();
        for cause in self.events.iter().filter_map(|event| event.cause.as_ref()) {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }

    /// The type of its event at that revision.
    pub(super) fn type_at(&self, revision: u64) -> &str {
        let event = self.events.iter().find(|event| event.revision == revision);
        event.map_or("", |event| event.event_type.as_str())
    }
}

/// What led to an event: a step sent a command because of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// The event's mark.
    pub(super) mark: usize,
    pub(super) revision: u64,
    pub(super) command: &'static str,
}

/// A deadline that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) lane: usize,
    pub(super) at: Timestamp,
}

/// All marks, in order of time, and the deadlines that were recorded.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    pub(super) marks: Vec<Mark>,
    pub(super) due: Vec<Due>,
}

/// A stream, and which of its events belong here.
pub(super) struct Source<'a> {
    pub(super) stream: &'a StoredStream,
    /// What an event is called.
    pub(super) title: &'a dyn Fn(&RecordedEvent) -> String,
    /// Whether an event of it belongs here.
    pub(super) shows: &'a dyn Fn(&RecordedEvent) -> bool,
}

impl Lanes {
    /// What these streams tell, a lane each.
    pub(super) fn of(sources: &[Source<'_>], rules: &Rules) -> Self {
        let mut lanes = Self::default();
        let mut commits: Vec<(usize, &Commit)> = Vec::new();
        for (lane, source) in sources.iter().enumerate() {
            commits.extend(source.stream.commits.iter().map(|commit| (lane, commit)));
        }
        // Stable: commits of one moment stay in the order of their streams.
        commits.sort_by_key(|(_, commit)| commit.committed_at);
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let mut messages: Vec<Vec<&str>> = Vec::new();
        for (lane, commit) in commits {
            let (source, at) = (&sources[lane], commit.committed_at);
            let shown: Vec<_> = commit
                .events
                .iter()
                .filter(|event| (source.shows)(event))
                .collect();
            let late = shown
                .iter()
                .any(|event| rules.late.contains(event.event_type.as_str()));
            let ends = commit
                .events
                .iter()
                .any(|event| rules.ends(&commit.stream, event));
            for event in &shown {
                let due = event.text(DUE_AT).and_then(|at| at.parse().ok());
                lanes.due.extend(due.map(|at| Due { lane, at }));
            }
            if !shown.is_empty() {
                let same = |mark: &&Mark| mark.lane == lane && mark.at == at;
                messages.push(shown.iter().map(|event| event.causation_id.as_str()).collect());
                lanes.marks.push(Mark {
                    lane,
                    at,
                    nth: lanes.marks.iter().filter(same).count(),
                    stream: commit.stream.clone(),
                    late: late || ended.contains(&lane),
                    events: shown
                        .iter()
                        .map(|event| Told {
                            revision: event.revision,
                            event_type: event.event_type.clone(),
                            title: (source.title)(event),
                            cause: None,
                        })
                        .collect(),
                    overtaken: false,
                });
            }
            if ends {
                ended.insert(lane);
            }
        }
        lanes.due.sort_by_key(|due| (due.at, due.lane));
        lanes.due.dedup();
        lanes.find_causes(sources, rules, &messages);
        lanes.find_overtaken(rules);
        lanes
    }

    /// The id of a command that a step sends is computed from the event, so what the steps could have sent because
    /// of these events is known.
    fn find_causes(&mut self, sources: &[Source<'_>], rules: &Rules, messages: &[Vec<&str>]) {
        let wanted: BTreeSet<&str> = messages.iter().flatten().copied().collect();
        let mut sent: HashMap<String, Cause> = HashMap::new();
        let ids: HashMap<(&str, u64), &str> = sources
            .iter()
            .flat_map(|source| source.stream.events().map(|(_, event)| (source.stream, event)))
            .map(|(stream, event)| ((stream.id.as_str(), event.revision), event.event_id.as_str()))
            .collect();
        for (number, mark) in self.marks.iter().enumerate() {
            for event in &mark.events {
                let Some(id) = ids.get(&(mark.stream.as_str(), event.revision)) else {
                    continue;
                };
                for source in sources {
                    let target = &source.stream.id;
                    for command in rules.commands.get(target.category()).copied().unwrap_or_default() {
                        let command_id = command_id(id, command, target).to_string();
                        if wanted.contains(command_id.as_str()) {
                            let cause = Cause {
                                mark: number,
                                revision: event.revision,
                                command,
                            };
                            sent.insert(command_id, cause);
                        }
                    }
                }
            }
        }
        for (mark, messages) in self.marks.iter_mut().zip(messages) {
            for (event, message) in mark.events.iter_mut().zip(messages) {
                event.cause = sent.get(*message).cloned();
            }
        }
    }

    fn find_overtaken(&mut self, rules: &Rules) {
        let mut before: HashMap<usize, usize> = HashMap::new();
        for number in 0..self.marks.len() {
            let mark = &self.marks[number];
            let ahead = before.insert(mark.lane, number).map(|ahead| &self.marks[ahead]);
            let is_overtaken = ahead.is_some_and(|ahead| {
                let led_ahead = ahead.causes();
                let is_overtaken = |cause: &&Cause| {
                    let is_another = led_ahead.iter().all(|other| other.command != cause.command);
                    is_another
                        && !rules.deadlines.contains(cause.command)
                        && self.marks[cause.mark].at < ahead.at
                };
                mark.causes().iter().any(is_overtaken)
            });
            self.marks[number].overtaken = is_overtaken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use eventsourcing::{Category, event_id};
    use uuid::Uuid;

    const BOOK: Category = Category::new("book");
    const LOAN: Category = Category::new("loan");

    fn rules() -> Rules {
        Rules {
            commands: [
                ("loan", &["LendBook", "RemindMember"] as &[_]),
                ("book", &["HoldBook"]),
            ]
            .into(),
            deadlines: ["RemindMember"].into(),
            late: ["BookReturnedLate"].into(),
            endings: [("loan", &["BookReturned"] as &[_])].into(),
        }
    }

    /// A commit of one event for each type, caused by that message.
    fn commit(stream: &StreamId, after: u64, millis: i64, types: &[&'static str], cause: &str) -> Commit {
        let event = |(event_type, revision): (&&str, u64)| RecordedEvent {
            event_id: event_id(stream, revision).to_string(),
            revision,
            event_type: (*event_type).to_owned(),
            schema_version: 1,
            data: "{}".to_owned(),
            correlation_id: "c".to_owned(),
            causation_id: cause.to_owned(),
            trace: None,
        };
        Commit {
            stream: stream.clone(),
            revision: after + 1,
            commit_id: Uuid::nil(),
            committed_at: Timestamp::from_millis(millis),
            events: types.iter().zip(after + 1..).map(event).collect(),
        }
    }

    fn stream(id: &StreamId, commits: Vec<Commit>) -> StoredStream {
        StoredStream {
            id: id.clone(),
            commits,
            faults: Vec::new(),
        }
    }

    fn lanes(streams: &[StoredStream]) -> Lanes {
        let sources: Vec<_> = streams
            .iter()
            .map(|stream| Source {
                stream,
                title: &|event| event.event_type.clone(),
                shows: &|_| true,
            })
            .collect();
        Lanes::of(&sources, &rules())
    }

    fn sent(by: &Commit, command: &str, target: &StreamId) -> String {
        command_id(&by.events[0].event_id, command, target).to_string()
    }

    #[test]
    fn a_commit_is_led_back_to_the_event_that_a_step_sent_its_command_for() {
        let (book, loan) = (BOOK.stream(&1), LOAN.stream(&1));
        let held = commit(&book, 0, 10, &["BookHeld"], "somebody's");
        let lent = commit(&loan, 0, 30, &["BookLent"], &sent(&held, "LendBook", &loan));
        let lanes = lanes(&[stream(&book, vec![held]), stream(&loan, vec![lent])]);
        assert!(lanes.marks[0].causes().is_empty());
        let cause = Cause {
            mark: 0,
            revision: 1,
            command: "LendBook",
        };
        assert_eq!(lanes.marks[1].causes(), [&cause]);
    }

    #[test]
    fn a_commit_of_several_messages_is_led_back_to_each_of_their_events() {
        let (books, loan) = ([BOOK.stream(&1), BOOK.stream(&2)], LOAN.stream(&1));
        let held = books.clone().map(|book| commit(&book, 0, 10, &["BookHeld"], "x"));
        let mut lent = commit(&loan, 0, 30, &["BookLent", "BookLent"], "x");
        for (event, held) in lent.events.iter_mut().zip(&held) {
            event.causation_id = sent(held, "LendBook", &loan);
        }
        let [first, second] = held;
        let [one, other] = books;
        let told = lanes(&[
            stream(&one, vec![first]),
            stream(&other, vec![second]),
            stream(&loan, vec![lent]),
        ]);
        let led: Vec<_> = told.marks[2].causes().iter().map(|cause| cause.mark).collect();
        assert_eq!(led, [0, 1]);
    }

    #[test]
    fn events_of_one_commit_are_one_mark() {
        let loan = LOAN.stream(&1);
        let both = commit(&loan, 0, 10, &["BookLent", "MemberTold"], "x");
        let lanes = lanes(&[stream(&loan, vec![both])]);
        let titles: Vec<_> = lanes.marks[0]
            .events
            .iter()
            .map(|event| event.title.as_str())
            .collect();
        assert_eq!((lanes.marks.len(), titles), (1, vec!["BookLent", "MemberTold"]));
    }

    #[test]
    fn what_was_sent_before_the_commit_ahead_of_it_was_overtaken_by_that() {
        let (book, loan) = (BOOK.stream(&1), LOAN.stream(&1));
        let held = commit(&book, 0, 10, &["BookHeld"], "x");
        let first = commit(&loan, 0, 5, &["LoanAsked"], "y");
        let between = commit(&loan, 1, 20, &["LoanExtended"], "somebody's");
        let lent = commit(&loan, 2, 30, &["BookLent"], &sent(&held, "LendBook", &loan));
        let told = lanes(&[
            stream(&book, vec![held.clone()]),
            stream(&loan, vec![first.clone(), between, lent]),
        ]);
        let overtaken: Vec<_> = told.marks.iter().map(|mark| mark.overtaken).collect();
        assert_eq!(overtaken, [false, false, false, true]);
        let lent = commit(&loan, 1, 30, &["BookLent"], &sent(&held, "LendBook", &loan));
        let told = lanes(&[stream(&book, vec![held]), stream(&loan, vec![first, lent])]);
        assert!(told.marks.iter().all(|mark| !mark.overtaken));
    }

    #[test]
    fn a_deadline_waits_and_is_not_overtaken_by_what_happens_meanwhile() {
        let (book, loan) = (BOOK.stream(&1), LOAN.stream(&1));
        let held = commit(&book, 0, 10, &["BookHeld"], "x");
        let lent = commit(&loan, 0, 20, &["BookLent"], "y");
        let reminded = commit(
            &loan,
            1,
            900,
            &["MemberReminded"],
            &sent(&held, "RemindMember", &loan),
        );
        let told = lanes(&[stream(&book, vec![held]), stream(&loan, vec![lent, reminded])]);
        assert!(told.marks.iter().all(|mark| !mark.overtaken));
        assert_eq!(told.marks[2].causes().len(), 1);
    }

    #[test]
    fn a_late_fact_is_told_by_its_type_or_by_the_end_of_its_stream_before_it() {
        let (book, loan) = (BOOK.stream(&1), LOAN.stream(&1));
        let declared = commit(&book, 0, 5, &["BookReturnedLate"], "x");
        let ended = commit(&loan, 0, 10, &["BookReturned"], "x");
        let after = commit(&loan, 1, 20, &["BookLent"], "y");
        let told = lanes(&[stream(&book, vec![declared]), stream(&loan, vec![ended, after])]);
        let late: Vec<_> = told.marks.iter().map(|mark| mark.late).collect();
        assert_eq!(late, [true, false, true]);
    }

    #[test]
    fn a_deadline_that_an_event_records_is_in_the_lane_of_its_stream() {
        let loan = LOAN.stream(&1);
        let mut lent = commit(&loan, 0, 10, &["BookLent"], "x");
        lent.events[0].data = r#"{"due_at":"2026-11-23T08:00:00.000Z"}"#.to_owned();
        let told = lanes(&[stream(&BOOK.stream(&1), vec![]), stream(&loan, vec![lent])]);
        let at = "2026-11-23T08:00:00Z".parse().expect("a timestamp");
        assert_eq!(told.due, [Due { lane: 1, at }]);
    }
}
