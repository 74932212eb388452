//! What a command function and a step do with a message, by whatever rules: they read it, rebuild the
//! history, and plan or react, with the code that runs in production.

use domain::Deadlines;
use eventsourcing::{
    Command, CommandEnvelope, CommandMeta, Decider, Decision, EventEnvelope, History, MAX_COMMIT_BYTES,
    NewEvent, Outcome, Position, Refusal, Step, Stream, Timestamp, plan,
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
pub struct Addressed<C> {
    meta: CommandMeta,
    command: C,
    creates: bool,
}

/// Decides a batch as a command function does: reads the bodies, rebuilds the history, plans.
pub fn planned<D: Decider<Settings = ()>>(
    stream: &Stream,
    batch: &[Letter],
    at: Timestamp,
    read: impl Fn(&Letter) -> Addressed<D::Command>,
) -> Plan {
    let batch: Vec<_> = batch.iter().map(read).collect();
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

/// Reads a letter as a command.
pub fn read<C: Command>(letter: &Letter) -> Addressed<<C::Decider as Decider>::Command> {
    let envelope =
        CommandEnvelope::<C>::read(&letter.body, "unnamed", now()).expect("only valid commands are sent");
    let meta = CommandMeta {
        id: envelope.id,
        correlation_id: envelope.metadata.correlation_id,
        trace: None,
    };
    Addressed {
        meta,
        command: envelope.command.into(),
        creates: C::CREATES,
    }
}

/// What a step sends because of an event; none if `stream` does not hold the event yet, and the step would
/// need it.
pub fn run<S: Step<Settings = Deadlines>>(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
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

/// Reads the letter as that of the listed commands which its type names.
macro_rules! read_as {
    ($letter:expr; $($command:ty),*) => {
        match $letter.kind.as_str() {
            $(kind if kind == <$command as eventsourcing::Message>::TYPE =>
                $crate::checker::deciding::read::<$command>($letter),)*
            other => panic!("nobody takes {other}"),
        }
    };
}

/// Declares which step waits for which events.
macro_rules! steps {
    ($($step:ty),* $(,)?) => {
        /// Whether a step waits for events of that type.
        pub fn has_step(kind: &str) -> bool {
            [$(<<$step as eventsourcing::Step>::Event as eventsourcing::Message>::TYPE),*].contains(&kind)
        }

        /// Whether that step reads the event's stream.
        pub fn reads_stream(kind: &str) -> bool {
            [$((
                <<$step as eventsourcing::Step>::Event as eventsourcing::Message>::TYPE,
                <$step as eventsourcing::Step>::READS_STATE,
            )),*].contains(&(kind, true))
        }

        /// What the real step sends because of the event; none if `stream` does not hold the event yet, and
        /// the step would need it.
        pub fn real_step(
            event: &$crate::checker::letter::Letter,
            stream: &eventsourcing::Stream,
        ) -> Option<Vec<$crate::checker::letter::Letter>> {
            match event.kind.as_str() {
                $(kind if kind == <<$step as eventsourcing::Step>::Event as eventsourcing::Message>::TYPE =>
                    $crate::checker::deciding::run::<$step>(event, stream),)*
                other => panic!("no step waits for {other}"),
            }
        }
    };
}
