//! The picture of a part of the bundle: which command records which events, which step follows from an
//! event, and who is told of it outside. Drawn from the registry and from what its samples show, so that it
//! holds what there is and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write;

use aws_adapters::pascal_case;
use bundle::{Bundle, Function, Outbound, Picture, Sender, Trigger};

/// The picture in Mermaid's language.
pub fn picture(bundle: &Bundle, picture: &Picture) -> String {
    let drawn = Drawn { bundle, picture };
    let mut lines: Vec<String> = Vec::new();
    for function in drawn.functions() {
        for line in drawn.lines_of(function) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.extend(drawn.told_outside());
    let mut text = String::from("```mermaid\nflowchart TB\n");
    for line in lines.into_iter().chain(drawn.classes()) {
        // Writing into a text can't fail.
        writeln!(text, "    {line}").expect("memory takes it");
    }
    text.push_str("```\n");
    text
}

struct Drawn<'a> {
    bundle: &'a Bundle,
    picture: &'a Picture,
}

impl Drawn<'_> {
    fn functions(&self) -> impl Iterator<Item = &Function> {
        let all = self.bundle.registry.functions.iter();
        all.filter(|function| self.picture.contexts.contains(&function.context))
    }

    fn lines_of(&self, function: &Function) -> Vec<String> {
        match function.trigger {
            Trigger::Commands(_) => {
                let command = pascal_case(&function.name);
                let events = recorded(function);
                if events.is_empty() {
                    vec![command]
                } else {
                    vec![format!("{command} --> {}", joined(events))]
                }
            }
            // A view sends nothing, and a step waits for one event.
            Trigger::Events([event, ..]) => function
                .sends_to
                .iter()
                .map(|queue| {
                    let arrow = if self.is_deadline(queue) {
                        "-. deadline .->"
                    } else {
                        "-- step -->"
                    };
                    format!("{event} {arrow} {}", pascal_case(queue))
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A command that its own function sends again is one that waits for its time.
    fn is_deadline(&self, queue: &str) -> bool {
        let function = self.bundle.registry.function(queue);
        function.is_some_and(|function| function.sends_to.iter().any(|to| to == queue))
    }

    /// Which events go to which system outside, and which commands come back from there.
    fn told_outside(&self) -> Vec<String> {
        let drawn: BTreeSet<_> = self.functions().flat_map(recorded).collect();
        let mut lines = Vec::new();
        for Outbound { queue, events, about } in &self.bundle.registry.outbound {
            let events: BTreeSet<_> = events
                .iter()
                .copied()
                .filter(|event| drawn.contains(event))
                .collect();
            if events.is_empty() {
                continue;
            }
            let id = queue.replace('-', "_");
            lines.push(format!("{} ==> {id}([{}])", joined(events), whom(about)));
            let answers = self
                .bundle
                .registry
                .functions
                .iter()
                .filter(|f| f.trigger == Trigger::Outbound(queue));
            let answers = answers
                .flat_map(|simulator| &simulator.sends_to)
                .filter(|to| to != queue);
            let answers: BTreeSet<_> = answers.map(|command| pascal_case(command)).collect();
            if !answers.is_empty() {
                let answers: Vec<_> = answers.into_iter().collect();
                lines.push(format!("{id} ==> {}", answers.join(" & ")));
            }
        }
        lines
    }

    /// What comes from outside, what nothing follows from, and what is counted as late.
    fn classes(&self) -> Vec<String> {
        let comes_in = |function: &&Function| {
            matches!(
                function.trigger,
                Trigger::Commands(Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways)
            )
        };
        let inward: Vec<_> = self
            .functions()
            .filter(comes_in)
            .map(|f| pascal_case(&f.name))
            .collect();
        let registry = &self.bundle.registry;
        let late: BTreeSet<_> = registry
            .functions
            .iter()
            .flat_map(|f| f.late_facts)
            .copied()
            .collect();
        let routes = registry.routes();
        let is_last = |event: &&str| routes.of(event).is_empty() && !late.contains(event);
        let events: BTreeSet<_> = self.functions().flat_map(recorded).collect();
        let (late_here, others): (Vec<&str>, Vec<&str>) =
            events.into_iter().partition(|event| late.contains(event));
        let ends: Vec<_> = others.into_iter().filter(is_last).collect();
        let mut lines = Vec::new();
        for (class, names, style) in [
            ("in", inward.join(","), "fill:#dbeafe,stroke:#2563eb,color:#111"),
            ("last", ends.join(","), "fill:#e5e7eb,stroke:#6b7280,color:#111"),
            (
                "late",
                late_here.join(","),
                "fill:#fef3c7,stroke:#d97706,color:#111",
            ),
        ] {
            if !names.is_empty() {
                lines.push(format!("classDef {class} {style}"));
                lines.push(format!("class {names} {class}"));
            }
        }
        lines
    }
}

/// The events that a function's samples record.
fn recorded(function: &Function) -> BTreeSet<&'static str> {
    let samples = function.samples().into_iter();
    samples
        .flat_map(|sample| sample.follows.recorded.into_values().flatten())
        .collect()
}

fn joined(events: BTreeSet<&str>) -> String {
    events.into_iter().collect::<Vec<_>>().join(" & ")
}

/// `the post office` of `To the post office: …`.
fn whom(about: &str) -> &str {
    let whom = about.strip_prefix("To ").unwrap_or(about);
    whom.split([':', ',']).next().unwrap_or(whom)
}
