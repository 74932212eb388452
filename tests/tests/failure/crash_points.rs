//! Crash points: each call that a function makes is a place where it can die, and so is each moment between
//! its answer and the acknowledgement of it.
//!
//! A first run of each story numbers them. Then the story is played again for every number, with a crash
//! before the call, a crash after it, or its reply lost; the bundle runs on to rest, and is judged.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_aws::transport::{Call, Fault, Faults};
use local::{Intercept, StackOptions};
use serde_json::Value;
use tests::bundle::Bundle;

use crate::story::{Story, Verdict, hopping, on_a_paused_clock, stories};

/// What goes wrong at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// The function dies and the call never happens.
    CrashBefore,
    /// The call happens and the function dies.
    CrashAfter,
    /// The call happens and its answer gets lost.
    LostReply,
    /// The function is done and answers, and its messages come again all the same.
    LostAcknowledgement,
}

/// A place where something goes wrong.
#[derive(Clone, Debug)]
struct Point {
    blow: Blow,
    function: String,
    /// The how many-th call, or invocation, of that function.
    number: usize,
    what: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blow,
            function,
            number,
            what,
        } = self;
        write!(f, "{blow:?} at {function} #{number} ({what})")
    }
}

/// Counts the calls and invocations of each function, and strikes at one point.
#[derive(Default)]
struct Striker {
    at: Option<Point>,
    calls: Mutex<BTreeMap<String, Vec<String>>>,
    invocations: Mutex<BTreeMap<String, Vec<String>>>,
    struck: AtomicUsize,
}

impl Striker {
    fn at(point: Option<Point>) -> Arc<Self> {
        Arc::new(Self {
            at: point,
            ..Self::default()
        })
    }

    /// Notes what a function does, and answers what is to go wrong with it.
    fn counts(
        &self,
        list: &Mutex<BTreeMap<String, Vec<String>>>,
        function: &str,
        what: String,
    ) -> Option<Blow> {
        let mut of_function = locked(list);
        let done = of_function.entry(function.to_owned()).or_default();
        done.push(what);
        let point = self.at.as_ref()?;
        let is_call = std::ptr::eq(list, &raw const self.calls);
        let meant = is_call == (point.blow != Blow::LostAcknowledgement)
            && point.function == function
            && point.number == done.len();
        if meant {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        meant.then_some(point.blow)
    }

    /// All points that were passed.
    fn points(&self) -> Vec<Point> {
        let every = |list: &Mutex<BTreeMap<String, Vec<String>>>, blows: &[Blow]| {
            let mut points = Vec::new();
            for (function, done) in locked(list).iter() {
                for (number, what) in (1..).zip(done) {
                    points.extend(blows.iter().map(|blow| Point {
                        blow: *blow,
                        function: function.clone(),
                        number,
                        what: what.clone(),
                    }));
                }
            }
            points
        };
        let mut points = every(
            &self.calls,
            &[Blow::CrashBefore, Blow::CrashAfter, Blow::LostReply],
        );
        points.extend(every(&self.invocations, &[Blow::LostAcknowledgement]));
        points
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Faults for Striker {
    async fn before(&self, call: &Call) -> Fault {
        let what = format!("{} on {}", call.operation, call.resource().unwrap_or("nothing"));
        match self.counts(&self.calls, &call.caller, what) {
            Some(Blow::CrashBefore) => Fault::CrashBefore,
            Some(Blow::CrashAfter) => Fault::CrashAfter,
            Some(Blow::LostReply) => Fault::DropReply,
            _ => Fault::None,
        }
    }
}

#[async_trait]
impl Intercept for Striker {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        let blow = self.counts(&self.invocations, function, "its answer".into());
        let answer = code.invoke(invocation).await?;
        match blow {
            None => Ok(answer),
            Some(_) => Err(InvokeError::Crashed("its answer got lost".into())),
        }
    }
}

/// Plays the story with what `striker` does to it.
fn play(story: &Story, striker: &Arc<Striker>) -> Verdict {
    on_a_paused_clock(async {
        let bundle = Bundle::start(StackOptions {
            faults: Some(striker.clone()),
            intercept: Some(striker.clone()),
            ..hopping()
        })
        .await;
        story.ends(&bundle).await
    })
}

/// All points of all stories, with the place of the story.
fn survey(stories: &[Story]) -> Vec<(usize, Point)> {
    let mut all = Vec::new();
    for (place, story) in stories.iter().enumerate() {
        let striker = Striker::at(None);
        let verdict = play(story, &striker);
        let problems = verdict.problems();
        assert!(
            problems.is_empty(),
            "{}, and nothing struck: {problems:?}",
            story.title()
        );
        all.extend(striker.points().into_iter().map(|point| (place, point)));
    }
    all
}

/// What came of it.
#[derive(Default)]
struct Tally {
    runs: usize,
    by_blow: BTreeMap<Blow, usize>,
    not_reached: usize,
    lost: usize,
    doubled: usize,
    otherwise: usize,
    /// What was wrong, in sentences.
    problems: Vec<String>,
}

impl Tally {
    fn add(&mut self, story: &Story, point: &Point, reached: bool, verdict: &Verdict) {
        self.runs += 1;
        *self.by_blow.entry(point.blow).or_default() += 1;
        self.not_reached += usize::from(!reached);
        self.lost += usize::from(!verdict.lost.is_empty());
        self.doubled += usize::from(!verdict.doubled.is_empty());
        self.otherwise += usize::from(!verdict.otherwise.is_empty());
        let problems = verdict.problems();
        if !problems.is_empty() {
            let problems = problems.join("\n    ");
            self.problems
                .push(format!("{}, {point}:\n    {problems}", story.title()));
        }
    }
}

/// Strikes at each of the points, on as many threads as there are cores.
fn strike(stories: &[Story], points: &[(usize, Point)]) -> Tally {
    let (next, tally, started) = (AtomicUsize::new(0), Mutex::new(Tally::default()), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, point)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let striker = Striker::at(Some(point.clone()));
                    let verdict = play(&stories[*place], &striker);
                    let reached = striker.struck.load(Ordering::Relaxed) > 0;
                    let mut tally = locked(&tally);
                    tally.add(&stories[*place], point, reached, &verdict);
                    tell(tally.runs, points.len(), started);
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A line every hundred runs.
fn tell(runs: usize, of: usize, started: Instant) {
    if runs.is_multiple_of(100) {
        let took = started.elapsed().as_secs();
        println!("{runs} of {of} runs after {took} s");
    }
}

fn report(points: usize, tally: &Tally, took: Duration) {
    let Tally {
        runs,
        not_reached,
        lost,
        doubled,
        otherwise,
        ..
    } = tally;
    println!(
        "crash points: {points} in {} stories; {runs} runs: {:?}",
        stories().len(),
        tally.by_blow
    );
    println!(
        "not reached {not_reached}, lost {lost}, doubled {doubled}, ended otherwise {otherwise}; {took:.1?}"
    );
    for problem in tally.problems.iter().take(20) {
        println!("{problem}");
    }
    assert_eq!(
        (*lost, *doubled, *otherwise),
        (0, 0, 0),
        "{}",
        tally.problems.join("\n")
    );
    assert!(
        not_reached * 100 <= *runs,
        "{not_reached} of {runs} points were not reached: numbers differ"
    );
}

#[test]
fn nothing_is_lost_or_doubled_wherever_a_function_dies_in_a_sample_of_all_points() {
    let (stories, started) = (stories(), Instant::now());
    let points = survey(&stories);
    let sample: Vec<_> = points.iter().step_by(61).cloned().collect();
    report(points.len(), &strike(&stories, &sample), started.elapsed());
}

#[test]
#[ignore = "takes minutes: cargo test -p tests --test failure -- --ignored --nocapture every_crash_point"]
fn nothing_is_lost_or_doubled_at_every_crash_point() {
    let (stories, started) = (stories(), Instant::now());
    let points = survey(&stories);
    report(points.len(), &strike(&stories, &points), started.elapsed());
}
