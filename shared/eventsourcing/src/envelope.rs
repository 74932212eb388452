//! Envelopes: what stands on a queue around a command or an event, and how it is checked.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::structure::{MAX_DEPTH, Structure};
use crate::{
    Characters, Dispatch, EventSet, EventVisitor, Field, FieldError, FieldForm, FieldValue, Fields, Message,
    RecordedEvent, Review, Shape, StreamId, TextForm, Timestamp, Unreadable, command_id, decode, write_body,
};

/// A body that can't be understood. The text says which field, and what was expected there; never
/// the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// JSON, but no object.
    #[error("the body is not a JSON object; expected {{\"type\": …, \"{0}\": {{…}}}}")]
    NotAnObject(&'static str),
    /// Not JSON at all. Where it breaks off is not said: letters are grouped by what they say.
    #[error(
        "the body is not a JSON object: it is not JSON, which knows no comments, trailing commas or NaN; expected \
         {{\"type\": …, \"{0}\": {{…}}}}"
    )]
    NotJson(&'static str),
    /// A byte order mark, which RFC 8259 (section 8.1) forbids writers of JSON, stands before the JSON.
    #[error("the body begins with a byte order mark; expected the JSON object without it")]
    ByteOrderMark,
    /// Nested too deep.
    #[error("the body is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Another type than the queue's.
    #[error("field `type` names another message than this queue takes; expected {0}")]
    WrongType(&'static str),
    /// Another type than those that the queue takes.
    #[error("field `type` names another message than this queue takes; expected one of {0}")]
    NoneOf(String),
    /// A field that is missing, is given twice or holds something else than it should.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A command or an event in a form that this version can't read.
    #[error("the {0} can't be read: {1}")]
    Content(&'static str, Unreadable),
}

/// Where a message comes from, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The id of the first message of the chain, passed on unchanged.
    pub correlation_id: String,
    /// Of a command the event that caused it, of an event the command.
    pub causation_id: String,
    /// When it was made.
    pub timestamp: Timestamp,
}

/// A command as it came from its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnvelope<C> {
    /// Its id; the SQS message id if the sender gave none.
    pub id: String,
    /// What it asks for.
    pub command: C,
    /// Where it comes from.
    pub metadata: Metadata,
}

impl<C: Message> CommandEnvelope<C> {
    /// Reads the body of a message from a queue that takes `C`.
    ///
    /// Only `command` has to be there: a missing id is `message_id`, the other ids default to the id,
    /// the timestamp to `now`, the type to the queue's.
    pub fn read(body: &str, message_id: &str, now: Timestamp) -> Result<Self, Malformed> {
        let fields = object::<C>(body, "command")?;
        let id: EnvelopeId = fields
            .get::<Option<_>>("id")?
            .unwrap_or_else(|| EnvelopeId(message_id.to_owned()));
        let Content(content, _) = fields.get::<Content<C>>("command")?;
        let command = content_of(&fields, "command", &content)?;
        let metadata = read_metadata(&fields, &id, now)?;
        Ok(Self {
            id: id.0,
            command,
            metadata,
        })
    }

    /// The shape of the whole message, with the command's fields in it.
    pub fn shape() -> Shape {
        let shape = C::shape();
        let fields = vec![
            Field::of::<Option<EnvelopeId>>(
                "id",
                "Which command it is: whoever sends it again gives the same. SQS's message id if there is none.",
            ),
            type_field::<C>(),
            version_field::<C>(),
            Field::of::<Content<C>>("command", shape.about),
            metadata_field(),
        ];
        Shape { fields, ..shape }
    }

    /// All that is wrong with the message, and the names in it that nobody reads; but for what the first
    /// look of [`read`](Self::read) finds wrong with the whole.
    pub(crate) fn review(fields: &Fields<'_>) -> Review {
        let version = fields.get::<Option<u64>>("schema_version");
        // The fields of an earlier version have other names. A version that is none is a mistake, and no
        // reason not to look at the fields.
        let is_earlier =
            version.is_ok_and(|version| (1..u64::from(C::SCHEMA_VERSION)).contains(&version.unwrap_or(1)));
        let reviewed = fields
            .review()
            .field::<Option<EnvelopeId>>("id")
            .field::<Option<String>>("type")
            .field::<Option<u64>>("schema_version");
        let reviewed = if is_earlier {
            reviewed.field::<Content<C>>("command")
        } else {
            reviewed.field::<Reviewed<C>>("command")
        };
        reviewed.field::<Option<PartialMetadata>>("metadata").finish()
    }

    /// What is wrong with the message's type and version, each by itself: [`read`](Self::read) stops at the
    /// first.
    pub(crate) fn type_and_version_faults(fields: &Fields<'_>) -> Vec<Malformed> {
        let given = fields.get::<Option<String>>("type").ok().flatten();
        let wrong_type = given
            .filter(|name| name != C::TYPE)
            .map(|_| Malformed::WrongType(C::TYPE));
        let content = fields.get::<Content<C>>("command").ok();
        let unreadable = content.and_then(|Content(json, _)| content_of::<C>(fields, "command", &json).err());
        let unreadable = unreadable.filter(|fault| matches!(fault, Malformed::Content(..)));
        wrong_type.into_iter().chain(unreadable).collect()
    }
}

/// An event as it came from a step's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEnvelope<E> {
    /// Its id, by which repeats are known.
    pub id: String,
    /// The stream it is in.
    pub stream: StreamId,
    /// Its place there.
    pub revision: u64,
    /// What happened.
    pub event: E,
    /// Where it comes from.
    pub metadata: Metadata,
}

impl<E: Message> EventEnvelope<E> {
    /// The shape of the whole message, with the event's fields in it.
    pub fn shape() -> Shape {
        let shape = E::shape();
        let fields = vec![
            Field::of::<EnvelopeId>("id", "Which event it is: its repeats have the same."),
            type_field::<E>(),
            Field::of::<StreamId>("stream_id", "The stream it is in."),
            Field::of::<u64>("revision", "Its place there; the first is 1."),
            version_field::<E>(),
            Field::of::<Content<E>>("event", shape.about),
            metadata_field(),
        ];
        Shape { fields, ..shape }
    }

    /// Reads the body of a message from a queue that takes `E`. Everything but the metadata has to be
    /// there.
    pub fn read(body: &str, now: Timestamp) -> Result<Self, Malformed> {
        let fields = object::<E>(body, "event")?;
        let id: EnvelopeId = fields.get("id")?;
        let stream = fields.get("stream_id")?;
        let revision = fields.get("revision")?;
        let Data(data) = fields.get("event")?;
        let event = content_of(&fields, "event", &data)?;
        let metadata = read_metadata(&fields, &id, now)?;
        Ok(Self {
            id: id.0,
            stream,
            revision,
            event,
            metadata,
        })
    }
}

/// What an event's message says of where the event is, for who reads its stream anyway: a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The event's id, by which repeats are known.
    pub id: String,
    /// The stream it is in.
    pub stream: StreamId,
    /// Its place there.
    pub revision: u64,
    /// Where it comes from.
    pub metadata: Metadata,
}

impl Announced {
    /// Reads the body of a message from a queue that takes those events of `E` whose types are in `types`. It has to be
    /// as sound as for a queue that takes one of them.
    pub fn read<E: EventSet>(body: &str, types: &[&str], now: Timestamp) -> Result<Self, Malformed> {
        let fields = whole(body, "event")?;
        let name: String = fields.get("type")?;
        if !types.contains(&name.as_str()) {
            return Err(Malformed::NoneOf(types.join(", ")));
        }
        let id: EnvelopeId = fields.get("id")?;
        let stream = fields.get("stream_id")?;
        let revision = fields.get("revision")?;
        let Data(data) = fields.get("event")?;
        E::decode(&name, version_of(&fields)?, &data).map_err(|why| malformed_content("event", why))?;
        Ok(Self {
            stream,
            revision,
            metadata: read_metadata(&fields, &id, now)?,
            id: id.0,
        })
    }

    /// The shapes of those messages.
    pub fn shapes<E: EventSet>(types: &[&str]) -> Vec<Shape> {
        struct Shapes<'a>(&'a [&'a str], Vec<Shape>);
        impl<E: EventSet> EventVisitor<E> for Shapes<'_> {
            fn event<M: Message + Into<E>>(&mut self) {
                if !self.0.contains(&M::TYPE) {
                    return;
                }
                let mut shape = EventEnvelope::<M>::shape();
                let types = shape.fields.iter_mut().filter(|field| field.name == "type");
                for field in types {
                    field.required = true;
                }
                self.1.push(shape);
            }
        }
        let mut shapes = Shapes(types, Vec::new());
        E::visit(&mut shapes);
        shapes.1
    }
}

/// A queue takes messages of one type, so that it may be left out.
fn type_field<M: Message>() -> Field {
    struct Types<M>(PhantomData<M>);
    impl<M: Message> Types<M> {
        const ALL: &'static [&'static str] = &[M::TYPE];
    }
    Field {
        form: FieldForm::OneOf(Types::<M>::ALL),
        ..Field::of::<Option<String>>(
            "type",
            "What kind of message it is; that of the queue if it does not say.",
        )
    }
}

fn version_field<M: Message>() -> Field {
    let form = FieldForm::Whole {
        least: 1,
        most: M::SCHEMA_VERSION.into(),
    };
    let about = "The version of its fields; the first if it does not say.";
    Field {
        form,
        required: M::SCHEMA_VERSION > 1,
        ..Field::of::<Option<u64>>("schema_version", about)
    }
}

fn metadata_field() -> Field {
    Field::of::<Option<PartialMetadata>>("metadata", "Where it comes from, and when.")
}

fn object<'a, M: Message>(body: &'a str, content: &'static str) -> Result<Fields<'a>, Malformed> {
    let fields = whole(body, content)?;
    match fields.get::<Option<String>>("type")? {
        Some(name) if name != M::TYPE => Err(Malformed::WrongType(M::TYPE)),
        _ => Ok(fields),
    }
}

/// The fields of a message that is JSON and no more than that.
fn whole<'a>(body: &'a str, content: &'static str) -> Result<Fields<'a>, Malformed> {
    let structure = Structure::of(body);
    if structure.depth > MAX_DEPTH {
        return Err(Malformed::TooDeep);
    }
    if body.starts_with('\u{feff}') {
        return Err(Malformed::ByteOrderMark);
    }
    let fields = Fields::of(body).ok_or_else(|| match serde_json::from_str::<IgnoredAny>(body) {
        Ok(_) => Malformed::NotAnObject(content),
        Err(_) => Malformed::NotJson(content),
    })?;
    if let Some(path) = structure.doubled {
        return Err(FieldError::doubled(path).into());
    }
    Ok(fields)
}

/// The command or event itself. Its fields may be of an older version, so that it takes more than
/// `M::read` to read them. A message that does not say its version is of the first.
fn content_of<M: Message>(envelope: &Fields<'_>, content: &'static str, json: &str) -> Result<M, Malformed> {
    decode(version_of(envelope)?, json).map_err(|why| malformed_content(content, why))
}

fn version_of(envelope: &Fields<'_>) -> Result<u32, Malformed> {
    let version = envelope.get::<Option<u64>>("schema_version")?.unwrap_or(1);
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

fn malformed_content(content: &'static str, why: Unreadable) -> Malformed {
    match why {
        Unreadable::Field(error) => Malformed::Field(error.within(content)),
        other => Malformed::Content(content, other),
    }
}

fn read_metadata(fields: &Fields<'_>, id: &EnvelopeId, now: Timestamp) -> Result<Metadata, Malformed> {
    let given: Option<PartialMetadata> = fields.get("metadata")?;
    let (correlation, causation, timestamp) = given.map_or((None, None, None), |given| {
        (given.correlation_id, given.causation_id, given.timestamp)
    });
    Ok(Metadata {
        correlation_id: correlation.unwrap_or_else(|| id.clone()).0,
        causation_id: causation.unwrap_or_else(|| id.clone()).0,
        timestamp: timestamp.unwrap_or(now),
    })
}

/// The id and the correlation id of a message, as far as its body tells them; `message_id` where it
/// does not. For the log of a message that nobody has got round to reading, or that can't be read.
pub fn ids_of(body: &str, message_id: &str) -> (String, String) {
    let fields = Fields::of(body);
    let id = fields
        .as_ref()
        .and_then(|fields| fields.get::<EnvelopeId>("id").ok());
    let id = id.map_or_else(|| message_id.to_owned(), |id| id.0);
    let metadata = fields
        .as_ref()
        .and_then(|fields| fields.get::<PartialMetadata>("metadata").ok());
    let correlation = metadata.and_then(|metadata| metadata.correlation_id);
    let correlation_id = correlation.map_or_else(|| id.clone(), |id| id.0);
    (id, correlation_id)
}

/// The fields of a command, unread.
struct Content<M>(String, PhantomData<M>);

impl<M: Message> FieldValue for Content<M> {
    fn form() -> FieldForm {
        let shape = M::shape();
        FieldForm::Object {
            name: shape.message_type,
            about: shape.about,
            fields: shape.fields,
        }
    }

    fn expected() -> String {
        format!("the fields of {} as an object", M::TYPE)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        let Data(json) = Data::read(raw).map_err(|_| FieldError::value::<Self>(raw))?;
        Ok(Self(json, PhantomData))
    }
}

/// The fields of a command in the current version, which are looked at one by one.
struct Reviewed<M>(PhantomData<M>);

impl<M: Message> FieldValue for Reviewed<M> {
    fn form() -> FieldForm {
        Content::<M>::form()
    }

    fn expected() -> String {
        Content::<M>::expected()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        Content::<M>::read(raw).map(|_| Self(PhantomData))
    }

    fn review(raw: &str) -> Review {
        match Fields::of(raw) {
            Some(fields) => M::review(&fields),
            None => Review::of(Self::read(raw)),
        }
    }
}

/// The fields of an event, unread.
struct Data(String);

impl FieldValue for Data {
    fn form() -> FieldForm {
        FieldForm::Object {
            name: "event",
            about: "What happened.",
            fields: vec![],
        }
    }

    fn expected() -> String {
        "the event's fields as an object".into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        // The text is one JSON value already: its first character says of which kind, and its fields are read
        // once, later.
        raw.starts_with('{')
            .then(|| Self(raw.to_owned()))
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

/// The id of a command or event: whatever the sender likes, within reason. It ends up in every log
/// line and every event, so it has no control characters and a bounded length.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
struct EnvelopeId(String);

impl EnvelopeId {
    const FORM: TextForm = TextForm::of(Characters::NoControls, 1, Some(128));
}

impl FieldValue for EnvelopeId {
    fn form() -> FieldForm {
        FieldForm::Text(Self::FORM)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        String::read(raw)
            .ok()
            .filter(|id| Self::FORM.fits(id))
            .map(Self)
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

crate::object! {
    /// Where a message comes from, and when, as far as its sender says.
    struct PartialMetadata {
        /// The id of the first message of the chain, passed on unchanged.
        correlation_id: Option<EnvelopeId>,
        /// Of a command the event that caused it, of an event the command.
        causation_id: Option<EnvelopeId>,
        /// When it was made.
        timestamp: Option<Timestamp>,
    }
}

impl FieldValue for StreamId {
    fn form() -> FieldForm {
        FieldForm::StreamName
    }

    /// It ends up in log lines and errors, and as a key in the table: nothing may stand in it that they
    /// can't hold.
    fn read(raw: &str) -> Result<Self, FieldError> {
        const FORM: TextForm = TextForm::of(Characters::Id, 0, Some(StreamId::MAX_CHARS));
        String::read(raw)
            .ok()
            .filter(|name| FORM.fits(name))
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

#[derive(Serialize)]
struct CommandOnTheWire<'a> {
    id: String,
    r#type: &'a str,
    /// Left out if it is the first, as those outside leave it out.
    #[serde(skip_serializing_if = "is_first")]
    schema_version: u32,
    command: &'a RawValue,
    metadata: MetadataOnTheWire<'a>,
}

#[derive(Serialize)]
struct EventOnTheWire<'a> {
    id: &'a str,
    r#type: &'a str,
    stream_id: &'a str,
    revision: u64,
    schema_version: u32,
    event: &'a RawValue,
    metadata: MetadataOnTheWire<'a>,
}

#[derive(Serialize)]
struct MetadataOnTheWire<'a> {
    correlation_id: &'a str,
    causation_id: &'a str,
    timestamp: Timestamp,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Serde asks with a reference.
fn is_first(version: &u32) -> bool {
    *version == 1
}

/// The body of the command that a step sends because of the event `caused_by`, with a computed id.
pub fn encode_command(
    dispatch: &Dispatch,
    caused_by: &str,
    correlation_id: &str,
    now: Timestamp,
) -> Result<String, serde_json::Error> {
    write_body(&CommandOnTheWire {
        id: command_id(caused_by, dispatch.command_type, &dispatch.stream).to_string(),
        r#type: dispatch.command_type,
        schema_version: dispatch.schema_version,
        command: serde_json::from_str(&dispatch.json)?,
        metadata: MetadataOnTheWire {
            correlation_id,
            causation_id: caused_by,
            timestamp: now,
        },
    })
}

/// The body of the message that carries a stored event. Fails when the stored data is not JSON.
pub fn encode_event(
    stream: &StreamId,
    event: &RecordedEvent,
    committed_at: Timestamp,
) -> Result<String, serde_json::Error> {
    write_body(&EventOnTheWire {
        id: &event.event_id,
        r#type: &event.event_type,
        stream_id: stream.as_str(),
        revision: event.revision,
        schema_version: event.schema_version,
        event: serde_json::from_str(&event.data)?,
        metadata: MetadataOnTheWire {
            correlation_id: &event.correlation_id,
            causation_id: &event.causation_id,
            timestamp: committed_at,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    crate::message! {
        /// A command for these tests.
        pub struct Greet {
            /// Whom.
            pub name: String,
        }
    }

    #[test]
    fn the_form_of_every_value_of_an_envelope_is_what_its_reader_reads() {
        crate::samples::assert_form_is_what_is_read::<EnvelopeId>();
        crate::samples::assert_form_is_what_is_read::<PartialMetadata>();
    }

    /// Asserts that what is wrong with a message of that shape is refused by its reader, which names the field.
    fn assert_refused<T: std::fmt::Debug>(shape: &Shape, read: impl Fn(&str) -> Result<T, Malformed>) {
        for sample in shape.samples() {
            assert!(read(&sample).is_ok(), "{sample}");
        }
        for crate::Wrong { json, error } in shape.wrong() {
            let told = read(&json).expect_err(&json);
            // Of a version that there is none of, the version is told, not the field.
            let path = format!("field `{}` ", error.path());
            let is_told = told.to_string().starts_with(&path) || matches!(told, Malformed::Content(..));
            assert!(is_told, "{told}, and not {error}: {json}");
        }
    }

    #[test]
    fn the_shape_of_a_message_is_what_its_reader_reads() {
        let now = Timestamp::from_millis(0);
        let shape = CommandEnvelope::<Greet>::shape();
        assert_eq!(
            shape.names(),
            ["id", "type", "schema_version", "command", "metadata"]
        );
        assert_refused(&shape, |body| CommandEnvelope::<Greet>::read(body, "m-1", now));
        let shape = EventEnvelope::<Greet>::shape();
        assert_refused(&shape, |body| EventEnvelope::<Greet>::read(body, now));
    }

    fn read(body: &str) -> Result<CommandEnvelope<Greet>, String> {
        CommandEnvelope::read(body, "m-1", Timestamp::from_millis(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_command_is_required() {
        let envelope = read(r#"{"command":{"name":"Ada"}}"#).expect("it is complete");
        assert_eq!(envelope.id, "m-1");
        assert_eq!(envelope.metadata.correlation_id, "m-1");
        assert_eq!(envelope.metadata.causation_id, "m-1");
        assert_eq!(envelope.metadata.timestamp, Timestamp::from_millis(0));
    }

    #[test]
    fn given_ids_are_kept() {
        let body = r#"{"id":"a","type":"Greet","command":{"name":"Ada"},"metadata":{"correlation_id":"b"}}"#;
        let envelope = read(body).expect("it is complete");
        assert_eq!(
            (envelope.id.as_str(), envelope.metadata.correlation_id.as_str()),
            ("a", "b")
        );
        assert_eq!(envelope.metadata.causation_id, "a");
    }

    #[test]
    fn what_is_wrong_is_named_without_the_value() {
        let cases = [
            (
                "not json",
                "the body is not a JSON object: it is not JSON, which knows no comments, trailing commas or NaN; \
                 expected {\"type\": …, \"command\": {…}}",
            ),
            (
                r#"{"command":{"name":NaN}}"#,
                "the body is not a JSON object: it is not JSON, which knows no comments, trailing commas or NaN; \
                 expected {\"type\": …, \"command\": {…}}",
            ),
            (
                "[]",
                "the body is not a JSON object; expected {\"type\": …, \"command\": {…}}",
            ),
            (
                r#"{"type":"Shout","command":{}}"#,
                "field `type` names another message than this queue takes; expected Greet",
            ),
            (
                "{}",
                "field `command` is missing; expected the fields of Greet as an object",
            ),
            (
                r#"{"command":{"name":7}}"#,
                "field `command.name` holds a number; expected a string",
            ),
            (
                r#"{"command":{"name":"Ada"},"metadata":{"timestamp":"noon"}}"#,
                "field `metadata.timestamp` holds a string; expected an RFC 3339 timestamp, such as 2026-11-23T08:00:00Z",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body).expect_err(body), expected);
        }
    }

    #[test]
    fn a_command_of_a_newer_version_is_malformed_and_says_which_are_not() {
        let error =
            read(r#"{"schema_version":2,"command":{"name":"Ada"}}"#).expect_err("version 2 is unknown");
        assert_eq!(
            error,
            "the command can't be read: it has schema version 2, and this version reads 1 to 1"
        );
        assert!(read(r#"{"schema_version":1,"command":{"name":"Ada"}}"#).is_ok());
    }

    #[test]
    fn the_name_of_an_events_stream_is_one_that_a_log_line_and_a_key_can_hold() {
        let read = |stream: &str| {
            let body = json!({ "id": "e", "stream_id": stream, "revision": 1, "event": { "name": "Ada" } });
            EventEnvelope::<Greet>::read(&body.to_string(), Timestamp::from_millis(0))
        };
        assert!(read(&format!("loan-{}", "x".repeat(128))).is_ok());
        for stream in [
            "loan-\u{7}",
            "loan-Zoë",
            "loan-a b",
            &format!("loan-{}", "x".repeat(156)),
        ] {
            let error = read(stream).expect_err(stream).to_string();
            assert!(error.starts_with("field `stream_id` holds a string"), "{error}");
        }
    }

    #[test]
    fn nesting_up_to_64_levels_is_read_and_deeper_is_not() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            format!(r#"{{"command":{{"name":"Ada"}},"extra":{open}{close}}}"#)
        };
        assert!(read(&nested(63)).is_ok());
        assert_eq!(
            read(&nested(64)).expect_err("65 levels"),
            "the body is nested deeper than 64 levels"
        );
        assert!(read(&nested(100_000)).is_err());
        assert!(
            read(r#"{"command":{"name":"[[[[{{{{\"[[["}}"#).is_ok(),
            "brackets in a string do not nest"
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_malformed_wherever_it_stands_and_its_path_is_told() {
        for (body, path) in [
            (r#"{"command":{"name":"Ada","name":"Eve"}}"#, "command.name"),
            (r#"{"command":{"name":"Ada","n\u0061me":"Eve"}}"#, "command.name"),
            (r#"{"id":"a","command":{"name":"Ada"},"id":"a"}"#, "id"),
            (
                r#"{"command":{"name":"Ada"},"metadata":null,"metadata":{}}"#,
                "metadata",
            ),
            (
                r#"{"command":{"name":"Ada"},"extra":[{"a":{"b":1,"b":1}}]}"#,
                "extra[0].a.b",
            ),
        ] {
            let error = format!("field `{path}` is given twice; expected once");
            assert_eq!(read(body).expect_err(body), error);
        }
        let event = r#"{"id":"e","stream_id":"loan-1","revision":1,"event":{"name":"Ada","x":1,"x":1}}"#;
        let error = EventEnvelope::<Greet>::read(event, Timestamp::from_millis(0)).expect_err("x twice");
        assert_eq!(error.to_string(), "field `event.x` is given twice; expected once");
        let error = read(r#"{"command":{"name":"Ada"},"id":1,"id":1"#).expect_err("it is cut off");
        assert!(error.contains("not a JSON object"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_before_the_json_is_named() {
        let error = read("\u{feff}{\"command\":{\"name\":\"Ada\"}}").expect_err("it is no JSON");
        assert_eq!(
            error,
            "the body begins with a byte order mark; expected the JSON object without it"
        );
        let inside = read("{\"command\":{\"name\":\"\u{feff}Ada\"}}").expect("it is a character like others");
        assert_eq!(inside.command.name, "\u{feff}Ada");
    }

    #[test]
    fn half_a_surrogate_pair_is_read_as_a_replacement_character_and_refuses_nothing() {
        let body = r#"{"id":"a\udc00","\ud800":{"\udfff":["\ud800"]},"command":{"name":"\ud83dA\ud83d\ude00\ud83d","\ud800":1}}"#;
        let envelope = read(body).expect("every field that counts is there");
        assert_eq!(envelope.command.name, "\u{fffd}A😀\u{fffd}");
        assert_eq!(envelope.id, "a\u{fffd}");
        assert_eq!(ids_of(body, "m-1").0, "a\u{fffd}");
        // Raw control characters stay what they are: no JSON.
        for body in [
            "{\"command\":{\"name\":\"\u{1}\"}}",
            "{\"\u{1}\":1,\"command\":{\"name\":\"\"}}",
        ] {
            assert!(
                read(body).expect_err(body).contains("not a JSON object"),
                "{body:?}"
            );
        }
    }

    /// With a search through all earlier names for each name this would take minutes.
    #[test]
    fn a_body_of_a_mebibyte_is_read_at_once_however_many_names_it_has() {
        let whole = |rest: &str| format!(r#"{{"command":{{"name":"Ada"}},{rest}}}"#);
        let fields = |prefix: &str, count: usize| {
            let fields: Vec<_> = (0..count).map(|n| format!(r#""{prefix}{n:x}":1"#)).collect();
            whole(&fields.join(","))
        };
        let bodies = [
            fields("", 100_000),
            fields(&"x".repeat(1000), 1_000),
            whole(&format!(r#""a":[{}{{}}]"#, r#"{"a":[{}]},"#.repeat(90_000))),
            whole(&format!(r#""a":{}1{}"#, r#"{"a":"#.repeat(62), "}".repeat(62))),
        ];
        for body in bodies {
            assert!(body.len() <= 1_048_576, "{}", body.len());
            assert!(read(&body).is_ok());
        }
    }
}
