//! All messages of a bundle: what each is, who may send it, and whole ones to look at.

use std::collections::BTreeSet;

use aws_adapters::kebab_case;
use bundle::{Bundle, Comes, Function, Sample, Sender, StreamKind, Trigger, at};
use eventsourcing::{Commit, FieldForm, Fields, Malformed, RecordedEvent, Shape, encode_event, event_id};

/// A command or an event.
pub struct Message<'b> {
    /// What there is in it, whole as it stands on a queue.
    pub shape: Shape,
    /// The kind of the streams that it is for, or in.
    pub kind: &'b StreamKind,
    /// The function that takes it, if it is a command.
    pub function: Option<&'b Function>,
    /// Whole ones, from the samples of functions.
    pub examples: Vec<String>,
}

impl<'b> Message<'b> {
    /// All messages, by the kinds of their streams: commands first.
    pub fn all(bundle: &'b Bundle) -> Vec<Self> {
        let recorded = commits(bundle);
        let all = bundle.streams.iter().flat_map(|kind| {
            let commands = kind.commands.iter().filter_map(|name| {
                let function = bundle.registry.function(&kebab_case(name))?;
                Some(Self::command(kind, function))
            });
            let commands: Vec<_> = commands.flatten().collect();
            let events = (kind.event_messages)().into_iter();
            let events: Vec<_> = events.map(|shape| Self::event(kind, shape, &recorded)).collect();
            commands.into_iter().chain(events)
        });
        all.collect()
    }

    fn command(kind: &'b StreamKind, function: &'b Function) -> Option<Self> {
        let shape = function.shapes().into_iter().next()?;
        let samples = function.samples().into_iter();
        let bodies = samples.filter_map(|sample| match sample.comes {
            Comes::Message(body, _) => Some(body),
            _ => None,
        });
        Some(Self {
            examples: without_repeats(bodies),
            function: Some(function),
            shape,
            kind,
        })
    }

    fn event(kind: &'b StreamKind, shape: Shape, recorded: &[Commit]) -> Self {
        let of_type = recorded.iter().flat_map(|commit| {
            let events = commit.events.iter();
            let events = events.filter(|event| event.event_type == shape.message_type);
            events.filter_map(|event| encode_event(&commit.stream, event, commit.committed_at).ok())
        });
        Self {
            examples: without_repeats(of_type),
            function: None,
            shape,
            kind,
        }
    }

    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        self.shape.message_type
    }

    /// Whether it asks for something; else it tells of something.
    pub fn is_command(&self) -> bool {
        self.function.is_some()
    }

    /// Whether systems outside send it.
    pub fn is_from_outside(&self) -> bool {
        let trigger = self.function.map(|function| function.trigger);
        matches!(
            trigger,
            Some(Trigger::Commands(
                Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways
            ))
        )
    }

    /// Reads the body of such a message as whoever takes it does: a command as its function, an event as one who hears
    /// of several.
    pub fn read(&self, body: &str) -> Result<(), Malformed> {
        match self.function.and_then(|function| function.read_command(body)) {
            Some(read) => read.map(drop),
            None => self.read_event(body),
        }
    }

    /// Reads an event's message; one of another type of its kind is another message.
    fn read_event(&self, body: &str) -> Result<(), Malformed> {
        (self.kind.read_event_message)(body)?;
        let name = Fields::of(body).and_then(|fields| fields.get::<String>("type").ok());
        match name {
            Some(name) if name == self.name() => Ok(()),
            _ => Err(Malformed::WrongType(self.name())),
        }
    }
}

/// The commits that samples are given, each once, and then those that they amount to.
fn commits(bundle: &Bundle) -> Vec<Commit> {
    let samples: Vec<_> = bundle
        .registry
        .functions
        .iter()
        .flat_map(Function::samples)
        .collect();
    let given = samples.iter().flat_map(|sample| sample.given.clone());
    let shapes: Vec<_> = bundle.streams.iter().flat_map(|kind| (kind.shapes)()).collect();
    let amounted = samples.iter().flat_map(|sample| recorded_by(sample, &shapes));
    let mut seen = BTreeSet::new();
    let all = given.chain(amounted);
    all.filter(|commit| seen.insert((commit.stream.clone(), types(commit))))
        .collect()
}

fn types(commit: &Commit) -> Vec<String> {
    commit
        .events
        .iter()
        .map(|event| event.event_type.clone())
        .collect()
}

/// What a sample's message amounts to: events of the types that the sample says, whose fields hold what the message and
/// the stream hold in fields of the same name.
fn recorded_by(sample: &Sample, shapes: &[Shape]) -> Vec<Commit> {
    let Comes::Message(body, _) = &sample.comes else {
        return vec![];
    };
    let recorded = sample.follows.recorded.iter();
    let commits = recorded.filter_map(|(stream, types)| {
        let before = sample.given.iter().filter(|commit| commit.stream == *stream);
        let before: Vec<_> = before.flat_map(|commit| &commit.events).collect();
        let revision = 1 + before.len() as u64;
        let message = Fields::of(body)?;
        let known: Vec<_> = before.iter().rev().map(|event| event.data.as_str()).collect();
        let known: Vec<_> = message.raw("command").into_iter().chain(known).collect();
        let events = types.iter().zip(revision..).filter_map(|(name, revision)| {
            let shape = shapes.iter().find(|shape| shape.message_type == *name)?;
            Some(RecordedEvent {
                event_id: event_id(stream, revision).to_string(),
                revision,
                event_type: (*name).to_owned(),
                schema_version: shape.schema_version,
                data: filled(shape, &known),
                correlation_id: "sample".to_owned(),
                causation_id: "sample".to_owned(),
                trace: None,
            })
        });
        Some(Commit {
            stream: stream.clone(),
            revision,
            commit_id: eventsourcing::computed_id(&format!("commit/{stream}/{revision}")),
            committed_at: at(0),
            events: events.collect(),
        })
    });
    commits.collect()
}

/// The fields of a message: what one of these objects holds in a field of that name and form, or else what is typical.
fn filled(shape: &Shape, known: &[&str]) -> String {
    let known: Vec<_> = known.iter().filter_map(|json| Fields::of(json)).collect();
    let fields = shape.fields.iter().filter_map(|field| {
        let mut found = known.iter().filter_map(|fields| fields.raw(field.name));
        let value = match (found.next(), &field.form) {
            (Some(value), _) => value.to_owned(),
            (None, FieldForm::Timestamp) if field.required => format!("\"{}\"", at(0)),
            (None, form) if field.required => form.typical(),
            (None, _) => return None,
        };
        Some(format!("\"{}\":{value}", field.name))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The first few of them, each once.
fn without_repeats(bodies: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    bodies
        .filter(|body| seen.insert(body.clone()))
        .take(MAX_EXAMPLES)
        .collect()
}

/// How many whole ones of a message are shown.
const MAX_EXAMPLES: usize = 2;
