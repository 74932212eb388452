//! What a command function and a step do with a message, by whatever rules: they read it, rebuild the
//! history, and plan or react, with the code that runs in production.

use domain::Deadlines;
use eventsourcing::{
    Command, CommandEnvelope, CommandMeta, CommandSet, CommandVisitor, Decider, Decision, EventEnvelope,
    History, MAX_COMMIT_BYTES, Message, NewEvent, Outcome, Position, Refusal, Step, StepSet, StepVisitor,
    Stream, Timestamp, plan,
};

use super::letter::{Letter, now};

/// What a decider returns.
pub type Verdict<E> = Result<Decision<E>, Refusal>;

/// What a batch of commands for one stream amounts to.
pub struct Plan {
    /// What became of each command, in order.
    pub outcomes: Vec<Outcome>,
    /// What to append.
    pub events: Vec<NewEvent>,
    /// Where.
    pub position: Position,
}

/// A command with what its envelope says.
struct Addressed<C> {
    meta: CommandMeta,
    command: C,
    creates: bool,
}

/// Decides a batch as a command function does: reads the bodies, rebuilds the history, plans.
pub fn planned<D: Decider<Settings = ()>>(stream: &Stream, batch: &[Letter], at: Timestamp) -> Plan {
    let batch: Vec<_> = batch.iter().map(read::<D::Command>).collect();
    // A command that creates is tried on a guess, and the guess is given up where nothing would be
    // appended on it. On a stream that has commits the condition fails, which is the same as a load.
    let creates = batch.iter().all(|addressed| addressed.creates);
    let commands: Vec<_> = batch
        .into_iter()
        .map(|addressed| (addressed.meta, addressed.command))
        .collect();
    if creates && stream.commits().is_empty() {
        let guess = plan(
            &History::<D>::guessed_empty(),
            &commands,
            &(),
            at,
            MAX_COMMIT_BYTES,
        );
        if !guess.events.is_empty() {
            return Plan {
                outcomes: guess.outcomes,
                events: guess.events,
                position: Position::START,
            };
        }
    }
    let history = History::<D>::of(stream).expect("what was stored can be read");
    let planned = plan(&history, &commands, &(), at, MAX_COMMIT_BYTES);
    Plan {
        outcomes: planned.outcomes,
        events: planned.events,
        position: history.position(),
    }
}

/// Reads a letter as that of the commands which its type names.
fn read<S: CommandSet>(letter: &Letter) -> Addressed<S> {
    let mut reader = Reader { letter, read: None };
    S::visit(&mut reader);
    let kind = &letter.kind;
    reader.read.unwrap_or_else(|| panic!("nobody takes {kind}"))
}

struct Reader<'a, S> {
    letter: &'a Letter,
    read: Option<Addressed<S>>,
}

impl<S: CommandSet> CommandVisitor<S> for Reader<'_, S> {
    fn command<C: Command + Into<S>>(&mut self) {
        if self.letter.kind != C::TYPE {
            return;
        }
        let envelope = CommandEnvelope::<C>::read(&self.letter.body, "unnamed", now())
            .expect("only valid commands are sent");
        let meta = CommandMeta {
            id: envelope.id,
            correlation_id: envelope.metadata.correlation_id,
            trace: None,
        };
        self.read = Some(Addressed {
            meta,
            command: envelope.command.into(),
            creates: C::CREATES,
        });
    }
}

/// Whether a step of the set waits for events of that type.
pub fn has_step<S: StepSet<Settings = Deadlines>>(kind: &str) -> bool {
    Waiting::of::<S>(kind).is_there
}

/// Whether a step of the set that waits for events of that type reads their stream.
pub fn reads_stream<S: StepSet<Settings = Deadlines>>(kind: &str) -> bool {
    Waiting::of::<S>(kind).reads_stream
}

/// What there is to know of the steps that wait for a type of events.
struct Waiting<'a> {
    kind: &'a str,
    is_there: bool,
    reads_stream: bool,
}

impl<'a> Waiting<'a> {
    fn of<S: StepSet<Settings = Deadlines>>(kind: &'a str) -> Self {
        let mut waiting = Self {
            kind,
            is_there: false,
            reads_stream: false,
        };
        S::visit(&mut waiting);
        waiting
    }
}

impl StepVisitor<Deadlines> for Waiting<'_> {
    fn step<S: Step<Settings = Deadlines>>(&mut self) {
        if self.kind == S::Event::TYPE {
            self.is_there = true;
            self.reads_stream |= S::READS_STATE;
        }
    }
}

/// What the real steps of the set send because of an event; none if `stream` does not hold the event yet, and a
/// step would need it.
pub fn react<S: StepSet<Settings = Deadlines>>(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
    let mut run = Run {
        event,
        stream,
        sent: Some(vec![]),
    };
    S::visit(&mut run);
    run.sent
}

struct Run<'a> {
    event: &'a Letter,
    stream: &'a Stream,
    sent: Option<Vec<Letter>>,
}

impl StepVisitor<Deadlines> for Run<'_> {
    fn step<S: Step<Settings = Deadlines>>(&mut self) {
        if self.event.kind == S::Event::TYPE {
            let sent = self.sent.take().zip(run::<S>(self.event, self.stream));
            self.sent = sent.map(|(earlier, now)| [earlier, now].concat());
        }
    }
}

/// What a step sends because of an event; none if `stream` does not hold the event yet, and the step would
/// need it.
fn run<S: Step<Settings = Deadlines>>(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
    let envelope =
        EventEnvelope::<S::Event>::read(&event.body, now()).expect("the relay writes valid events");
    let history = if S::READS_STATE {
        History::<S::Source>::of(stream).expect("what was stored can be read")
    } else {
        History::guessed_empty()
    };
    if S::READS_STATE && !history.position().covers(envelope.revision) {
        return None;
    }
    let sent = S::react(&envelope.event, history.state(), &Deadlines::default());
    let letter = |dispatch| Letter::from_step(dispatch, &envelope.id, &envelope.metadata.correlation_id);
    Some(sent.iter().map(letter).collect())
}

/// Makes `Ruled<$decider, R>` a decider whose decisions come from `R::$decide`. The module that uses it has
/// `Rules` and `Ruled`.
macro_rules! ruled {
    ($decider:ty, $decide:ident) => {
        impl<R: Rules> eventsourcing::Decider for Ruled<$decider, R> {
            const CATEGORY: eventsourcing::Category = <$decider>::CATEGORY;
            type Command = <$decider as eventsourcing::Decider>::Command;
            type Event = <$decider as eventsourcing::Decider>::Event;
            type State = <$decider as eventsourcing::Decider>::State;
            type Settings = ();

            fn evolve(state: Self::State, event: &Self::Event) -> Self::State {
                <$decider>::evolve(state, event)
            }

            fn decide(
                state: &Self::State,
                command: &Self::Command,
                (): &(),
                at: eventsourcing::Timestamp,
            ) -> $crate::checker::deciding::Verdict<Self::Event> {
                R::$decide(state, command, at)
            }
        }
    };
}
