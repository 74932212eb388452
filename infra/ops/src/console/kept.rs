//! What is dear to find out, and shown by every page that renews itself: it is found out once in a while, beside the
//! pages, and they show what is known.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::Failure;

/// The least times as long as finding out took that nothing is asked after it: so much of a stack's time is nobody's
/// but its own.
const TIMES_AS_LONG: u32 = 10;

/// What is older was found out for somebody who has left since, and is not shown to whoever comes.
const NOBODY_LOOKED: Duration = Duration::from_secs(30);

/// Something that is known, and since when.
#[derive(Debug)]
pub(crate) struct Known<T> {
    pub(crate) value: Rc<T>,
    pub(crate) age: Duration,
}

/// What is kept of one thing that is dear to find out.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    least: Duration,
    state: RefCell<State<T>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State<T> {
    /// What was found last, when, and how long it took.
    latest: Option<(Result<Rc<T>, String>, Instant, Duration)>,
    is_asked: bool,
}

impl<T: 'static> Kept<T> {
    /// Asks anew after this time at the least.
    pub(crate) fn new(least: Duration) -> Rc<Self> {
        Rc::new(Self {
            least,
            state: RefCell::new(State {
                latest: None,
                is_asked: false,
            }),
            changes: watch::Sender::new(0),
        })
    }

    /// What is known. Nobody waits but for the first answer, and after something was done.
    pub(crate) async fn get<F>(self: &Rc<Self>, find_out: impl FnOnce() -> F) -> Result<Known<T>, Failure>
    where
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        let mut changes = self.changes.subscribe();
        if self.is_older_than(self.least.max(NOBODY_LOOKED)) {
            self.forget();
        }
        if self.is_due() {
            self.state.borrow_mut().is_asked = true;
            let (kept, find_out) = (self.clone(), find_out());
            tokio::task::spawn_local(async move { kept.ask(find_out).await });
        }
        loop {
            if let Some(known) = self.known() {
                return known;
            }
            if changes.changed().await.is_err() {
                return Err(Failure::Failed("it is not known".into()));
            }
        }
    }

    async fn ask(&self, find_out: impl Future<Output = Result<T, Failure>>) {
        let began = Instant::now();
        let found = find_out.await.map(Rc::new).map_err(|failure| failure.to_string());
        {
            let mut state = self.state.borrow_mut();
            state.latest = Some((found, Instant::now(), began.elapsed()));
            state.is_asked = false;
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn is_due(&self) -> bool {
        !self.state.borrow().is_asked && self.is_older_than(self.least)
    }

    /// Whether nothing is known, or what is known is as old as that, and as old as it may be for how long it took.
    fn is_older_than(&self, age: Duration) -> bool {
        let state = self.state.borrow();
        let is_old = |(_, at, took): &(_, Instant, Duration)| at.elapsed() >= age.max(*took * TIMES_AS_LONG);
        state.latest.as_ref().is_none_or(is_old)
    }

    fn known(&self) -> Option<Result<Known<T>, Failure>> {
        let state = self.state.borrow();
        let (found, at, _) = state.latest.as_ref()?;
        Some(match found {
            Ok(value) => Ok(Known {
                value: value.clone(),
                age: at.elapsed(),
            }),
            Err(why) => Err(Failure::Failed(why.clone())),
        })
    }

    /// Has whoever asks next wait for a new answer: something was done.
    pub(crate) fn forget(&self) {
        self.state.borrow_mut().latest = None;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::LocalSet;

    use super::*;

    const LEAST: Duration = Duration::from_secs(2);

    /// Finds out in so much time, and counts how often.
    fn counted(
        times: &Rc<Cell<u32>>,
        takes: Duration,
    ) -> impl Future<Output = Result<u32, Failure>> + 'static {
        let times = times.clone();
        async move {
            tokio::time::sleep(takes).await;
            times.set(times.get() + 1);
            Ok(times.get())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_within_the_time_gets_what_is_known_and_one_of_many_asks() {
        LocalSet::new()
            .run_until(async {
                let (times, kept) = (Rc::new(Cell::new(0)), Kept::new(LEAST));
                let second = Duration::from_secs(1);
                let ask = || kept.get(|| counted(&times, Duration::ZERO));
                let both = futures::join!(ask(), ask());
                assert_eq!([both.0, both.1].map(|known| *known.expect("known").value), [1, 1]);
                tokio::time::sleep(second).await;
                assert_eq!(*ask().await.expect("known").value, 1);
                tokio::time::sleep(second).await;
                assert_eq!(
                    *ask().await.expect("known").value,
                    1,
                    "the old one is shown meanwhile"
                );
                tokio::time::sleep(second).await;
                assert_eq!(*ask().await.expect("known").value, 2);
                kept.forget();
                assert_eq!(*ask().await.expect("known").value, 3);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_nobody_has_looked_for_long_waits_for_what_is_so_now() {
        LocalSet::new()
            .run_until(async {
                let (times, kept) = (Rc::new(Cell::new(0)), Kept::new(LEAST));
                for expected in 1..=3 {
                    let known = kept.get(|| counted(&times, Duration::from_secs(1))).await;
                    let known = known.expect("known");
                    assert_eq!((*known.value, known.age), (expected, Duration::ZERO));
                    tokio::time::sleep(NOBODY_LOOKED * 2).await;
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_asked_seldom() {
        LocalSet::new()
            .run_until(async {
                let (times, kept) = (Rc::new(Cell::new(0)), Kept::new(LEAST));
                let slow = Duration::from_secs(3);
                for _ in 0..60 {
                    let known = kept.get(|| counted(&times, slow)).await.expect("known");
                    assert!(known.age <= slow * (TIMES_AS_LONG + 2), "{:?}", known.age);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                // One takes 3 seconds, and 30 follow it.
                assert_eq!(times.get(), 2);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_and_tried_again() {
        LocalSet::new()
            .run_until(async {
                let kept = Kept::<u32>::new(LEAST);
                let failed = kept.get(async || Err(Failure::Failed("down".into()))).await;
                assert_eq!(failed.expect_err("it is down").to_string(), "down");
                tokio::time::sleep(LEAST).await;
                let asked = kept.get(async || Ok(7)).await;
                assert!(asked.is_err(), "what is known so far");
                tokio::time::sleep(LEAST).await;
                assert_eq!(*kept.get(async || Ok(7)).await.expect("it is up").value, 7);
            })
            .await;
    }
}
