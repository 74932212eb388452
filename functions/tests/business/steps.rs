//! Every step twice, every step failed: what the registry declares is given its input twice, fails once, and
//! fails for ever, each function by itself.
//!
//! A function that is added is covered by itself: where no story reaches it, its sample is played.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bundle::Function;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use local::{Intercept, StackOptions};
use serde_json::Value;
use testkit::running::{Letter, Running};
use testkit::sampled::{self, problems_of};

use crate::invariants::{Counts, Findings};
use crate::story::{Story, on_a_paused_clock, stories, with_long_deadlines};

/// How a function is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// Every event is handed to it twice.
    Twice,
    /// Its first invocation fails.
    FailsOnce,
    /// Every invocation fails, until it is mended.
    FailsForEver,
}

impl Treatment {
    fn of_a_sample(self) -> sampled::Treatment {
        match self {
            Self::Twice => sampled::Treatment::Twice,
            Self::FailsOnce => sampled::Treatment::FailsOnce,
            Self::FailsForEver => sampled::Treatment::FailsForEver,
        }
    }
}

/// Treats one function, and counts the invocations of all.
struct Treated {
    story: Arc<Story>,
    function: String,
    treatment: Treatment,
    mended: AtomicBool,
    invocations: Mutex<BTreeMap<String, usize>>,
    times: AtomicUsize,
}

impl Treated {
    fn new(story: &Arc<Story>, function: &str, treatment: Treatment) -> Arc<Self> {
        Arc::new(Self {
            story: story.clone(),
            function: function.into(),
            treatment,
            mended: AtomicBool::new(false),
            invocations: Mutex::default(),
            times: AtomicUsize::new(0),
        })
    }

    /// Counts an invocation; how often that function has been invoked.
    fn count(&self, function: &str) -> usize {
        let mut invocations = self.invocations.lock().unwrap_or_else(PoisonError::into_inner);
        let count = invocations.entry(function.to_owned()).or_default();
        *count += 1;
        *count
    }
}

#[async_trait]
impl Intercept for Treated {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        let count = self.count(function);
        if self.story.has_fail(function, count) {
            return Err(InvokeError::Crashed("it does not work".into()));
        }
        if function != self.function {
            return code.invoke(invocation).await;
        }
        let fails = match self.treatment {
            Treatment::Twice => {
                self.times.fetch_add(1, Ordering::Relaxed);
                code.invoke(invocation.clone()).await?;
                return code.invoke(invocation).await;
            }
            // The first time that it would not have failed anyway.
            Treatment::FailsOnce => self.times.load(Ordering::Relaxed) == 0,
            Treatment::FailsForEver => !self.mended.load(Ordering::Relaxed),
        };
        if fails {
            self.times.fetch_add(1, Ordering::Relaxed);
            return Err(InvokeError::Crashed("it does not work".into()));
        }
        code.invoke(invocation).await
    }
}

async fn start(treated: &Arc<Treated>) -> Running {
    Running::start(StackOptions {
        intercept: Some(treated.clone()),
        // What fails for ever SQS moves within the hour, not within days.
        max_receive_count: 5,
        ..with_long_deadlines()
    })
    .await
}

/// A story, and what it comes to when nobody is treated.
struct Reference {
    story: Arc<Story>,
    /// How often each function is invoked.
    invocations: BTreeMap<String, usize>,
    counts: Counts,
}

/// All stories, played as they are once for all tests, those with the fewest invocations first.
fn references() -> &'static [Reference] {
    static REFERENCES: OnceLock<Vec<Reference>> = OnceLock::new();
    REFERENCES.get_or_init(|| {
        let mut references = played();
        references.sort_by_key(|reference| reference.invocations.values().sum::<usize>());
        references
    })
}

fn played() -> Vec<Reference> {
    let played = stories().into_iter().map(|story| {
        let nobody = Treated::new(&story, "", Treatment::Twice);
        let counts = on_a_paused_clock(async {
            let bundle = start(&nobody).await;
            let verdict = story.ends(&bundle).await;
            assert!(verdict.problems().is_empty(), "{}: {verdict:?}", story.title());
            Findings::of(&bundle).await.counts
        });
        let invocations = nobody
            .invocations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Reference {
            story,
            invocations,
            counts,
        }
    });
    played.collect()
}

impl Reference {
    /// Plays the story with one function treated, and answers with what is wrong in the end.
    fn play(&self, function: &str, treatment: Treatment) -> Vec<String> {
        let treated = Treated::new(&self.story, function, treatment);
        let problems = on_a_paused_clock(async {
            let bundle = start(&treated).await;
            if treatment == Treatment::FailsForEver {
                return self.fails_for_ever(&bundle, &treated).await;
            }
            let verdict = self.story.ends(&bundle).await;
            verdict.problems().into_iter().map(str::to_owned).collect()
        });
        let was_treated = treated.times.load(Ordering::Relaxed) > 0;
        assert!(
            was_treated,
            "{function} was not invoked in {}",
            self.story.title()
        );
        problems
    }

    /// While a function does not work, nothing wrong may happen, and what it was to handle waits where it
    /// gives it up. Once it is mended, a redrive brings everything to its end.
    async fn fails_for_ever(&self, bundle: &Running, treated: &Treated) -> Vec<String> {
        let functions = functions::bundle().registry.functions;
        let function = functions
            .iter()
            .find(|function| function.name == treated.function);
        let is_scheduled = function.is_some_and(|function| function.gives_up_to().is_none());
        let script = if is_scheduled {
            // What it is to do waits for its next time, for ever.
            let script = self.story.script(bundle).await;
            tokio::time::sleep(Duration::from_hours(6)).await;
            script
        } else {
            self.story.play(bundle).await
        };
        let mut problems = Findings::of(bundle).await.violations;
        if let Some(queue) = function.and_then(Function::queue) {
            let letters = bundle.letters().await;
            let is_own = |letter: &Letter| letter.queue == queue && letter.moved_by_sqs.is_some();
            if !letters.iter().any(is_own) {
                problems.push(format!("nothing of {queue} is in its dead-letter queue"));
            }
        }
        treated.mended.store(true, Ordering::Relaxed);
        bundle.redrive_until_quiet().await;
        if script.is_err() {
            // It waited for what could not happen. Now it can, or something else has come first: then it
            // waits in vain once more.
            drop(self.story.play(bundle).await);
            bundle.redrive_until_quiet().await;
        }
        problems.extend(self.wrong_in_the_end(bundle).await);
        problems
    }

    async fn wrong_in_the_end(&self, bundle: &Running) -> Vec<String> {
        let findings = Findings::of(bundle).await;
        let (found, expected) = (findings.counts, self.counts);
        let mut problems: Vec<_> = findings.problems().into_iter().map(str::to_owned).collect();
        if (found.orders, found.groups) != (expected.orders, expected.groups) {
            problems.push(format!("in the end there are {found}"));
        }
        let exhausted = found.exhausted - answers_to_nothing(bundle).await;
        if exhausted > expected.exhausted {
            problems.push(format!("{exhausted} messages are still dead letters"));
        }
        problems
    }
}

/// Dead letters of a carrier that answers what it was never asked. A story's script says what the carrier
/// does; if the order is cancelled before its shipment is requested, that waits for ever, and has to.
async fn answers_to_nothing(bundle: &Running) -> usize {
    let mut answers = 0;
    for letter in bundle.letters().await {
        let message: Value = serde_json::from_str(&letter.body).unwrap_or_default();
        let shipment = message["command"]["shipment_id"].as_str();
        let stream = shipment.and_then(|id| format!("shipment-{id}").parse().ok());
        if letter.attribute("error_code") == "exhausted"
            && let Some(stream) = stream
            && bundle.events(&stream).await.is_empty()
        {
            answers += 1;
        }
    }
    answers
}

/// Treats every function of the registry in as many stories that reach it as asked for, and fails with all
/// that is wrong.
fn every_function(treatment: Treatment, stories_each: usize) {
    let (started, references) = (Instant::now(), references());
    let (mut runs, mut problems) = (0, Vec::new());
    let functions = functions::bundle().registry.functions;
    for function in &functions {
        let reach = references
            .iter()
            .filter(|reference| reference.invocations.contains_key(&function.name));
        let before = runs;
        for reference in reach.take(stories_each) {
            runs += 1;
            let found = reference.play(&function.name, treatment);
            if !found.is_empty() {
                problems.push(format!(
                    "{} in {}:\n    {}",
                    function.name,
                    reference.story.title(),
                    found.join("\n    ")
                ));
            }
        }
        if runs == before {
            let name = &function.name;
            assert!(
                !function.samples().is_empty(),
                "neither a story nor a sample reaches {name}"
            );
            runs += 1;
            let found = on_a_paused_clock(problems_of(
                &with_long_deadlines(),
                function,
                treatment.of_a_sample(),
            ));
            problems.extend(found);
        }
    }
    println!(
        "{treatment:?}: {} functions, {runs} runs, {} of them wrong; {:.1?}",
        functions.len(),
        problems.len(),
        started.elapsed()
    );
    assert!(problems.is_empty(), "{treatment:?}:\n{}", problems.join("\n"));
}

#[test]
fn every_function_may_get_its_input_twice() {
    every_function(Treatment::Twice, 1);
}

#[test]
fn every_function_may_fail_once() {
    every_function(Treatment::FailsOnce, 1);
}

#[test]
fn what_every_function_could_not_do_waits_for_it_and_completes_after_a_redrive() {
    every_function(Treatment::FailsForEver, 1);
}

#[test]
#[ignore = "takes minutes; optimised, as functions/tests/README.md says"]
fn every_step_twice_and_every_step_failed_in_every_story() {
    for treatment in [Treatment::Twice, Treatment::FailsOnce, Treatment::FailsForEver] {
        every_function(treatment, usize::MAX);
    }
}
