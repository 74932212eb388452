//! Stories that are played on a bundle of their own until it is at rest, and then judged.

use std::sync::Arc;
use std::time::Duration;

use bundle::scenario::{Refused, Scenario};
use bundle::{Function, RELAY};
use domain::Deadlines;
use functions::scenarios::{GroupScenario, OrderScenario, group_scenarios, order_scenarios};
use local::StackOptions;
use local::player::{PlayError, Player};
use testkit::invariants::Evidence;
use testkit::running::{Running, id_of};

use crate::invariants::{Findings, judge};
use crate::options;
use crate::stories::tell_what_is_known;

/// What is played.
pub enum Story {
    /// A scenario.
    Scenario(Scenario),
    /// Groups, and people who confirm what is known of them, which no scenario has to.
    Known(Vec<Scenario>),
    /// An order whose first event the relay's mapping gives up.
    GivenUp(Scenario),
}

/// So often Lambda invokes the relay with a record before it gives it up.
const RELAY_ATTEMPTS: usize = 1 + Function::STREAM_RETRIES as usize;

/// All of them.
pub fn stories() -> Vec<Arc<Story>> {
    let orders: Vec<_> = order_scenarios().into_iter().map(order).collect();
    let groups: Vec<_> = group_scenarios().iter().map(GroupScenario::scenario).collect();
    let (first, known) = (orders[0].clone(), groups[..2].to_vec());
    let scenarios = orders.into_iter().chain(groups).map(Story::Scenario);
    let others = [Story::Known(known), Story::GivenUp(first)];
    scenarios.chain(others).map(Arc::new).collect()
}

/// A crash takes minutes. Where a deadline's own command is held up so, an answer that would have come after
/// it comes first, and counts.
fn order(scenario: OrderScenario) -> Scenario {
    if scenario.title != "the payment completes after its deadline" {
        return scenario.scenario();
    }
    let goes_well = |other: &OrderScenario| other.title == "everything goes well";
    let in_time = order_scenarios().into_iter().find(goes_well);
    scenario
        .or_as(&in_time.expect("there is a happy order"))
        .scenario()
}

/// Deadlines of which one waits in its queue and two are schedules, where a day of them would take the tests too
/// long.
pub fn deadlines() -> Deadlines {
    Deadlines {
        payment: Duration::from_mins(15),
        shipment: Duration::from_mins(40),
        group_checkout: Duration::from_mins(50),
    }
}

/// The options of a bundle with those deadlines.
pub fn with_long_deadlines() -> StackOptions {
    StackOptions {
        settings: deadlines().into(),
        ..options()
    }
}

/// How a story ended.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What has not come to its end, or got lost on the way.
    pub lost: Vec<String>,
    /// What was done twice, or otherwise may never be.
    pub doubled: Vec<String>,
    /// Where it ended otherwise than it has to.
    pub otherwise: Vec<String>,
}

impl Verdict {
    /// All that is wrong, in sentences.
    pub fn problems(&self) -> Vec<&str> {
        let all = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("ended otherwise", &self.otherwise),
        ];
        all.into_iter()
            .flat_map(|(_, problems)| problems)
            .map(String::as_str)
            .collect()
    }
}

/// Runs a future on a clock that moves by itself, with the same random numbers each time.
pub fn on_a_paused_clock<T>(future: impl Future<Output = T>) -> T {
    fastrand::seed(7);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime
        .expect("a runtime needs nothing to start")
        .block_on(future)
}

/// What waits longer than any deadline and what a few crashes add to it has waited in vain.
const PATIENCE: Duration = Duration::from_hours(3);

/// Somebody outside, whose own calls nothing befalls.
pub fn outsider(bundle: &Running) -> Player {
    let (names, prefix) = (bundle.stack.names(), bundle.queue_url_prefix());
    Player::new(&bundle.observer, names, &prefix, PATIENCE)
}

/// What is in dead-letter queues, each once: a message that came twice was refused twice. What a crash on
/// its last receive left to SQS counts as exhausted.
pub fn refused(evidence: &Evidence) -> Vec<Refused> {
    let mut refused: Vec<Refused> = Vec::new();
    for letter in &evidence.letters {
        let code = match letter.attribute("error_code") {
            "" if letter.moved_by_sqs.is_some() => "exhausted",
            code => code,
        };
        let known = refused
            .iter()
            .any(|known| (&known.queue, id_of(&known.body)) == (&letter.queue, id_of(&letter.body)));
        if !known {
            refused.push(Refused {
                queue: letter.queue.clone(),
                code: code.to_owned(),
                error: letter.attribute("error").to_owned(),
                body: letter.body.clone(),
            });
        }
    }
    refused
}

impl Story {
    /// What it shows.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Scenario(scenario) => scenario.title,
            Self::Known(_) => "people confirm what is known of groups",
            Self::GivenUp(_) => "the relay's mapping gives up an event",
        }
    }

    /// Whether the `count`-th invocation of that function fails, as part of the story.
    pub fn has_fail(&self, function: &str, count: usize) -> bool {
        matches!(self, Self::GivenUp(_)) && function == RELAY && count <= RELAY_ATTEMPTS
    }

    /// Plays it on a bundle until that has come to rest.
    pub async fn play(&self, bundle: &Running) -> Result<(), PlayError> {
        let played = self.script(bundle).await;
        bundle.settle().await;
        played
    }

    /// Plays its script; what that sets off may still be going on then.
    pub async fn script(&self, bundle: &Running) -> Result<(), PlayError> {
        let outsider = outsider(bundle);
        match self {
            Self::Scenario(scenario) | Self::GivenUp(scenario) => outsider.play(scenario).await,
            Self::Known(groups) => {
                for group in groups {
                    outsider.play(group).await?;
                }
                bundle.settle().await;
                tell_what_is_known(&outsider).await;
                Ok(())
            }
        }
    }

    /// Plays it on a bundle of its own, and judges how it ended.
    pub async fn ends(&self, bundle: &Running) -> Verdict {
        let played = self.play(bundle).await;
        let evidence = Evidence::of(bundle).await;
        let Findings { violations, open, .. } = judge(&evidence);
        let mut otherwise = self.problems(bundle, &refused(&evidence)).await;
        if !otherwise.is_empty() {
            otherwise.extend(played.err().map(|error| error.to_string()));
        }
        Verdict {
            lost: open,
            doubled: violations,
            otherwise,
        }
    }

    async fn problems(&self, bundle: &Running, refused: &[Refused]) -> Vec<String> {
        let outsider = outsider(bundle);
        let scenarios = match self {
            Self::Scenario(scenario) | Self::GivenUp(scenario) => std::slice::from_ref(scenario),
            Self::Known(groups) => groups,
        };
        let mut problems = Vec::new();
        for scenario in scenarios {
            let outcome = outsider.outcome(scenario, refused).await;
            problems.extend(scenario.problems(&outcome.expect("streams can be read")));
        }
        problems
    }
}
