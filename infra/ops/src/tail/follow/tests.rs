use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use eventsourcing::{RecordedEvent, StreamId};
use uuid::Uuid;

use super::*;

/// Shards as a test says them, and what was asked of them.
#[derive(Default)]
struct Told {
    shards: RefCell<Vec<Shard>>,
    /// What a shard answers, one after the other; then empty pages.
    pages: RefCell<HashMap<String, VecDeque<Result<Page, Trouble>>>>,
    asked: RefCell<Vec<(String, Place)>>,
    reads: RefCell<Vec<String>>,
    list_fails: RefCell<Option<Trouble>>,
}

impl Told {
    fn shard(&self, id: &str, parent: Option<&str>) {
        let parent = parent.map(str::to_owned);
        self.shards.borrow_mut().push(Shard {
            id: id.into(),
            parent,
        });
    }

    fn answers(&self, shard: &str, answer: Result<Page, Trouble>) {
        let mut pages = self.pages.borrow_mut();
        pages.entry(shard.into()).or_default().push_back(answer);
    }
}

impl Shards for &Told {
    async fn list(&self) -> Result<Vec<Shard>, Trouble> {
        match self.list_fails.borrow_mut().take() {
            Some(trouble) => Err(trouble),
            None => Ok(self.shards.borrow().clone()),
        }
    }

    async fn iterator(&self, shard: &str, from: &Place) -> Result<Option<String>, Trouble> {
        self.asked.borrow_mut().push((shard.into(), from.clone()));
        Ok(Some(shard.into()))
    }

    async fn records(&self, iterator: &str) -> Result<Page, Trouble> {
        self.reads.borrow_mut().push(iterator.into());
        let mut pages = self.pages.borrow_mut();
        let next = pages.get_mut(iterator).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| Ok(page(iterator, &[])))
    }
}

const BEGAN: &str = "2026-11-23T08:00:00.000Z";

fn commit(stream: &str, at: &str) -> Streamed {
    Streamed::Commit(Commit {
        stream: stream.parse::<StreamId>().expect("a stream's name"),
        revision: 1,
        commit_id: Uuid::nil(),
        committed_at: format!("2026-11-23T{at}Z").parse().expect("a time"),
        events: vec![RecordedEvent {
            event_id: "e".into(),
            revision: 1,
            event_type: "BookLent".into(),
            schema_version: 1,
            data: "{}".into(),
            correlation_id: "c".into(),
            causation_id: "c".into(),
            trace: None,
        }],
    })
}

/// A page with these commits, behind which more may come.
fn page(shard: &str, commits: &[Streamed]) -> Page {
    Page {
        records: commits.to_vec(),
        last: (!commits.is_empty()).then(|| format!("last of {shard}")),
        next: Some(shard.into()),
    }
}

/// The last page of a shard.
fn end(commits: &[Streamed]) -> Page {
    Page {
        next: None,
        ..page("", commits)
    }
}

fn streams(round: &Round) -> Vec<String> {
    let name = |streamed: &Streamed| match streamed {
        Streamed::Commit(commit) => commit.stream.to_string(),
        Streamed::Fault { stream_id, .. } => stream_id.clone(),
    };
    round.streamed.iter().map(name).collect()
}

/// Follows for so many rounds, each when it is time, and answers all that came, and what was told.
async fn follow(
    follower: &mut Follower<&Told>,
    now: &mut Instant,
    rounds: u32,
) -> (Vec<String>, Vec<String>) {
    let (mut came, mut told) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let round = follower.round(*now).await.expect("nothing lasting went wrong");
        came.extend(streams(&round));
        *now = round.next.expect("a shard is followed").max(*now);
        told.extend(round.news);
    }
    (came, told)
}

async fn begun(told: &Told, with: Place, now: Instant) -> Follower<&Told> {
    let began = BEGAN.parse().expect("a time");
    let follower = Follower::begin(told, with, began, now).await;
    follower.unwrap_or_else(|failure| panic!("{failure}"))
}

#[tokio::test]
async fn from_now_on_only_the_shards_are_read_that_something_can_be_added_to() {
    let told = Told::default();
    told.shard("s-1", None);
    told.shard("s-2", Some("s-1"));
    told.shard("s-3", Some("trimmed long ago"));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    follow(&mut follower, &mut now, 1).await;
    assert_eq!(
        *told.asked.borrow(),
        [("s-2".into(), Place::Latest), ("s-3".into(), Place::Latest)]
    );
}

#[tokio::test]
async fn a_shard_that_splits_is_read_to_its_end_before_those_that_come_after_it() {
    let told = Told::default();
    told.shard("s-1", None);
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "08:00:01")])));
    told.answers("s-1", Ok(end(&[commit("loan-1", "08:00:02")])));
    told.answers("s-2", Ok(page("s-2", &[commit("loan-1", "08:00:03")])));
    told.answers("s-3", Ok(page("s-3", &[commit("loan-2", "08:00:03")])));
    follow(&mut follower, &mut now, 1).await;
    told.shard("s-2", Some("s-1"));
    told.shard("s-3", Some("s-1"));
    let (came, news) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came, ["loan-1", "loan-1", "loan-2"]);
    assert_eq!(
        told.asked.borrow()[1..],
        [("s-2".into(), Place::Oldest), ("s-3".into(), Place::Oldest)],
        "from their beginning on"
    );
    assert_eq!(news, [""; 0]);
}

#[tokio::test]
async fn shards_that_come_of_themselves_are_found_within_half_a_minute() {
    let told = Told::default();
    told.shard("s-1", None);
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    follow(&mut follower, &mut now, 1).await;
    told.shard("s-2", None);
    told.answers("s-2", Ok(page("s-2", &[commit("loan-2", "08:00:03")])));
    let (came, _) = follow(&mut follower, &mut now, 31).await;
    assert_eq!(came, ["loan-2"]);
}

#[tokio::test]
async fn a_shard_of_before_is_read_before_its_heirs_whatever_order_they_are_told_in() {
    let told = Told::default();
    told.shard("s-1", Some("s-9"));
    told.shard("s-9", None);
    told.answers("s-9", Ok(page("s-9", &[])));
    told.answers("s-9", Ok(end(&[commit("loan-1", "07:00:00")])));
    told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "07:00:01")])));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Oldest, now).await;
    let begun_at = now;
    let (came, _) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came.len(), 2);
    assert_eq!(*told.reads.borrow(), ["s-9", "s-9", "s-1"]);
    assert!(
        now - begun_at < IDLE,
        "an empty page in the middle of what is closed holds nobody up"
    );
}

#[tokio::test]
async fn an_idle_shard_is_asked_once_a_second_and_a_busy_one_four_times() {
    let told = Told::default();
    told.shard("s-1", None);
    let mut now = Instant::now();
    let began = now;
    let mut follower = begun(&told, Place::Latest, now).await;
    follow(&mut follower, &mut now, 10).await;
    assert_eq!(now - began, 10 * IDLE);
    for _ in 0..10 {
        told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "08:00:01")])));
    }
    let before = now;
    follow(&mut follower, &mut now, 10).await;
    assert_eq!(now - before, 10 * BUSY);
}

#[tokio::test]
async fn what_is_throttled_is_asked_less_and_less_and_told_once() {
    let told = Told::default();
    told.shard("s-1", None);
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    for _ in 0..3 {
        told.answers("s-1", Err(Trouble::Transient("throttled".into())));
    }
    told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "08:00:01")])));
    let began = now;
    let (came, news) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came, [""; 0]);
    assert_eq!(now - began, 7 * IDLE, "one second, two, four");
    assert_eq!(
        news,
        ["the table stream can't be read now, and is tried again: throttled"]
    );
    let (came, news) = follow(&mut follower, &mut now, 1).await;
    assert_eq!(came, ["loan-1"]);
    assert_eq!(news, ["the table stream is read again"]);
    assert_eq!(told.asked.borrow().len(), 1, "with the iterator that it has");
}

#[tokio::test]
async fn after_an_iterator_expired_it_goes_on_where_it_was() {
    let told = Told::default();
    told.shard("s-1", None);
    told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "08:00:01")])));
    told.answers("s-1", Err(Trouble::Expired));
    told.answers("s-1", Ok(page("s-1", &[commit("loan-2", "08:20:00")])));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    let (came, news) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came, ["loan-1", "loan-2"]);
    assert_eq!(
        *told.asked.borrow(),
        [
            ("s-1".into(), Place::Latest),
            ("s-1".into(), Place::After("last of s-1".into()))
        ]
    );
    assert_eq!(news, [""; 0]);
}

#[tokio::test]
async fn where_nothing_had_come_before_the_iterator_expired_nothing_is_missed_or_shown_that_is_older() {
    let told = Told::default();
    told.shard("s-1", None);
    told.answers("s-1", Ok(page("s-1", &[])));
    told.answers("s-1", Err(Trouble::Expired));
    let both = [commit("loan-1", "07:59:59"), commit("loan-2", "08:10:00")];
    told.answers("s-1", Ok(page("s-1", &both)));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    let (came, _) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came, ["loan-2"]);
}

#[tokio::test]
async fn what_the_stream_lost_is_told_and_the_rest_is_shown() {
    let told = Told::default();
    told.shard("s-1", None);
    told.shard("s-2", None);
    told.answers("s-1", Err(Trouble::Trimmed));
    told.answers("s-1", Ok(page("s-1", &[commit("loan-1", "08:00:01")])));
    told.answers("s-2", Err(Trouble::Gone));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    let (came, news) = follow(&mut follower, &mut now, 3).await;
    assert_eq!(came, ["loan-1"]);
    assert_eq!(news, [LOST], "of the other one nothing had been shown");
    told.answers("s-1", Err(Trouble::Gone));
    let (_, news) = follow(&mut follower, &mut now, 1).await;
    assert_eq!(news, [LOST]);
}

#[tokio::test]
async fn what_can_never_be_read_ends_it_and_so_does_a_service_that_does_not_answer_at_first() {
    let told = Told::default();
    told.shard("s-1", None);
    let now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    let denied = || Trouble::Lasting(Failure::Failed("AccessDeniedException".into()));
    told.answers("s-1", Err(denied()));
    let failure = follower.round(now).await.expect_err("it is refused");
    assert_eq!(failure.to_string(), "AccessDeniedException");
    let began = BEGAN.parse().expect("a time");
    for trouble in [denied(), Trouble::Transient("no answer".into()), Trouble::Gone] {
        *told.list_fails.borrow_mut() = Some(trouble);
        let outcome = Follower::begin(&told, Place::Latest, began, now).await;
        assert!(outcome.is_err());
    }
}

#[tokio::test]
async fn events_of_several_shards_come_in_the_order_of_their_time_and_those_of_one_in_its_own() {
    let told = Told::default();
    told.shard("s-1", None);
    told.shard("s-2", None);
    // The second was committed by a machine whose clock is late.
    let first = [commit("loan-1", "08:00:05"), commit("loan-3", "08:00:01")];
    told.answers("s-1", Ok(page("s-1", &first)));
    told.answers("s-2", Ok(page("s-2", &[commit("loan-2", "08:00:02")])));
    let mut now = Instant::now();
    let mut follower = begun(&told, Place::Latest, now).await;
    let (came, _) = follow(&mut follower, &mut now, 1).await;
    assert_eq!(came, ["loan-2", "loan-1", "loan-3"]);
}
