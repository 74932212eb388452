//! A shape as JSON Schema 2020-12, the whole message as it stands on a queue.
//!
//! Only what every validator reads alike is used. So patterns hold no class that some language lacks, and money
//! has no `multipleOf`: validators that reckon with binary fractions, among them the most used of JavaScript and
//! Python, would refuse 0.07 as no multiple of 0.01.

use eventsourcing::{Characters, DecimalForm, Field, FieldForm, Shape, StreamId, TextForm};

use crate::json::{Json, Object};
use crate::messages::Message;

/// The folder of the schemas, in the catalogue.
pub const SCHEMAS: &str = "schemas";

/// The dialect of all schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a message, as it stands in its file.
pub fn schema(message: &Message<'_>) -> String {
    of_shape(&message.shape, &message.examples).page()
}

/// The schema of messages of that shape, with examples of whole ones.
fn of_shape(shape: &Shape, examples: &[String]) -> Json {
    let mut definitions = Object::default();
    let mut properties = Object::default();
    for field in &shape.fields {
        properties = properties.with(field.name, around(shape, field, &mut definitions));
    }
    let examples: Vec<_> = examples.iter().filter_map(|body| Json::read(body)).collect();
    let some = !definitions.is_empty();
    Object::default()
        .with("$schema", DIALECT)
        .with("title", shape.message_type)
        .with("description", plain(shape.about))
        .with("type", "object")
        .with("properties", properties)
        .maybe("required", required(&shape.fields))
        .maybe("examples", (!examples.is_empty()).then_some(examples))
        .maybe("$defs", some.then_some(definitions))
        .into()
}

/// A field around a message's own. What it holds has a name that tells it from the whole message, and an earlier version
/// of its content has a schema of its own, in an earlier catalogue.
fn around(shape: &Shape, field: &Field, definitions: &mut Object) -> Json {
    let schema = described(field);
    match &field.form {
        FieldForm::Object { about, fields, .. } => {
            let name = match field.name {
                "command" => format!("{}Command", shape.message_type),
                "event" => format!("{}Event", shape.message_type),
                _ => capitalised(field.name),
            };
            define(&name, about, fields, definitions);
            referring(schema, &name, !field.required).into()
        }
        FieldForm::Whole { most, .. } if field.name == "schema_version" => {
            one_of(schema, vec![Json::from(*most)], !field.required).into()
        }
        form => self::form(schema, form, !field.required, definitions).into(),
    }
}

/// Adds the definition of an object of that name, unless there is one.
fn define(name: &str, about: &str, fields: &[Field], definitions: &mut Object) {
    let mut inner = Object::default();
    let mut properties = Object::default();
    for field in fields {
        let schema = form(described(field), &field.form, !field.required, &mut inner);
        properties = properties.with(field.name, schema);
    }
    let object = Object::default()
        .with("title", name)
        .with("description", plain(about))
        .with("type", "object")
        .with("properties", properties)
        .maybe("required", required(fields));
    definitions.put_once(name, || object.into());
    definitions.put_all(inner);
}

fn required(fields: &[Field]) -> Option<Vec<&'static str>> {
    let required = fields.iter().filter(|field| field.required);
    let required: Vec<_> = required.map(|field| field.name).collect();
    (!required.is_empty()).then_some(required)
}

/// What is said of a field in words.
fn described(field: &Field) -> Object {
    let about = plain(field.about);
    Object::default().maybe("description", (!about.is_empty()).then_some(about))
}

/// The schema, with what it says of a value of that form.
fn form(schema: Object, form: &FieldForm, or_null: bool, definitions: &mut Object) -> Object {
    match form {
        FieldForm::Text(text) => of_text(typed(schema, "string", or_null), *text),
        FieldForm::Decimal(number) => {
            definitions.put_once(number.name, || decimal(number).into());
            referring(schema, number.name, or_null)
        }
        FieldForm::Whole { least, most } if least == most => {
            one_of(schema, vec![Json::from(*least)], or_null)
        }
        FieldForm::Whole { least, most } => typed(schema, "integer", or_null)
            .with("minimum", *least)
            .with("maximum", *most),
        FieldForm::Timestamp => {
            definitions.put_once("Timestamp", || timestamp().into());
            referring(schema, "Timestamp", or_null)
        }
        FieldForm::StreamName => typed(schema, "string", or_null)
            .with("maxLength", StreamId::MAX_CHARS)
            .with("pattern", "^[A-Za-z0-9._~:]+-[A-Za-z0-9._~:-]+$"),
        FieldForm::OneOf(words) => one_of(
            schema,
            words.iter().map(|word| Json::from(*word)).collect(),
            or_null,
        ),
        FieldForm::List { of, least, most } => {
            let entries = self::form(Object::default(), of, false, definitions);
            typed(schema, "array", or_null)
                .with("items", entries)
                .maybe("minItems", (*least > 0).then_some(*least))
                .maybe("maxItems", *most)
        }
        FieldForm::Object { name, about, fields } => {
            define(name, about, fields, definitions);
            referring(schema, name, or_null)
        }
    }
}

fn typed(schema: Object, name: &str, or_null: bool) -> Object {
    if or_null {
        schema.with("type", vec![name, "null"])
    } else {
        schema.with("type", name)
    }
}

/// A value of a definition, or `null`.
fn referring(schema: Object, name: &str, or_null: bool) -> Object {
    let place = format!("#/$defs/{name}");
    if or_null {
        let either = vec![
            Object::default().with("$ref", place),
            Object::default().with("type", "null"),
        ];
        schema.with("anyOf", either)
    } else {
        schema.with("$ref", place)
    }
}

fn one_of(schema: Object, mut values: Vec<Json>, or_null: bool) -> Object {
    if or_null {
        values.push(Json::null());
    }
    match <[Json; 1]>::try_from(values) {
        Ok([only]) => schema.with("const", only),
        Err(values) => schema.with("enum", values),
    }
}

fn of_text(schema: Object, text: TextForm) -> Object {
    schema
        .maybe("minLength", (text.least > 0).then_some(text.least))
        .maybe("maxLength", text.most)
        .maybe("pattern", pattern(text.characters))
}

/// A pattern of a whole text, which all of ECMA 262, Python, Java, RE2 and Rust read alike.
fn pattern(characters: Characters) -> Option<String> {
    let class = match characters {
        Characters::Any => return None,
        Characters::NoControls => r"[^\x00-\x1f\x7f-\x9f]",
        Characters::Id => "[A-Za-z0-9._~:-]",
    };
    Some(format!("^{class}*$"))
}

/// A number with decimals, how many of which is said in words. It has a name, so that a program that is made from the
/// schema can have a type of its own for it, which is exact.
fn decimal(number: &DecimalForm) -> Object {
    Object::default()
        .with("title", number.name)
        .with("description", format!("Exact: {number}."))
        .with("type", "number")
        .with("minimum", Json::digits(number.written(number.least)))
        .with("maximum", Json::digits(number.written(number.most)))
}

/// A time as RFC 3339 writes it, days and leap days included: many validators don't look at `format`.
fn timestamp() -> Object {
    let date = concat!(
        "([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
        "|[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)",
        "|[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])",
        "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)",
    );
    let time = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?";
    let offset = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    Object::default()
        .with("title", "Timestamp")
        .with(
            "description",
            "A point in time as RFC 3339 writes it; the bundle writes UTC with milliseconds.",
        )
        .with("type", "string")
        .with("format", "date-time")
        .with("pattern", format!("^{date}[Tt ]{time}{offset}$"))
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1.min(name.len()));
    first.to_ascii_uppercase() + rest
}

/// A doc comment without what only Rust's documentation reads.
fn plain(comment: &str) -> String {
    comment.replace("[`", "`").replace("`]", "`")
}
