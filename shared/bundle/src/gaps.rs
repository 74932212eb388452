//! What a business still lacks to be whole: lines, listeners, samples. Nothing is started to find out.

use std::collections::{BTreeMap, BTreeSet};

use aws_adapters::kebab_case;
use eventsourcing::StreamId;
use serde_json::Value;

use crate::Bundle;
use crate::context::Context;
use crate::function::{Function, StoreAccess, Trigger};
use crate::names::WATCHER;
use crate::sample::files::{MAX_GIVEN, named};
use crate::sample::{Comes, Sample};

/// Where a business declares what the engine asks for, from the workspace's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The list of functions.
    pub registry: &'static str,
    /// The kinds of streams.
    pub streams: &'static str,
    /// The functions' samples.
    pub samples: &'static str,
}

/// All that is missing, a line each: what it is, where it goes, and what to write there.
pub fn gaps(bundle: &Bundle, places: Places) -> Vec<String> {
    let looked_at = Looked { bundle, places };
    let mut gaps = Vec::new();
    looked_at.commands(&mut gaps);
    looked_at.listeners(&mut gaps);
    looked_at.events(&mut gaps);
    looked_at.late_facts(&mut gaps);
    looked_at.queues(&mut gaps);
    looked_at.samples(&mut gaps);
    gaps
}

struct Looked<'a> {
    bundle: &'a Bundle,
    places: Places,
}

impl Looked<'_> {
    fn functions(&self) -> impl Iterator<Item = &Function> {
        self.bundle.registry.functions.iter()
    }

    /// Each command that rules decide has a function, and each function's command is one of theirs.
    fn commands(&self, gaps: &mut Vec<String>) {
        let Places {
            registry, streams, ..
        } = self.places;
        let decided = self.bundle.streams.iter().flat_map(|kind| kind.commands);
        let decided: BTreeMap<_, _> = decided.map(|command| (kebab_case(command), *command)).collect();
        for (name, command) in &decided {
            if self.bundle.registry.function(name).is_none() {
                gaps.push(format!(
                    "{command} has no function: add `command::<{command}>(…)` to the list in {registry}"
                ));
            }
        }
        for function in self
            .functions()
            .filter(|f| matches!(f.trigger, Trigger::Commands(_)))
        {
            if !decided.contains_key(&function.name) {
                gaps.push(format!(
                    "{} is decided on a kind of stream that is not declared: add its `StreamKind::of::<…>(…)` to \
                     those in {streams}",
                    function.name
                ));
            }
        }
    }

    /// Each event goes to a step or outside, or is declared to go nowhere. A view only shows it.
    fn listeners(&self, gaps: &mut Vec<String>) {
        let Places { registry, .. } = self.places;
        let routes = self.bundle.registry.routes_without_views();
        let counted: BTreeSet<_> = self.functions().flat_map(|f| f.late_facts).collect();
        let unheard: BTreeSet<_> = self.functions().flat_map(|f| f.unheard).collect();
        for kind in &self.bundle.streams {
            for event in kind.events {
                let is_heard = !routes.of(event).is_empty() || counted.contains(event);
                match (is_heard, unheard.contains(event)) {
                    (false, false) => gaps.push(format!(
                        "nobody listens to {event}: in {registry}, add a step for it, or its name to an outbound queue, \
                         or declare it with `.unheard(&[{event}::TYPE])` at the function that records it"
                    )),
                    (true, true) => gaps.push(format!(
                        "{event} is declared as unheard, and somebody listens to it: take it out of `.unheard(…)` in \
                         {registry}"
                    )),
                    _ => {}
                }
            }
        }
    }

    /// Only events are waited for that there are, and each event is shown by a sample.
    fn events(&self, gaps: &mut Vec<String>) {
        let Places {
            registry, samples, ..
        } = self.places;
        let recorded: BTreeSet<_> = self.recorded().collect();
        let steps = self.functions().filter_map(|function| match function.trigger {
            Trigger::Events(events) => Some((function.name.as_str(), events)),
            _ => None,
        });
        let steps = steps.flat_map(|(name, events)| events.iter().map(move |event| (name, *event)));
        let outbound = self.bundle.registry.outbound.iter();
        let outbound = outbound.flat_map(|queue| queue.events.iter().map(|event| (queue.queue, *event)));
        for (name, event) in steps
            .chain(outbound)
            .filter(|(_, event)| !recorded.contains(event))
        {
            gaps.push(format!(
                "{name} waits for {event}, which is recorded in no kind of stream: list it in its `events!`, or its \
                 kind of stream in {registry}"
            ));
        }
        let shown: Vec<_> = self
            .functions()
            .filter(|f| is_own(f))
            .flat_map(Function::samples)
            .collect();
        let shown = shown
            .iter()
            .flat_map(|sample| sample.follows.recorded.values().flatten().copied());
        let shown: BTreeSet<_> = shown.collect();
        for event in self.recorded().filter(|event| !shown.contains(event)) {
            gaps.push(format!(
                "no sample records {event}: add one that does in {samples}, or take the event out of its `events!`"
            ));
        }
    }

    /// The types of all events.
    fn recorded(&self) -> impl Iterator<Item = &'static str> {
        self.bundle
            .streams
            .iter()
            .flat_map(|kind| kind.events.iter().copied())
    }

    /// An event whose name says that it came too late is counted, for an alarm.
    fn late_facts(&self, gaps: &mut Vec<String>) {
        let counted: BTreeSet<_> = self.functions().flat_map(|f| f.late_facts).collect();
        for event in self.recorded().filter(|event| event.ends_with("Late")) {
            if !counted.contains(&event) {
                gaps.push(format!(
                    "nobody counts the late fact {event}: add `.counting(&[{event}::TYPE])` to the function that \
                     records it in {}",
                    self.places.registry
                ));
            }
        }
    }

    /// What is sent has a queue, and each name is taken once.
    fn queues(&self, gaps: &mut Vec<String>) {
        let Places { registry, .. } = self.places;
        let (queues, mut seen) = (self.bundle.registry.queues(), BTreeSet::new());
        for queue in queues.iter().filter(|queue| !seen.insert(**queue)) {
            gaps.push(format!(
                "{queue} is the name of two queues: change one in {registry}"
            ));
        }
        for function in self.functions() {
            for queue in function
                .sends_to
                .iter()
                .filter(|queue| !queues.contains(&queue.as_str()))
            {
                gaps.push(format!(
                    "{} sends to {queue}, which is no queue: add a line for it to the list in {registry}",
                    function.name
                ));
            }
        }
    }

    /// Each function has samples that are about it, and show all that it declares to do.
    fn samples(&self, gaps: &mut Vec<String>) {
        let Places {
            registry, samples, ..
        } = self.places;
        // The delivery of events has its own from the first step's.
        let own = self.functions().filter(|function| is_own(function));
        let mut owners: BTreeMap<StreamId, String> = BTreeMap::new();
        for function in own {
            let name = &function.name;
            let snake = name.replace('-', "_");
            let shown = named(function);
            if shown.is_empty() {
                gaps.push(format!(
                    "{name} has no sample: write `fn {snake}() -> Sample` in {samples}, and add `.sample(…{snake})` to \
                     its line in {registry}"
                ));
                continue;
            }
            for (sample_name, sample) in &shown {
                let faults = self.faults(function, sample);
                gaps.extend(
                    faults
                        .into_iter()
                        .map(|fault| format!("the sample {sample_name} in {samples} {fault}")),
                );
                for stream in sample.streams() {
                    let owner = owners
                        .entry(stream.clone())
                        .or_insert_with(|| sample_name.clone());
                    if owner != sample_name {
                        gaps.push(format!(
                            "the samples {owner} and {sample_name} in {samples} are both about {stream}: give each \
                             things of its own"
                        ));
                    }
                }
            }
            unshown(function, &shown, samples, registry, gaps);
        }
    }

    /// What is wrong with a sample.
    fn faults(&self, function: &Function, sample: &Sample) -> Vec<String> {
        let mut faults = Vec::new();
        let Comes::Message(body, _) = &sample.comes else {
            return vec!["is no message, and its function is on a queue".into()];
        };
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let given = message["type"].as_str().unwrap_or_default();
        let routes = self.bundle.registry.routes();
        let is_its_own = match function.trigger {
            Trigger::Commands(_) => kebab_case(given) == function.name,
            Trigger::Events(events) => events.contains(&given),
            Trigger::Outbound(queue) => routes.of(given).iter().any(|to| to == queue),
            _ => true,
        };
        if !is_its_own {
            faults.push(format!("is a {given}, which its function does not take"));
        }
        if sample.given.len() > MAX_GIVEN {
            faults.push(format!(
                "gives more than {MAX_GIVEN} events, which one request can't put"
            ));
        }
        for queue in &sample.follows.sent {
            if !function.sends_to.contains(queue) {
                faults.push(format!("sends to {queue}, which its function is not declared to"));
            }
        }
        let recorded: BTreeSet<_> = self.bundle.streams.iter().flat_map(|kind| kind.events).collect();
        for event in sample.follows.recorded.values().flatten() {
            if !recorded.contains(event) {
                faults.push(format!(
                    "records {event}, which is no event of a declared kind of stream"
                ));
            }
        }
        faults
    }
}

/// Whether the business declares its samples: the delivery of events has its own from the first step's.
fn is_own(function: &Function) -> bool {
    function.context != Context::DELIVERY && function.name != WATCHER
}

/// What a function is declared to do and none of its samples shows; its role allows it, so it has to be shown.
fn unshown(
    function: &Function,
    shown: &[(String, Sample)],
    samples: &str,
    registry: &str,
    gaps: &mut Vec<String>,
) {
    let name = &function.name;
    let mut unshown = |what: String| {
        gaps.push(format!(
            "no sample shows that {name} {what}: add one that does in {samples}, or declare less in {registry}"
        ));
    };
    let sent: BTreeSet<_> = shown
        .iter()
        .flat_map(|(_, sample)| &sample.follows.sent)
        .collect();
    for queue in &function.sends_to {
        // What it sends to itself waits for its time, which tests play by coming early.
        if Some(queue.as_str()) != function.queue() && !sent.contains(queue) {
            unshown(format!("sends to {queue}"));
        }
    }
    let records = shown
        .iter()
        .any(|(_, sample)| !sample.follows.recorded.is_empty());
    if function.store == StoreAccess::LoadAndAppend && !records {
        unshown("records anything".into());
    }
}
