//! Whether a catalogue keeps what an earlier one promised: *Changing a message* in `shared/README.md`, as a judge.
//!
//! Of a command, whatever the earlier schema took is still taken; of an event, whatever is told now the earlier
//! schema would have taken. So both are one question, asked in one direction or the other.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A rule of *Changing a message*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A type that somebody sends or hears of stays.
    TypeStays,
    /// Of a command, all is taken that was taken before.
    CommandTakesNoLess,
    /// Of an event, nothing is told that readers were not told of.
    EventTellsNoOther,
    /// A version only grows.
    VersionGrows,
    /// A queue stays, with what it carries, and open to those who may send to it.
    QueueStays,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TypeStays => "a type stays",
            Self::CommandTakesNoLess => "a command takes no less than before",
            Self::EventTellsNoOther => "an event tells nothing that its readers don't expect",
            Self::VersionGrows => "a version only grows",
            Self::QueueStays => "a queue stays, with what it carries",
        })
    }
}

/// What an earlier catalogue promised and this one does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The message or the queue.
    pub of: String,
    /// What is otherwise.
    pub what: String,
    /// The rule that it is against.
    pub rule: Rule,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, what, rule } = self;
        write!(
            f,
            "{of}: {what}. Against the rule that {rule} (Changing a message, in shared/README.md): keep what was \
             promised, or declare a new version or a new type"
        )
    }
}

/// What `now` does not keep of what `before` promised; both as [`record`](crate::released::record) writes them.
pub fn breaks(before: &Value, now: &Value) -> Vec<Break> {
    let mut breaks = Vec::new();
    for (name, promised) in fields(&before["messages"]) {
        breaks.extend(of_message(name, promised, &now["messages"][name]));
    }
    for (name, promised) in fields(&before["queues"]) {
        breaks.extend(of_queue(name, promised, &now["queues"][name]));
    }
    breaks
}

fn of_message(name: &str, before: &Value, now: &Value) -> Vec<Break> {
    let against = |rule, what: String| Break {
        of: name.to_owned(),
        what,
        rule,
    };
    if now.is_null() {
        return vec![against(Rule::TypeStays, "it is gone".to_owned())];
    }
    let versions = (before["version"].as_u64(), now["version"].as_u64());
    match versions {
        (Some(before), Some(now)) if now < before => {
            return vec![against(
                Rule::VersionGrows,
                format!("its version is {now}, and was {before}"),
            )];
        }
        // Whoever reads it is told by its version, and what was sent in the earlier one is lifted.
        _ if versions.0 != versions.1 => return vec![],
        _ => {}
    }
    let (before, now) = (Schema::of(&before["schema"]), Schema::of(&now["schema"]));
    let is_command = before.has("command");
    let (given, taking, rule) = if is_command {
        (before, now, Rule::CommandTakesNoLess)
    } else {
        (now, before, Rule::EventTellsNoOther)
    };
    let mut found = Vec::new();
    beyond(&given.form(), &taking.form(), "", &mut found);
    let mut gone = Vec::new();
    fields_gone(&before.form(), &now.form(), "", &mut gone);
    // Of a field that is gone, nothing else need be said.
    found.retain(|beyond| !gone.contains(&beyond.path));
    let told = found.into_iter().map(
        |Beyond {
             path,
             of,
             given,
             taking,
         }| {
            let (is, was) = if is_command {
                (taking, given)
            } else {
                (given, taking)
            };
            format!("`{path}`: {of} is {is}, and was {was}")
        },
    );
    let gone = gone.iter().map(|path| format!("`{path}` is gone"));
    gone.chain(told).map(|what| against(rule, what)).collect()
}

fn of_queue(name: &str, before: &Value, now: &Value) -> Vec<Break> {
    let against = |what: String| Break {
        of: format!("queue {name}"),
        what,
        rule: Rule::QueueStays,
    };
    if now.is_null() {
        return vec![against("it is gone".to_owned())];
    }
    let mut breaks = Vec::new();
    let carried = |queue: &Value| words(&queue["carries"]);
    for message in carried(before).difference(&carried(now)) {
        breaks.push(against(format!("it does not carry {message} any more")));
    }
    if before["open"] == true && now["open"] != true {
        breaks.push(against("systems outside may not send to it any more".to_owned()));
    }
    breaks
}

/// A schema and where its definitions are.
#[derive(Clone, Copy)]
struct Schema<'s> {
    root: &'s Value,
    value: &'s Value,
}

/// What a schema says, in the few words that the catalogue uses of JSON Schema.
struct Form<'s> {
    types: BTreeSet<String>,
    /// The only values, if there are only some.
    only: Option<BTreeSet<String>>,
    limits: [(&'static str, Option<f64>, End); 6],
    pattern: Option<&'s str>,
    entries: Option<Schema<'s>>,
    properties: Vec<(&'s str, Schema<'s>)>,
    required: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Least,
    Most,
}

/// The limits that a schema may say, in words, by which end they are.
const LIMITS: [(&str, &str, End); 6] = [
    ("minimum", "the least", End::Least),
    ("maximum", "the most", End::Most),
    ("minLength", "the fewest characters", End::Least),
    ("maxLength", "the most characters", End::Most),
    ("minItems", "the fewest entries", End::Least),
    ("maxItems", "the most entries", End::Most),
];

impl<'s> Schema<'s> {
    fn of(root: &'s Value) -> Self {
        Self { root, value: root }
    }

    fn has(self, property: &str) -> bool {
        !self.value["properties"][property].is_null()
    }

    fn at(self, value: &'s Value) -> Self {
        Self { value, ..self }
    }

    /// What it says, with what it refers to.
    fn form(self) -> Form<'s> {
        if let Some(place) = self.value["$ref"].as_str() {
            let name = place.rsplit('/').next().unwrap_or(place);
            return self.at(&self.root["$defs"][name]).form();
        }
        if let Some(either) = self.value["anyOf"].as_array() {
            let mut forms = either.iter().map(|one| self.at(one).form());
            let first = forms.next();
            let null = |form: Form<'s>| Form {
                types: form.types.into_iter().chain(["null".to_owned()]).collect(),
                ..form
            };
            return first.map_or_else(|| self.at(&Value::Null).form(), null);
        }
        let only: Option<Vec<&Value>> = match (&self.value["const"], self.value["enum"].as_array()) {
            (Value::Null, None) => None,
            (Value::Null, Some(values)) => Some(values.iter().collect()),
            (only, _) => Some(vec![only]),
        };
        let types_of_values = only.iter().flatten().map(|value| type_of(value).to_owned());
        Form {
            types: words(&self.value["type"])
                .into_iter()
                .chain(types_of_values)
                .collect(),
            only: only.map(|values| values.into_iter().map(Value::to_string).collect()),
            limits: LIMITS.map(|(name, words, end)| (words, self.value[name].as_f64(), end)),
            pattern: self.value["pattern"].as_str(),
            entries: self.value.get("items").map(|entries| self.at(entries)),
            properties: fields(&self.value["properties"])
                .map(|(name, value)| (name, self.at(value)))
                .collect(),
            required: words(&self.value["required"]),
        }
    }
}

/// Where one schema takes what another does not.
struct Beyond {
    path: String,
    of: String,
    given: String,
    taking: String,
}

/// Finds what `given` takes and `taking` does not. A field that only one of them knows is passed over: who does not
/// know a field ignores it.
fn beyond(given: &Form<'_>, taking: &Form<'_>, path: &str, found: &mut Vec<Beyond>) {
    let mut add = |of: &str, given: String, taking: String| {
        found.push(Beyond {
            path: path.to_owned(),
            of: of.to_owned(),
            given,
            taking,
        });
    };
    if !given.types.is_subset(&taking.types) {
        add("the type", listed(&given.types), listed(&taking.types));
        return;
    }
    match (&given.only, &taking.only) {
        (Some(given), Some(taking)) if !given.is_subset(taking) => {
            add("the only value", listed(given), listed(taking));
        }
        (None, Some(taking)) => add("the only value", "any".to_owned(), listed(taking)),
        _ => {}
    }
    for ((of, given, end), (_, taking, _)) in given.limits.iter().zip(&taking.limits) {
        let within = match (given, taking, end) {
            (_, None, _) => true,
            (None, Some(_), _) => false,
            (Some(given), Some(taking), End::Least) => given >= taking,
            (Some(given), Some(taking), End::Most) => given <= taking,
        };
        if !within {
            add(of, limit(*given), limit(*taking));
        }
    }
    if taking.pattern.is_some() && given.pattern != taking.pattern {
        let pattern = |form: &Form<'_>| form.pattern.map_or_else(|| "none".to_owned(), shortened);
        add("the pattern", pattern(given), pattern(taking));
    }
    for name in taking.required.difference(&given.required) {
        found.push(Beyond {
            path: inside(path, name),
            of: "whether it has to be there".to_owned(),
            given: "no".to_owned(),
            taking: "yes".to_owned(),
        });
    }
    if let (Some(given), Some(taking)) = (given.entries, taking.entries) {
        beyond(&given.form(), &taking.form(), &format!("{path}[]"), found);
    }
    for (name, given) in &given.properties {
        if let Some((_, taking)) = taking.properties.iter().find(|(other, _)| other == name) {
            beyond(&given.form(), &taking.form(), &inside(path, name), found);
        }
    }
}

/// Finds the fields that were known and are not any more: whoever gives them is not heard, whoever reads them misses
/// them.
fn fields_gone(before: &Form<'_>, now: &Form<'_>, path: &str, gone: &mut Vec<String>) {
    for (name, before) in &before.properties {
        let path = inside(path, name);
        match now.properties.iter().find(|(other, _)| other == name) {
            Some((_, now)) => fields_gone(&before.form(), &now.form(), &path, gone),
            None => gone.push(path),
        }
    }
    if let (Some(before), Some(now)) = (before.entries, now.entries) {
        fields_gone(&before.form(), &now.form(), &format!("{path}[]"), gone);
    }
}

fn inside(path: &str, name: &str) -> String {
    if path.is_empty() {
        return name.to_owned();
    }
    format!("{path}.{name}")
}

/// The type of a value, in JSON Schema's words.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A pattern, as far as a line has room for it.
fn shortened(pattern: &str) -> String {
    match pattern.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}

fn limit(limit: Option<f64>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

fn listed(words: &BTreeSet<String>) -> String {
    if words.is_empty() {
        return "any".to_owned();
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    words.join(" or ")
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value))
}

/// One word, or several.
fn words(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(word) => BTreeSet::from([word.clone()]),
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command(properties: &Value, required: &[&str]) -> Value {
        message("command", properties, required, 1)
    }

    fn event(properties: &Value, required: &[&str]) -> Value {
        message("event", properties, required, 1)
    }

    fn message(content: &str, properties: &Value, required: &[&str], version: u64) -> Value {
        json!({ "version": version, "schema": {
            "type": "object",
            "properties": { content: { "$ref": "#/$defs/Content" } },
            "required": [content],
            "$defs": {
                "Content": { "type": "object", "properties": properties, "required": required },
                "Time": { "type": "string", "format": "date-time" },
            },
        } })
    }

    fn told(before: &Value, now: &Value) -> Vec<String> {
        let catalogue = |message: &Value| json!({ "messages": { "M": message }, "queues": {} });
        let breaks = breaks(&catalogue(before), &catalogue(now));
        breaks
            .iter()
            .map(|one| format!("{} ({})", one.what, one.rule))
            .collect()
    }

    fn text(most: u64) -> Value {
        json!({ "type": "string", "maxLength": most })
    }

    #[test]
    fn a_command_may_take_more_and_not_less() {
        let before = command(&json!({ "a": text(9), "b": text(9) }), &["a"]);
        for right in [
            before.clone(),
            command(&json!({ "a": text(10), "b": text(9), "c": text(1) }), &["a"]),
            command(&json!({ "a": { "type": ["string", "null"] }, "b": text(9) }), &[]),
        ] {
            assert_eq!(told(&before, &right), [""; 0]);
        }
        let rule = "a command takes no less than before";
        for (wrong, what) in [
            (
                command(&json!({ "a": text(8), "b": text(9) }), &["a"]),
                "`command.a`: the most characters is 8, and was 9",
            ),
            (
                command(&json!({ "a": text(9), "b": text(9) }), &["a", "b"]),
                "`command.b`: whether it has to be there is yes, and was no",
            ),
            (command(&json!({ "a": text(9) }), &["a"]), "`command.b` is gone"),
            (
                command(&json!({ "a": { "type": "number" }, "b": text(9) }), &["a"]),
                "`command.a`: the type is number, and was string",
            ),
            (
                command(
                    &json!({ "a": { "type": "string", "maxLength": 9, "pattern": "^a*$" }, "b": text(9) }),
                    &["a"],
                ),
                "`command.a`: the pattern is ^a*$, and was none",
            ),
        ] {
            assert_eq!(told(&before, &wrong), [format!("{what} ({rule})")]);
        }
    }

    #[test]
    fn an_event_may_tell_more_fields_and_no_other_values() {
        let list = |of: &Value| json!({ "type": "array", "items": of, "maxItems": 3 });
        let word = |words: &[&str]| json!({ "enum": words });
        let before = event(
            &json!({ "a": list(&word(&["x", "y"])), "at": { "$ref": "#/$defs/Time" } }),
            &["a", "at"],
        );
        for right in [
            before.clone(),
            event(
                &json!({ "a": list(&json!({ "const": "x" })), "at": { "$ref": "#/$defs/Time" }, "b": text(9) }),
                &["a", "at", "b"],
            ),
        ] {
            assert_eq!(told(&before, &right), [""; 0]);
        }
        let rule = "an event tells nothing that its readers don't expect";
        for (wrong, what) in [
            (
                event(
                    &json!({ "a": list(&word(&["x", "y", "z"])), "at": { "$ref": "#/$defs/Time" } }),
                    &["a", "at"],
                ),
                r#"`event.a[]`: the only value is "x" or "y" or "z", and was "x" or "y""#,
            ),
            (
                event(&json!({ "at": { "$ref": "#/$defs/Time" } }), &["at"]),
                "`event.a` is gone",
            ),
            (
                event(
                    &json!({ "a": list(&word(&["x"])), "at": { "anyOf": [{ "$ref": "#/$defs/Time" }, { "type": "null" }] } }),
                    &["a", "at"],
                ),
                "`event.at`: the type is null or string, and was string",
            ),
        ] {
            assert_eq!(told(&before, &wrong), [format!("{what} ({rule})")]);
        }
    }

    #[test]
    fn a_new_version_may_be_anything_and_an_old_one_never_comes_back() {
        let first = message("event", &json!({ "a": text(9) }), &["a"], 1);
        let second = message("event", &json!({}), &[], 2);
        assert_eq!(told(&first, &second), [""; 0]);
        assert_eq!(
            told(&second, &first),
            ["its version is 1, and was 2 (a version only grows)"]
        );
        assert_eq!(told(&first, &Value::Null), ["it is gone (a type stays)"]);
    }

    #[test]
    fn a_queue_stays_open_and_carries_what_it_did() {
        let catalogue = |queues: Value| json!({ "messages": {}, "queues": queues });
        let before = catalogue(json!({
            "a": { "carries": ["X", "Y"], "open": true },
            "b": { "carries": [], "open": false },
        }));
        let now = catalogue(json!({ "a": { "carries": ["Y", "Z"], "open": false } }));
        let told: Vec<_> = breaks(&before, &now).iter().map(Break::to_string).collect();
        let why = "Against the rule that a queue stays, with what it carries (Changing a message, in \
                   shared/README.md): keep what was promised, or declare a new version or a new type";
        assert_eq!(
            told,
            [
                format!("queue a: it does not carry X any more. {why}"),
                format!("queue a: systems outside may not send to it any more. {why}"),
                format!("queue b: it is gone. {why}"),
            ]
        );
        assert!(breaks(&before, &before).is_empty());
    }
}
