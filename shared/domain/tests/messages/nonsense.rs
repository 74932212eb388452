//! Whatever stands on a queue, reading it ends with a message or an error that does not tell what
//! stood there.

use eventsourcing::{
    Command, CommandSet, CommandVisitor, EventSet, EventVisitor, Field, FieldForm, Malformed, Message,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::every::{self, bodies, every_command, every_event, read_command, read_event};

/// Reads a body as each message.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn check<T>(read: Result<T, Malformed>) {
        if let Err(error) = read {
            assert!(!error.to_string().contains("S3CR3T"), "{error}");
        }
    }
}

impl<S: CommandSet> CommandVisitor<S> for Reader<'_> {
    fn command<C: Command + Into<S>>(&mut self) {
        Self::check(read_command::<C>(self.0));
    }
}

impl<S: EventSet> EventVisitor<S> for Reader<'_> {
    fn event<E: Message + Into<S>>(&mut self) {
        Self::check(read_event::<E>(self.0));
    }
}

fn read_as_everything(body: &str) {
    every_command(&mut Reader(body));
    every_event(&mut Reader(body));
}

/// Counts the messages that a body can be read as.
struct Takers<'a> {
    body: &'a str,
    count: usize,
}

impl Takers<'_> {
    fn of(body: &str) -> usize {
        let mut takers = Takers { body, count: 0 };
        every_command(&mut takers);
        every_event(&mut takers);
        takers.count
    }
}

impl<S: CommandSet> CommandVisitor<S> for Takers<'_> {
    fn command<C: Command + Into<S>>(&mut self) {
        self.count += usize::from(read_command::<C>(self.body).is_ok());
    }
}

impl<S: EventSet> EventVisitor<S> for Takers<'_> {
    fn event<E: Message + Into<S>>(&mut self) {
        self.count += usize::from(read_event::<E>(self.body).is_ok());
    }
}

#[test]
fn every_body_that_is_damaged_here_was_valid() {
    for body in bodies() {
        assert!(Takers::of(&body) > 0, "{body}");
    }
}

/// The names of all fields of all messages, on every level, and those of their envelopes.
fn names() -> Vec<&'static str> {
    fn of_fields(fields: &[Field]) -> Vec<&'static str> {
        let names = |field: &Field| [vec![field.name], of_form(&field.form)].concat();
        fields.iter().flat_map(names).collect()
    }
    fn of_form(form: &FieldForm) -> Vec<&'static str> {
        match form {
            FieldForm::List { of, .. } => of_form(of),
            FieldForm::Object { fields, .. } => of_fields(fields),
            _ => vec![],
        }
    }
    let mut names = vec![
        "id",
        "type",
        "command",
        "event",
        "metadata",
        "correlation_id",
        "timestamp",
        "stream_id",
        "revision",
        "schema_version",
    ];
    names.extend(every::shapes().iter().flat_map(|shape| of_fields(&shape.fields)));
    names.sort_unstable();
    names.dedup();
    names
}

/// Any JSON, rich in the names and values that are looked for.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no infinity", |value| value.is_finite())
            .prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a string")),
        Just(r#""S3CR3T""#.to_owned()),
        Just(r#""\ud800""#.to_owned()),
    ];
    let name = prop_oneof![
        4 => proptest::sample::select(names()).prop_map(String::from),
        1 => "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|values| format!("[{}]", values.join(","))),
            proptest::collection::vec((name.clone(), inner), 0..8).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!(r#""{name}":{value}"#))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(body in any::<String>()) {
        read_as_everything(&body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_json_is_read_or_refused(body in json()) {
        read_as_everything(&body);
        read_as_everything(&format!(r#"{{"command":{body},"event":{body},"metadata":{body}}}"#));
    }

    #[test]
    fn a_valid_body_with_a_damaged_byte_is_read_or_refused(
        body in proptest::sample::select(bodies()),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = body.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_body_that_was_cut_off_is_refused(body in proptest::sample::select(bodies()), at in any::<Index>()) {
        let cut: String = body.chars().take(at.index(body.chars().count())).collect();
        prop_assert_eq!(Takers::of(&cut), 0, "{}", cut);
        read_as_everything(&cut);
    }
}

#[test]
fn a_body_of_brackets_does_not_exhaust_the_stack() {
    for bracket in ["[", "{\"command\":", "[{\"a\":"] {
        read_as_everything(&bracket.repeat(200_000));
    }
}
