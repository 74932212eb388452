//! The lists in the page that a business has for its operators: its queues, and what can be set.

use bundle::{Bundle, Parameter, Sender, Trigger};

use crate::parameters::parameter_of;

/// A list, by the name of its section.
pub(crate) type List = (&'static str, fn(&Bundle) -> String);

/// All of them.
pub(crate) const LISTS: [List; 2] = [("queues", queues), ("settings", settings)];

/// Who sends to which queues, and who reads which.
fn queues(bundle: &Bundle) -> String {
    let registry = &bundle.registry;
    let taken_from = |senders: &[Sender]| {
        let functions = registry.functions.iter();
        let taken = functions.filter(
            |function| matches!(&function.trigger, Trigger::Commands(sender) if senders.contains(sender)),
        );
        let names = taken.map(|function| format!("`{}`", function.name));
        names.collect::<Vec<_>>().join(", ")
    };
    let read = registry.outbound.iter().map(|outbound| {
        let about = uncapitalized(outbound.about);
        format!("`{}`: {about}", outbound.queue)
    });
    let rows = [
        (
            "sent to from outside",
            taken_from(&[Sender::Outside, Sender::OutsideAndSteps]),
        ),
        (
            "sent to by systems outside that answer",
            taken_from(&[Sender::Gateways]),
        ),
        ("read by systems outside", read.collect::<Vec<_>>().join("<br>")),
    ];
    let there = rows.into_iter().filter(|(_, which)| !which.is_empty());
    table(
        ["queues", "which"],
        there.map(|(what, which)| [what.to_owned(), which]),
    )
}

/// The parameters of the template that are the business's own, with what they are where nobody chooses.
fn settings(bundle: &Bundle) -> String {
    let settings = bundle.own_settings().into_iter().map(|setting| {
        let name = parameter_of(setting.variable);
        let about = format!("{} In seconds.", setting.about);
        [format!("`{name}`"), setting.default.as_secs().to_string(), about]
    });
    let functions = bundle.registry.functions.iter();
    let sizes = functions.filter_map(|function| {
        let Parameter { name, about, .. } = function.batching.parameter?;
        Some([
            format!("`{name}`"),
            function.batching.size.to_string(),
            about.to_owned(),
        ])
    });
    table(["parameter", "default", "what it is"], settings.chain(sizes))
}

fn table<const COLUMNS: usize>(
    heads: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = [
        line(&heads.map(str::to_owned)),
        line(&heads.map(|_| "---".to_owned())),
    ];
    head.into_iter().chain(rows.map(|row| line(&row))).collect()
}

fn uncapitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
