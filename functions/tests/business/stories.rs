//! All scenarios played on one stack, and every message that they put on a queue: samples of each command
//! and event that the bundle knows, made by the bundle itself.

use std::collections::{BTreeMap, BTreeSet};

use bundle::{Comes, Trigger};
use futures::future::join_all;
use local::player::Player;
use serde_json::{Value, json};
use testkit::running::{Running, Seen, id_of};
use testkit::sampled::put_given;

use crate::options;

/// The stack on which the scenarios have come to their ends, and their messages.
pub struct Stories {
    /// The bundle, at rest.
    pub bundle: Running,
    /// The ids of the messages that were refused, as their bodies say.
    pub refused: BTreeSet<String>,
    /// The bodies that each queue was sent and that were not refused, each once; the queue without the
    /// stack's name.
    pub accepted: BTreeMap<String, Vec<String>>,
    /// The calls that it took; the bundle itself has forgotten them.
    pub calls: Vec<Seen>,
}

/// Whose samples are played after the scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Samples {
    /// Nobody's.
    None,
    /// Those of functions whose queues no scenario has sent anything to, so that a new function needs no scenario.
    OfTheUnreached,
    /// Every function's.
    All,
}

impl Stories {
    /// Plays all scenarios to their ends, and the samples of functions that none of them reaches.
    pub async fn play() -> Self {
        Self::of(Samples::OfTheUnreached).await
    }

    /// Plays the scenarios alone. What a sample is given has no beginning: nobody sent it.
    pub async fn of_scenarios() -> Self {
        Self::of(Samples::None).await
    }

    /// Plays the samples of all functions, too, whatever the scenarios reach.
    pub async fn with_all_samples() -> Self {
        Self::of(Samples::All).await
    }

    async fn of(samples: Samples) -> Self {
        let bundle = Running::start(options()).await;
        let outsider = bundle.player();
        let scenarios = bundle.stack.bundle().scenarios("");
        for played in join_all(scenarios.iter().map(|scenario| outsider.play(scenario))).await {
            played.expect("each scenario can be played");
        }
        bundle.settle().await;
        tell_what_is_known(&outsider).await;
        bundle.settle().await;
        play(samples, &bundle, &outsider).await;
        bundle.settle().await;
        let refused: BTreeSet<_> = bundle
            .take_all_letters()
            .await
            .into_iter()
            .map(|letter| letter.body)
            .collect();
        let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (queue, body) in bundle.messages() {
            let bodies = accepted.entry(queue).or_default();
            if !refused.contains(&body) && !bodies.contains(&body) {
                bodies.push(body);
            }
        }
        let calls = bundle.calls();
        bundle.forget_calls();
        Self {
            calls,
            refused: refused.iter().map(|body| id_of(body)).collect(),
            bundle,
            accepted,
        }
    }

    /// A message that the queue took. Every queue that a function reads has one: a scenario's, or its sample's.
    pub fn sample(&self, queue: &str) -> &str {
        let sample = self.accepted.get(queue).and_then(|bodies| bodies.first());
        sample.unwrap_or_else(|| {
            panic!(
                "neither a scenario nor its function's sample sends anything to {queue} that is taken; \
                 `cargo test -p functions --test complete` says what is missing"
            )
        })
    }
}

/// Plays samples. An event comes from the relay, a command from outside: bare, as a stranger writes it.
async fn play(samples: Samples, bundle: &Running, outsider: &Player) {
    let reached: BTreeSet<_> = bundle.messages().into_iter().map(|(queue, _)| queue).collect();
    let is_played = |queue: &str| match samples {
        Samples::None => false,
        Samples::OfTheUnreached => !reached.contains(queue),
        Samples::All => true,
    };
    for function in &bundle.stack.registry().functions {
        let Some(queue) = function.queue().filter(|queue| is_played(queue)) else {
            continue;
        };
        if matches!(function.trigger, Trigger::GivenUpRecords) {
            continue;
        }
        for sample in function.samples() {
            put_given(bundle, &sample);
            if let (Trigger::Commands(_), Comes::Message(body, _)) = (function.trigger, &sample.comes) {
                let message: Value = serde_json::from_str(body).expect("a sample is JSON");
                let sent = outsider
                    .send(queue, &json!({ "command": message["command"] }))
                    .await;
                sent.expect("the queue takes it");
            }
        }
    }
}

/// Commands of the contract that no step has to send: what they ask for is done without them.
pub async fn tell_what_is_known(player: &Player) {
    let known: [(&str, Value); 3] = [
        (
            "complete-group-checkout",
            json!({ "group_checkout_id": "demo-wedding" }),
        ),
        (
            "notify-group-checkout-failure",
            json!({
                "group_checkout_id": "demo-conference", "failed_guest_ids": ["demo-emil"],
                "completed_count": 0, "failed_count": 1,
            }),
        ),
        (
            "checkout-guest-account",
            json!({ "guest_stay_id": "demo-ada", "group_checkout_id": "demo-wedding" }),
        ),
    ];
    for (queue, command) in known {
        let sent = player.send(queue, &json!({ "command": command })).await;
        sent.expect("the queue takes it");
    }
}
