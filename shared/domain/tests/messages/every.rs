//! Every command and every event of the domain, and bodies for them.

use domain::with_deciders;
use eventsourcing::{
    Category, Command, CommandEnvelope, CommandSet, CommandVisitor, Decider, EventEnvelope, EventSet,
    EventVisitor, Malformed, Message, Shape, Timestamp, message_faults,
};

macro_rules! deciders {
    ($($decider:ty),* $(,)?) => {
        /// The names of all deciders.
        const DECIDERS: &[&str] = &[$(stringify!($decider)),*];

        /// Their kinds of streams.
        pub const CATEGORIES: &[Category] = &[$(<$decider as Decider>::CATEGORY),*];

        /// Shows every command of the domain to `visitor`.
        pub fn every_command<V: Sized $(+ CommandVisitor<<$decider as Decider>::Command>)*>(visitor: &mut V) {
            $(<$decider as Decider>::Command::visit(visitor);)*
        }

        /// Shows every event of the domain to `visitor`.
        pub fn every_event<V: Sized $(+ EventVisitor<<$decider as Decider>::Event>)*>(visitor: &mut V) {
            $(<$decider as Decider>::Event::visit(visitor);)*
        }

        /// What of all commands and events is not as their shapes say.
        pub fn faults() -> Vec<String> {
            [$(message_faults::<$decider>()),*].concat()
        }

        /// The shapes of all commands and events.
        pub fn shapes() -> Vec<Shape> {
            [
                $(<$decider as Decider>::Command::shapes(), <$decider as Decider>::Event::shapes()),*
            ]
            .concat()
        }
    };
}

with_deciders!(deciders);

/// The body of a command with these fields.
pub fn command_body<C: Message>(fields: &str) -> String {
    format!(r#"{{"schema_version":{},"command":{fields}}}"#, C::SCHEMA_VERSION)
}

/// The body of an event with these fields.
pub fn event_body<E: Message>(fields: &str) -> String {
    let (name, version) = (E::TYPE, E::SCHEMA_VERSION);
    format!(
        r#"{{"id":"e","type":"{name}","stream_id":"s-1","revision":1,"schema_version":{version},"event":{fields}}}"#
    )
}

/// Reads a command as its function does.
pub fn read_command<C: Message>(body: &str) -> Result<CommandEnvelope<C>, Malformed> {
    CommandEnvelope::read(body, "m-1", Timestamp::from_millis(0))
}

/// Reads an event as its step does.
pub fn read_event<E: Message>(body: &str) -> Result<EventEnvelope<E>, Malformed> {
    EventEnvelope::read(body, Timestamp::from_millis(0))
}

/// A body of each command and event, with all its fields.
pub fn bodies() -> Vec<String> {
    struct Bodies(Vec<String>);
    impl<S: CommandSet> CommandVisitor<S> for Bodies {
        fn command<C: Command + Into<S>>(&mut self) {
            self.0.push(command_body::<C>(&C::shape().samples()[0]));
        }
    }
    impl<S: EventSet> EventVisitor<S> for Bodies {
        fn event<E: Message + Into<S>>(&mut self) {
            self.0.push(event_body::<E>(&E::shape().samples()[0]));
        }
    }
    let mut bodies = Bodies(Vec::new());
    every_command(&mut bodies);
    every_event(&mut bodies);
    bodies.0
}

#[test]
fn every_decider_is_tried_here() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("there are sources");
    let mut found = Vec::new();
    for source in sources {
        let path = source.expect("it can be listed").path();
        let text = std::fs::read_to_string(path).expect("it is text");
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix("impl Decider for "));
        found.extend(names.map(|rest| rest.trim_end_matches(" {").to_owned()));
    }
    found.sort();
    let names = DECIDERS.iter().filter_map(|path| path.rsplit(':').next());
    let mut tried: Vec<_> = names.map(str::trim).collect();
    tried.sort_unstable();
    assert_eq!(
        found, tried,
        "list it in `with_deciders!` in shared/domain/src/lib.rs"
    );
}
