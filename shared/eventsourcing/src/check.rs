//! Whether a decider's messages are what their shapes say: one call in the tests of a business, which tries
//! every field of every command and event and grows with them.

use crate::{
    Command, CommandEnvelope, CommandSet, CommandVisitor, Decider, Dispatch, Draft, EventEnvelope, EventSet,
    EventVisitor, Form, Malformed, Message, Shape, Timestamp, Wrong, encode_command,
};

/// What is not as the shapes say, in words; nothing if all is.
///
/// Each sample has to be read, and to be written as it was, by the sender of a command and by the store of
/// events. Each wrong value has to be refused by its reader, and told by whoever looks at a draft, in the words
/// that its form has for it.
///
/// ```text
/// assert_eq!(message_faults::<Loan>(), [""; 0]);
/// ```
pub fn message_faults<D: Decider>() -> Vec<String> {
    let mut check = Check::default();
    D::Command::visit(&mut check);
    D::Event::visit(&mut check);
    check.faults
}

#[derive(Default)]
struct Check {
    faults: Vec<String>,
}

/// Stands for the time at which a message is read, where it does not matter.
fn now() -> Timestamp {
    Timestamp::from_millis(0)
}

/// Whole messages with one thing wrong. Not with their version: of which versions there is a way to the newest
/// is up to the message.
fn wrong_bodies(shape: &Shape) -> impl Iterator<Item = Wrong> {
    let wrong = shape.wrong().into_iter();
    wrong.filter(|wrong| wrong.error.path() != "schema_version")
}

impl<S: CommandSet> CommandVisitor<S> for Check {
    fn command<C: Command + Into<S>>(&mut self) {
        let read = |body: &str| CommandEnvelope::<C>::read(body, "unsent", now());
        for fields in C::shape().samples() {
            let (name, version) = (C::TYPE, C::SCHEMA_VERSION);
            let body = format!(r#"{{"type":"{name}","schema_version":{version},"command":{fields}}}"#);
            let sent = read(&body).map(|received| {
                let dispatch = Dispatch::now(&received.command);
                encode_command(&dispatch, "cause", "chain", now()).unwrap_or_default()
            });
            let again = sent.and_then(|body| read(&body));
            self.same(C::TYPE, &fields, again.map(|again| again.command.json()));
            let faults = Draft::of::<C>(&body, Form::Message).faults;
            self.expect(faults.is_empty(), || {
                format!("{name}: a draft has {faults:?}: {body}")
            });
        }
        for wrong in wrong_bodies(&CommandEnvelope::<C>::shape()) {
            let refusal = read(&wrong.json).err();
            let drafted = Draft::of::<C>(&wrong.json, Form::Message).faults;
            let told = refusal.as_ref().map(ToString::to_string);
            let is_told = drafted.iter().any(|fault| Some(fault.to_string()) == told);
            self.expect(is_told, || format!("{}: a draft does not tell {told:?}", C::TYPE));
            self.refused(C::TYPE, "command", &wrong, refusal);
        }
    }
}

impl<S: EventSet> EventVisitor<S> for Check {
    fn event<E: Message + Into<S>>(&mut self) {
        let read = |body: &str| EventEnvelope::<E>::read(body, now());
        for fields in E::shape().samples() {
            let stored = S::decode(E::TYPE, E::SCHEMA_VERSION, &fields);
            let stored = stored.map(|event| event.json());
            self.same(E::TYPE, &fields, stored);
            let (name, version) = (E::TYPE, E::SCHEMA_VERSION);
            let body = format!(
                r#"{{"id":"e","type":"{name}","stream_id":"s-1","revision":1,"schema_version":{version},"event":{fields}}}"#
            );
            self.same(E::TYPE, &fields, read(&body).map(|relayed| relayed.event.json()));
        }
        for wrong in wrong_bodies(&EventEnvelope::<E>::shape()) {
            self.refused(E::TYPE, "event", &wrong, read(&wrong.json).err());
        }
    }
}

impl Check {
    /// Notes a fault, with as much of its JSON as can be looked at.
    fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault().chars().take(500).collect());
        }
    }

    fn same<E: std::fmt::Display>(&mut self, message: &str, fields: &str, written: Result<String, E>) {
        match written {
            Ok(written) => self.expect(written == fields, || {
                format!("{message}: written as {written}, and read from {fields}")
            }),
            Err(error) => self.expect(false, || format!("{message}: {error}: {fields}")),
        }
    }

    fn refused(&mut self, message: &str, content: &str, wrong: &Wrong, refusal: Option<Malformed>) {
        let Wrong { json, error } = wrong;
        let Some(refusal) = refusal else {
            return self.expect(false, || format!("{message}: not refused: {json}"));
        };
        let inner = error.path().strip_prefix(content);
        let is_field = inner.is_some_and(|inner| inner.starts_with('.'));
        let as_expected = match &refusal {
            // What is wrong with a field is told in the very words.
            Malformed::Field(told) if is_field => told == error,
            Malformed::Field(told) => told.path() == error.path(),
            Malformed::WrongType(_) => error.path() == "type",
            _ => false,
        };
        self.expect(as_expected, || {
            format!("{message}: {refusal}; and not {error}: {json}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Category, Decision, FieldError, FieldForm, FieldValue, Refusal};

    /// A number that is read more freely than its form says, and written otherwise than it is read.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct Loose(u64);

    impl FieldValue for Loose {
        fn form() -> FieldForm {
            FieldForm::Whole { least: 1, most: 3 }
        }

        fn read(raw: &str) -> Result<Self, FieldError> {
            u64::read(raw).map(Self)
        }
    }

    impl serde::Serialize for Loose {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u64(self.0.min(2))
        }
    }

    crate::message! {
        /// Counts.
        pub struct Count {
            /// Which count.
            pub count_id: String,
            /// How many.
            pub number: u64,
        }
    }

    crate::message! {
        /// Was counted.
        pub struct Counted {
            /// How many.
            pub number: Loose,
        }
    }

    crate::commands! {
        /// What is asked.
        pub enum CounterCommand for Counter { Count => count_id }
    }

    crate::events! {
        /// What happens.
        pub enum CounterEvent { Counted }
    }

    /// For these tests.
    #[derive(Debug)]
    pub struct Counter;

    impl Decider for Counter {
        const CATEGORY: Category = Category::new("counter");
        type Command = CounterCommand;
        type Event = CounterEvent;
        type State = ();
        type Settings = ();

        fn evolve((): (), _: &CounterEvent) {}

        fn decide(
            (): &(),
            _: &CounterCommand,
            (): &(),
            _: Timestamp,
        ) -> Result<Decision<CounterEvent>, Refusal> {
            Ok(Decision::Nothing)
        }
    }

    #[test]
    fn a_value_that_is_read_or_written_otherwise_than_its_form_says_is_found() {
        let faults = message_faults::<Counter>();
        let of_commands = faults.iter().filter(|fault| fault.starts_with("Count:"));
        assert_eq!(of_commands.count(), 0, "{faults:#?}");
        for found in [
            r#"Counted: written as {"number":2}, and read from {"number":3}"#,
            "Counted: not refused: ",
            "Counted: field `event.number` holds a string; expected a whole number; \
             and not field `event.number` holds a string; expected a whole number from 1 to 3: ",
        ] {
            assert!(
                faults.iter().any(|fault| fault.starts_with(found)),
                "{found}: {faults:#?}"
            );
        }
    }
}
