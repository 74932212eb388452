//! `given::<Order>([..]).when(command).then([..])`, by way of the store's form of everything: given
//! events are written and read back, the command goes through `plan`, and what was recorded must lead
//! to the state that was planned with and make a repeat of the command a no-op.

use std::fmt::Debug;

use eventsourcing::{
    CommandMeta, Commit, Decider, EventSet, History, MAX_COMMIT_BYTES, NewEvent, Outcome, Planned, Position,
    Stream, StreamId, Timestamp, assemble, computed_id, plan,
};

use crate::shop::now;

/// A stream in which these events have happened, each in a commit of its own, and the default settings.
pub fn given<D: Decider<Settings: Default>>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let mut commits = Vec::new();
    for event in events {
        append(&mut commits, vec![stored(&event)]);
    }
    Given {
        history: history(&commits),
        commits,
        settings: D::Settings::default(),
        at: now(),
    }
}

/// What has happened.
pub struct Given<D: Decider> {
    commits: Vec<Commit>,
    history: History<D>,
    settings: D::Settings,
    at: Timestamp,
}

impl<D: Decider> Given<D> {
    /// Decides at that time instead of [`now`].
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Decides with these settings instead of the default ones.
    pub fn set(self, settings: D::Settings) -> Self {
        Self { settings, ..self }
    }

    /// Decides a command.
    pub fn when(self, command: impl Into<D::Command>) -> Decided<D> {
        let command = (
            CommandMeta {
                id: "command".into(),
                correlation_id: "chain".into(),
                trace: None,
            },
            command.into(),
        );
        let planned = plan(
            &self.history,
            std::slice::from_ref(&command),
            &self.settings,
            self.at,
            MAX_COMMIT_BYTES,
        );
        Decided {
            given: self,
            command,
            planned,
        }
    }
}

/// What a command amounted to.
pub struct Decided<D: Decider> {
    given: Given<D>,
    command: (CommandMeta, D::Command),
    planned: Planned<D>,
}

impl<D: Decider<Event: PartialEq, State: PartialEq>> Decided<D> {
    /// It recorded these events, and is a no-op when it comes again.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        let types = expected.iter().map(EventSet::event_type).collect();
        assert_eq!(self.planned.outcomes, [Outcome::Recorded(types)]);
        let read = |event: &NewEvent| D::Event::decode(event.event_type, event.schema_version, &event.data);
        let recorded: Result<Vec<_>, _> = self.planned.events.iter().map(read).collect();
        assert_eq!(recorded.expect("what is recorded can be read"), expected);

        let mut commits = self.given.commits;
        append(&mut commits, self.planned.events.clone());
        let reloaded = history::<D>(&commits);
        let kept = History::after(self.planned, reloaded.position());
        assert!(
            kept.state() == reloaded.state(),
            "the stored events lead to another state than the planned ones"
        );
        let repeat = plan(
            &reloaded,
            &[self.command],
            &self.given.settings,
            self.given.at,
            MAX_COMMIT_BYTES,
        );
        assert_eq!(repeat.outcomes, [Outcome::Nothing], "when it is repeated");
    }

    /// It had been done, or was made pointless.
    #[track_caller]
    pub fn nothing(self) {
        self.only(&Outcome::Nothing);
    }

    /// The rules forbid it, and say so in these words.
    #[track_caller]
    pub fn rejected(self, why: impl Into<String>) {
        self.only(&Outcome::Rejected(why.into()));
    }

    /// It waits for something that is not there yet.
    #[track_caller]
    pub fn premature(self, why: impl Into<String>) {
        self.only(&Outcome::Premature(why.into()));
    }

    /// It is to come again at that time.
    #[track_caller]
    pub fn not_due_before(self, at: Timestamp) {
        self.only(&Outcome::NotDue(at));
    }

    #[track_caller]
    fn only(self, outcome: &Outcome) {
        assert_eq!(&self.planned.outcomes, std::slice::from_ref(outcome));
        assert_eq!(self.planned.events, [], "nothing is appended");
    }
}

impl<D: Decider<State: Debug>> Debug for Given<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.history.state().fmt(f)
    }
}

pub fn stored<E: EventSet>(event: &E) -> NewEvent {
    NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: "chain".into(),
        causation_id: "earlier".into(),
        trace: None,
    }
}

fn append(commits: &mut Vec<Commit>, events: Vec<NewEvent>) {
    let position = commits.last().map_or(Position::START, Commit::end);
    let commit_id = computed_id(&format!("commit/{}", commits.len()));
    commits.push(Commit::at(position, &stream_id(), commit_id, now(), events));
}

fn history<D: Decider>(commits: &[Commit]) -> History<D> {
    let stream: Stream = assemble(&stream_id(), commits.to_vec()).expect("the commits tile the stream");
    History::of(&stream).expect("what is stored can be read")
}

fn stream_id() -> StreamId {
    "stream-1".parse().expect("a stream's name")
}
