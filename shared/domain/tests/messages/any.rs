//! Arbitrary values of a form, as JSON.

use std::ops::RangeInclusive;

use domain::group_checkout::MAX_IDS_BYTES;
use eventsourcing::{Characters, Field, FieldForm, TextForm, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

/// The most bytes of a message that somebody sends.
const MAX_SENT: usize = 1_000_000;

/// How JSON may spell a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As it is written here: what is read is written again as the same text.
    Own,
    /// In any way that a reader takes; as large and as odd as it takes them.
    Odd,
}

/// Any amount of money, in hundredths.
pub fn cents() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(99_999_999_999),
        0_u64..100_000,
        0_u64..=99_999_999_999
    ]
}

/// Tries so many values; panics with the smallest one that fails.
pub fn run<T: std::fmt::Debug>(
    cases: u32,
    what: &str,
    values: &impl Strategy<Value = T>,
    test: impl Fn(&T) -> Result<(), String>,
) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let outcome = TestRunner::new(config).run(values, |value| test(&value).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{what}: {failure}");
    }
}

/// Any object with these fields; those that may be missing are missing at times.
pub fn object(fields: &[Field], spelling: Spelling) -> BoxedStrategy<String> {
    let field = |field: &Field| {
        let (name, required) = (field.name, field.required);
        let value = value(&field.form, spelling);
        let value = if required {
            value.prop_map(Some).boxed()
        } else {
            option::of(value).boxed()
        };
        value.prop_map(move |value| value.map(|json| format!(r#""{name}":{json}"#)))
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    fields
        .prop_map(|fields| {
            format!(
                "{{{}}}",
                fields.into_iter().flatten().collect::<Vec<_>>().join(",")
            )
        })
        .boxed()
}

/// Any value of that form.
pub fn value(form: &FieldForm, spelling: Spelling) -> BoxedStrategy<String> {
    match form {
        FieldForm::Text(text) if text.characters == Characters::Id => id(*text),
        FieldForm::Text(text) if spelling == Spelling::Own => words(*text),
        FieldForm::Text(text) => odd_text(*text),
        FieldForm::Decimal(number) if spelling == Spelling::Own => {
            let number = *number;
            let units = prop_oneof![
                1 => select(vec![number.least, number.most]),
                2 => number.least..=number.most,
            ];
            units.prop_map(move |units| number.written(units)).boxed()
        }
        FieldForm::Decimal(number) => {
            let most = number.most;
            let decimals = number.decimals;
            assert_eq!(number.least, 0, "say how a negative number is spelt oddly");
            let most = [
                number.written(most),
                format!("{most}e-{decimals}"),
                format!("{most}.000e-{decimals}"),
            ];
            let zeros = ["-0.0", "0e999999999999999999999"].map(str::to_owned);
            select([&most[..], &zeros].concat()).boxed()
        }
        FieldForm::Whole { least, most } => prop_oneof![select(vec![*least, *most]), *least..=*most]
            .prop_map(|number| number.to_string())
            .boxed(),
        FieldForm::Timestamp if spelling == Spelling::Own => time(),
        FieldForm::Timestamp => {
            let odd = [
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999+00:00",
                "2026-11-23T09:15:00+01:00",
            ];
            select(odd.map(|time| format!("\"{time}\"")).to_vec()).boxed()
        }
        FieldForm::OneOf(words) => select(words.to_vec())
            .prop_map(|word| format!("\"{word}\""))
            .boxed(),
        FieldForm::List { of, least, most } => list(of, *least, *most, spelling),
        FieldForm::Object { fields, .. } => object(fields, spelling),
        FieldForm::StreamName => unreachable!("no message has one in its fields"),
    }
}

fn id(form: TextForm) -> BoxedStrategy<String> {
    let most = form.most.unwrap_or(128);
    let some = "[A-Za-z0-9._~:-]{1,20}";
    prop_oneof![3 => some, 1 => "[a-z]".prop_map(move |letter| letter.repeat(most))]
        .prop_map(|id| format!("\"{id}\""))
        .boxed()
}

/// Any words, in any script, as this code writes them.
fn words(form: TextForm) -> BoxedStrategy<String> {
    any::<String>()
        .prop_filter("too long, or too short", move |words| form.fits(words))
        .prop_map(|words| serde_json::to_string(&words).expect("a string"))
        .boxed()
}

/// Any time that RFC 3339 can write.
fn time() -> BoxedStrategy<String> {
    prop_oneof![0_i64..4_102_444_800_000, any::<i64>()]
        .prop_map(|ms| format!("\"{}\"", Timestamp::from_millis(ms)))
        .boxed()
}

/// As many as may be, at times; where a form sets no limit, as many as a group may have by the size of their
/// ids.
fn list(of: &FieldForm, least: usize, most: Option<usize>, spelling: Spelling) -> BoxedStrategy<String> {
    let entry = value(of, spelling);
    let some = vec(entry.clone(), least..least + 4);
    let longest = entry.prop_map(move |entry| {
        let count = most.unwrap_or((MAX_IDS_BYTES - 2) / (entry.len() + 1));
        vec![entry; count]
    });
    let entries = match spelling {
        Spelling::Own => some.boxed(),
        Spelling::Odd => prop_oneof![4 => some, 1 => longest].boxed(),
    };
    entries
        .prop_map(|entries| format!("[{}]", entries.join(",")))
        .boxed()
}

/// Characters as JSON may spell them, odd ones first: those that SQS does not carry, halves of surrogate
/// pairs, and what takes most room when it is written.
const CHARACTERS: [&str; 14] = [
    r"\uffff",
    r"\ufffe",
    "\u{ffff}",
    "\u{fffe}",
    r"\ud800",
    r"\udfff",
    r"\ufeff",
    "\u{2028}",
    "🛒",
    r"\ud83d\uded2",
    r#"\""#,
    r"\\",
    "ü",
    "a",
];

/// Those that an id can't hold, and a text can.
const CONTROLS: [&str; 4] = [r"\u0000", r"\u001f", r"\u007f", r"\n"];

fn odd_text(form: TextForm) -> BoxedStrategy<String> {
    // Without a limit it is as long as a queue may bring it, and is written longer than a queue takes it.
    let most = form.most.unwrap_or(MAX_SENT / "\u{ffff}".len());
    match form.characters {
        Characters::Any => string([&CHARACTERS[..], &CONTROLS].concat(), form.least..=most),
        _ => string(CHARACTERS.to_vec(), form.least..=most),
    }
}

/// The id of a command, an event or a chain.
pub fn envelope_id() -> BoxedStrategy<String> {
    string(CHARACTERS.to_vec(), 1..=128)
}

/// A JSON string of up to so many characters from those, at times of one of them only.
fn string(characters: Vec<&'static str>, length: RangeInclusive<usize>) -> BoxedStrategy<String> {
    let most = *length.end();
    let mixed = vec(select(characters.clone()), *length.start()..=most.min(40));
    let mixed = mixed.prop_map(|characters| characters.concat());
    let longest = select(characters)
        .prop_filter("two escapes are one character", |character| character.len() < 12)
        .prop_map(move |character| character.repeat(most));
    prop_oneof![4 => mixed, 1 => longest]
        .prop_map(|text| format!("\"{text}\""))
        .boxed()
}
