//! The template as a stranger reads it: parsed by a YAML library, tags in their long form.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// A parsed template.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn read(template: &str) -> Self {
        let documents = Yaml::load_from_str(template).expect("template.yaml is YAML");
        assert_eq!(documents.len(), 1);
        Self(value(&documents[0]))
    }

    pub(crate) fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name]
            .as_object()
            .unwrap_or_else(|| panic!("there is no section {name}"))
    }

    pub(crate) fn resources(&self) -> &Map<String, Value> {
        self.section("Resources")
    }

    pub(crate) fn resource(&self, id: &str) -> &Value {
        self.resources()
            .get(id)
            .unwrap_or_else(|| panic!("there is no resource {id}"))
    }

    pub(crate) fn of_type<'a>(
        &'a self,
        resource_type: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.resources()
            .iter()
            .filter(move |(_, resource)| resource["Type"] == resource_type)
    }

    /// The ids of all resources, and of those that SAM makes of the functions' events.
    pub(crate) fn expanded_ids(&self) -> Vec<String> {
        let events = self.resources().iter().flat_map(|(id, resource)| {
            let events = resource["Properties"]["Events"].as_object().into_iter().flatten();
            events.flat_map(move |(event, of)| {
                // A rule is nothing without the permission to invoke the function.
                let permission = (of["Type"] == "Schedule").then(|| format!("{id}{event}Permission"));
                [format!("{id}{event}")].into_iter().chain(permission)
            })
        });
        self.resources().keys().cloned().chain(events).collect()
    }
}

/// The id of what is called so in the registry.
pub(crate) fn pascal_case(name: &str) -> String {
    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// What a value amounts to: itself, or what it refers to.
pub(crate) fn text(value: &Value) -> &str {
    let referred = ["Ref", "Fn::GetAtt", "Fn::Sub"]
        .into_iter()
        .find_map(|name| value.get(name));
    let text = referred.unwrap_or(value).as_str();
    text.unwrap_or_else(|| panic!("{value} is neither text nor a reference"))
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::Boolean(flag)) => json!(flag),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(entries) => {
            let entry =
                |(key, entry): (&Yaml, &Yaml)| (key.as_str().expect("a name").to_owned(), value(entry));
            Value::Object(entries.iter().map(entry).collect())
        }
        Yaml::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                "Ref" => "Ref".to_owned(),
                function => format!("Fn::{function}"),
            };
            json!({ name: value(inner) })
        }
        other => panic!("nothing here is written as {other:?}"),
    }
}
