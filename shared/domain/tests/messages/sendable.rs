//! What is accepted can be sent: of whatever a reader lets in, every message is one that SQS takes, by its
//! characters and by its size.
//!
//! All messages are commands and events with an id, a correlation and a causation, so each type is asked for
//! itself: with fields and ids as large and as odd as its reader takes them, written the way that steps, the
//! relay and everybody else write it.

use eventsourcing::{
    Command, CommandEnvelope, CommandSet, CommandVisitor, Commit, Dispatch, EventSet, EventVisitor,
    MAX_COMMIT_BYTES, Message, NewEvent, Position, Timestamp, computed_id, encode_command, encode_event,
    is_sendable,
};

use crate::any::{self, Spelling, envelope_id};
use crate::every::{CATEGORIES, every_command, every_event, read_command, read_event};

/// The most bytes in a message: 1 MiB. These have no attributes of their own.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_BYTES: usize = 1024 * 1024;

/// Tries each message with arbitrary fields and ids.
struct Odd;

impl Odd {
    fn run<M: Message>(test: impl Fn(&str, &[String; 3]) -> Result<(), String>) {
        let fields = any::object(&M::shape().fields, Spelling::Odd);
        let values = (fields, [envelope_id(), envelope_id(), envelope_id()]);
        any::run(16, M::TYPE, &values, |(fields, ids)| test(fields, ids));
    }
}

#[test]
fn whatever_is_read_of_a_command_can_be_sent() {
    every_command(&mut Odd);
}

impl<S: CommandSet> CommandVisitor<S> for Odd {
    fn command<C: Command + Into<S>>(&mut self) {
        Self::run::<C>(sent_as_a_command::<C>);
    }
}

#[test]
fn whatever_is_read_of_an_event_can_be_stored_and_sent() {
    every_event(&mut Odd);
}

impl<S: EventSet> EventVisitor<S> for Odd {
    fn event<E: Message + Into<S>>(&mut self) {
        Self::run::<E>(sent_as_an_event::<S, E>);
    }
}

/// Reads the command as its function does, and writes it as a step or an operator does.
fn sent_as_a_command<C: Command>(fields: &str, ids: &[String; 3]) -> Result<(), String> {
    let ([id, correlation, causation], version) = (ids, C::SCHEMA_VERSION);
    let body = format!(
        r#"{{"id":{id},"schema_version":{version},"command":{fields},"metadata":{{"correlation_id":{correlation},"causation_id":{causation}}}}}"#
    );
    let read = read_command::<C>(&body);
    let CommandEnvelope {
        id,
        command,
        metadata,
    } = read.map_err(|error| format!("{error}: {body}"))?;
    let written = encode_command(
        &Dispatch::now(&command),
        &id,
        &metadata.correlation_id,
        metadata.timestamp,
    )
    .map_err(|error| error.to_string())?;
    check(&written)?;
    let again = read_command::<C>(&written).map_err(|error| error.to_string())?;
    let same = again.command.json() == command.json() && again.metadata.causation_id == id;
    same.then_some(())
        .ok_or_else(|| "it is not read as it was".to_owned())
}

/// Stores the event under the ids of a command, and writes it as the relay does.
fn sent_as_an_event<S: EventSet, E: Message + Into<S>>(
    fields: &str,
    ids: &[String; 3],
) -> Result<(), String> {
    let ([id, correlation, _], version) = (ids, E::SCHEMA_VERSION);
    let body = format!(
        r#"{{"id":{id},"stream_id":"s-1","revision":1,"schema_version":{version},"event":{fields},"metadata":{{"correlation_id":{correlation}}}}}"#
    );
    let read = read_event::<E>(&body).map_err(|error| format!("{error}: {body}"))?;
    let json = read.event.json();
    let event: S = read.event.into();
    let new = NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: read.metadata.correlation_id.clone(),
        causation_id: read.id.clone(),
        trace: None,
    };
    let longest = CATEGORIES.iter().max_by_key(|category| category.name().len());
    let stream = longest.expect("there are categories").stream(&"x".repeat(128));
    let now = Timestamp::from_millis(0);
    let commit = Commit::at(Position::START, &stream, computed_id("commit"), now, vec![new]);
    if commit.stored_bytes() > MAX_COMMIT_BYTES {
        return Err(format!(
            "{} bytes do not fit into a commit",
            commit.stored_bytes()
        ));
    }
    let written = encode_event(&stream, &commit.events[0], now).map_err(|error| error.to_string())?;
    check(&written)?;
    let again = read_event::<E>(&written).map_err(|error| error.to_string())?;
    let same = again.event.json() == json && again.metadata.causation_id == read.id;
    same.then_some(())
        .ok_or_else(|| "it is not read as it was".to_owned())
}

/// Whether SQS takes a message with that body.
fn check(body: &str) -> Result<(), String> {
    if body.is_empty() || body.len() > MAX_BYTES {
        return Err(format!("it has {} bytes", body.len()));
    }
    match body.chars().find(|character| !is_sendable(*character)) {
        Some(character) => Err(format!("it holds {character:?}")),
        None => Ok(()),
    }
}
