//! The README's picture names nothing that is not there, and leaves no step out.

use functions::{Trigger, registry};

const README: &str = include_str!("../../README.md");

fn picture() -> &'static str {
    let start = README.find("```mermaid").expect("the README has a picture");
    let picture = &README[start + 10..];
    &picture[..picture.find("```").expect("the picture ends")]
}

fn names() -> Vec<&'static str> {
    let words = picture().split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.chars().filter(char::is_ascii_uppercase).count() > 1 && word.len() > 2)
        .collect()
}

#[test]
fn every_command_and_event_in_the_picture_exists() {
    let registry = registry();
    let commands: Vec<_> = registry
        .functions
        .iter()
        .map(|function| function.name.replace('-', ""))
        .collect();
    let events = [
        "CartFinalized",
        "OrderCompleted",
        "PaymentVoided",
        "PaymentDiscarded",
        "PaymentRequested",
        "ShipmentRequested",
    ];
    for name in names()
        .into_iter()
        .filter(|name| !["LR", "classDef"].contains(name))
    {
        let is_command = commands.contains(&name.to_lowercase());
        let is_event = !registry.routes().of(name).is_empty() || events.contains(&name);
        assert!(is_command || is_event, "{name} is neither a command nor an event");
    }
}

#[test]
fn every_command_and_step_of_the_registry_is_in_the_picture() {
    let registry = registry();
    let drawn: Vec<_> = names().into_iter().map(str::to_lowercase).collect();
    for function in &registry.functions {
        let name = match function.trigger {
            Trigger::Commands(_) => function.name.replace('-', ""),
            Trigger::Events(event) => event.to_lowercase(),
            _ => continue,
        };
        assert!(
            drawn.contains(&name),
            "{} is missing in the README's picture",
            function.name
        );
    }
}
