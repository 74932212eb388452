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
use testkit::running::Running;

use crate::story::{Story, Verdict, on_a_paused_clock, stories, with_long_deadlines};

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
    /// Call number, or invocation number, of that function.
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

/// What a function does that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Call,
    Answer,
}

impl Moment {
    fn blows(self) -> &'static [Blow] {
        match self {
            Self::Call => &[Blow::CrashBefore, Blow::CrashAfter, Blow::LostReply],
            Self::Answer => &[Blow::LostAcknowledgement],
        }
    }
}

/// Numbers what each function does in a story, and strikes at one point.
struct Striker {
    story: Arc<Story>,
    at: Option<Point>,
    passed: Mutex<BTreeMap<(Moment, String), Vec<String>>>,
    struck: AtomicUsize,
}

impl Striker {
    fn new(story: &Arc<Story>, at: Option<Point>) -> Arc<Self> {
        Arc::new(Self {
            story: story.clone(),
            at,
            passed: Mutex::default(),
            struck: AtomicUsize::new(0),
        })
    }

    /// Notes what a function does. Its number, and what is to go wrong with it.
    fn passes(&self, moment: Moment, function: &str, what: String) -> (usize, Option<Blow>) {
        let mut passed = locked(&self.passed);
        let of_function = passed.entry((moment, function.to_owned())).or_default();
        of_function.push(what);
        let number = of_function.len();
        let is_here = |point: &&Point| {
            moment.blows().contains(&point.blow) && point.function == function && point.number == number
        };
        let blow = self.at.as_ref().filter(is_here).map(|point| point.blow);
        self.struck
            .fetch_add(usize::from(blow.is_some()), Ordering::Relaxed);
        (number, blow)
    }

    /// All points that were passed.
    fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for ((moment, function), passed) in locked(&self.passed).iter() {
            for (number, what) in (1..).zip(passed) {
                points.extend(moment.blows().iter().map(|blow| Point {
                    blow: *blow,
                    function: function.clone(),
                    number,
                    what: what.clone(),
                }));
            }
        }
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
        match self.passes(Moment::Call, &call.caller, what).1 {
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
        let (count, blow) = self.passes(Moment::Answer, function, "its answer".into());
        if self.story.has_fail(function, count) {
            return Err(InvokeError::Crashed("it does not work".into()));
        }
        let answer = code.invoke(invocation).await?;
        match blow {
            None => Ok(answer),
            Some(_) => Err(InvokeError::Crashed("its answer got lost".into())),
        }
    }
}

/// Plays the story with what `striker` does to it.
fn play(striker: &Arc<Striker>) -> Verdict {
    on_a_paused_clock(async {
        let bundle = Running::start(StackOptions {
            faults: Some(striker.clone()),
            intercept: Some(striker.clone()),
            ..with_long_deadlines()
        })
        .await;
        striker.story.ends(&bundle).await
    })
}

/// All points of all stories, with the place of the story.
fn survey(stories: &[Arc<Story>]) -> Vec<(usize, Point)> {
    let mut all = Vec::new();
    for (place, story) in stories.iter().enumerate() {
        let striker = Striker::new(story, None);
        let verdict = play(&striker);
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
fn strike(stories: &[Arc<Story>], points: &[(usize, Point)]) -> Tally {
    let (next, tally, started) = (AtomicUsize::new(0), Mutex::new(Tally::default()), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, point)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let striker = Striker::new(&stories[*place], Some(point.clone()));
                    let verdict = play(&striker);
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
#[ignore = "takes minutes; optimised, as functions/tests/README.md says"]
fn nothing_is_lost_or_doubled_at_every_crash_point() {
    let (stories, started) = (stories(), Instant::now());
    let points = survey(&stories);
    report(points.len(), &strike(&stories, &points), started.elapsed());
}
