//! The README's pictures name nothing that is not there, and leave no command, step or event out.

use bundle::Trigger;
use functions::bundle;

const README: &str = include_str!("../../README.md");

fn pictures() -> impl Iterator<Item = &'static str> {
    let blocks = README.split("```mermaid").skip(1);
    blocks.map(|block| &block[..block.find("```").expect("the picture ends")])
}

fn names() -> Vec<&'static str> {
    let words = pictures().flat_map(|picture| picture.split(|c: char| !c.is_ascii_alphanumeric()));
    words
        .filter(|word| word.chars().filter(char::is_ascii_uppercase).count() > 1 && word.len() > 2)
        .collect()
}

#[test]
fn every_command_and_event_in_the_pictures_exists() {
    let bundle = bundle();
    let commands: Vec<_> = bundle
        .registry
        .functions
        .iter()
        .map(|function| function.name.replace('-', ""))
        .collect();
    let events: Vec<_> = bundle
        .streams
        .iter()
        .flat_map(|kind| kind.events)
        .copied()
        .collect();
    for name in names()
        .into_iter()
        .filter(|name| !["LR", "classDef"].contains(name))
    {
        let is_command = commands.contains(&name.to_lowercase());
        let is_event = events.contains(&name);
        assert!(is_command || is_event, "{name} is neither a command nor an event");
    }
}

#[test]
fn every_command_and_step_of_the_registry_is_in_the_pictures() {
    let registry = bundle().registry;
    let drawn: Vec<_> = names().into_iter().map(str::to_lowercase).collect();
    for function in &registry.functions {
        let name = match function.trigger {
            Trigger::Commands(_) => function.name.replace('-', ""),
            Trigger::Events(event) => event.to_lowercase(),
            _ => continue,
        };
        assert!(
            drawn.contains(&name),
            "{} is missing in the README's pictures",
            function.name
        );
    }
}

#[test]
fn every_event_of_every_stream_is_in_the_pictures() {
    let drawn = names();
    let streams = bundle().streams;
    for event in streams.iter().flat_map(|kind| kind.events) {
        assert!(
            drawn.contains(event),
            "{event} is missing in the README's pictures: add a sample that records it to functions/src/samples, then \
             run `cargo template`"
        );
    }
}
