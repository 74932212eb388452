//! The time axis of a picture: what happens soon after each other stands apart by about as much as it took, and a wait
//! that is much longer than the others is folded.

use std::collections::BTreeMap;
use std::time::Duration;

use eventsourcing::Timestamp;

use crate::output::took;

/// What stands on the axis: a mark in a lane, with the room that it takes on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    /// Of several in one lane at one moment, the place of this one.
    pub(super) nth: usize,
    pub(super) lane: usize,
    pub(super) left: i32,
    pub(super) right: i32,
}

/// A wait that is drawn shorter than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fold {
    /// The middle of it.
    pub(super) x: i32,
    pub(super) wait: Duration,
}

/// Where on a picture the moments are.
#[derive(Debug, Default)]
pub(super) struct Axis {
    places: BTreeMap<(Timestamp, usize), i32>,
    pub(super) folds: Vec<Fold>,
    pub(super) width: i32,
}

/// How far apart two moments are that are as far apart as most.
const USUAL: i64 = 56;
/// The least and the most that two moments which follow each other stand apart.
const LEAST: i64 = 22;
const MOST: i64 = 168;
/// How many times the usual wait is folded, if it is one that anybody would notice, and how far apart its ends stand
/// then.
const MUCH_LONGER: u128 = 6;
const NOTICED: Duration = Duration::from_millis(300);
const FOLDED: i64 = 104;
/// How near to its end a fold is drawn.
const NEAR: i32 = 30;
/// What is left free between two marks of a lane.
const FREE: i32 = 12;

impl Axis {
    /// Places these points from `start` on.
    pub(super) fn of(points: &[Point], start: i32) -> Self {
        let mut columns: BTreeMap<(Timestamp, usize), Vec<Point>> = BTreeMap::new();
        for point in points {
            columns.entry((point.at, point.nth)).or_default().push(*point);
        }
        let times: Vec<_> = columns.keys().map(|(at, _)| *at).collect();
        let usual = usual(&times);
        let mut axis = Self::default();
        let (mut x, mut before) = (start, None::<Timestamp>);
        let mut ends: BTreeMap<usize, i32> = BTreeMap::new();
        for (moment, points) in columns {
            let wait = before.map(|before| moment.0.since(before));
            let is_long = |wait: Duration| wait.as_millis() > usual.as_millis() * MUCH_LONGER;
            let is_folded = wait.is_some_and(|wait| wait >= NOTICED && is_long(wait));
            let from = x;
            if let Some(wait) = wait {
                x += if is_folded {
                    pixels(FOLDED)
                } else {
                    apart(wait, usual)
                };
            }
            for point in &points {
                if let Some(end) = ends.get(&point.lane) {
                    x = x.max(end + FREE + point.left);
                }
            }
            for point in &points {
                ends.insert(point.lane, x + point.right);
                axis.width = axis.width.max(x + point.right);
            }
            if is_folded {
                // Near its end: what stands at its beginning has a text.
                let x = i32::midpoint(from, x).max(x - NEAR);
                axis.folds.extend(wait.map(|wait| Fold { x, wait }));
            }
            axis.places.insert(moment, x);
            before = Some(moment.0);
        }
        axis
    }

    /// Where a moment is.
    pub(super) fn x(&self, at: Timestamp, nth: usize) -> i32 {
        self.places.get(&(at, nth)).copied().unwrap_or_default()
    }

    /// What is written below: the first moment, and how long after it the others were, as far as there is room.
    pub(super) fn ticks(&self) -> Vec<(i32, String)> {
        let mut ticks: Vec<(i32, String)> = Vec::new();
        let mut first = None;
        let mut end = i32::MIN;
        for ((at, _), x) in &self.places {
            let text = match first {
                None => clock(*at),
                Some(first) => format!("+{}", took(at.since(first))),
            };
            first.get_or_insert(*at);
            if *x > end {
                end = x + width_of(&text) + FREE;
                ticks.push((*x, text));
            }
        }
        ticks
    }
}

/// How far apart most of them are: the middle one of all waits.
fn usual(times: &[Timestamp]) -> Duration {
    let mut waits: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    waits.retain(|wait| !wait.is_zero());
    waits.sort_unstable();
    let middle = waits.len().saturating_sub(1) / 2;
    waits.get(middle).copied().unwrap_or(Duration::from_secs(1))
}

fn apart(wait: Duration, usual: Duration) -> i32 {
    let scaled = wait.as_millis().saturating_mul(USUAL.unsigned_abs().into()) / usual.as_millis().max(1);
    pixels(i64::try_from(scaled).unwrap_or(MOST).clamp(LEAST, MOST))
}

fn pixels(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// About how wide a text is: nobody measures it before the browser does.
pub(super) fn width_of(text: &str) -> i32 {
    // Of twelve pixels' height, a letter takes seven or less.
    i32::try_from(text.chars().count())
        .unwrap_or(i32::MAX / 8)
        .saturating_mul(7)
}

/// `08:15:00.120` of a moment.
pub(super) fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    let time = text.split_once('T').map_or(text.as_str(), |(_, time)| time);
    time.trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(millis: i64, lane: usize) -> Point {
        Point {
            at: Timestamp::from_millis(millis),
            nth: 0,
            lane,
            left: 6,
            right: 14,
        }
    }

    fn xs(axis: &Axis) -> Vec<i32> {
        axis.places.values().copied().collect()
    }

    #[test]
    fn a_wait_that_is_much_longer_than_the_others_is_folded_and_says_how_long_it_was() {
        let points = [0, 100, 220, 900_220, 900_300].map(|millis| point(millis, 0));
        let axis = Axis::of(&points, 10);
        let waits: Vec<_> = axis.folds.iter().map(|fold| took(fold.wait)).collect();
        assert_eq!(waits, ["15 min 0 s"]);
        let xs = xs(&axis);
        assert!(axis.folds[0].x > xs[2] && axis.folds[0].x < xs[3]);
        assert!(axis.width < 500, "{axis:?}");
    }

    #[test]
    fn waits_that_are_alike_are_not_folded_and_longer_ones_are_drawn_longer() {
        let axis = Axis::of(&[0, 100, 200, 400].map(|millis| point(millis, 0)), 0);
        assert!(axis.folds.is_empty());
        let xs = xs(&axis);
        assert_eq!(xs[1] - xs[0], xs[2] - xs[1]);
        assert!(xs[3] - xs[2] > xs[2] - xs[1]);
    }

    #[test]
    fn a_wait_that_nobody_would_notice_is_not_folded() {
        let axis = Axis::of(&[0, 1, 2, 3, 40].map(|millis| point(millis, 0)), 0);
        assert!(axis.folds.is_empty());
    }

    #[test]
    fn one_wait_alone_has_nothing_to_be_longer_than() {
        let axis = Axis::of(&[0, 86_400_000].map(|millis| point(millis, 0)), 0);
        assert!(axis.folds.is_empty());
    }

    #[test]
    fn texts_of_one_lane_do_not_run_into_each_other_and_those_of_two_lanes_may_stand_above_each_other() {
        let wide = |millis, lane| Point {
            right: 200,
            ..point(millis, lane)
        };
        let one = Axis::of(&[wide(0, 0), wide(1, 0)], 0);
        assert!(xs(&one)[1] - xs(&one)[0] > 200);
        let two = Axis::of(&[wide(0, 0), wide(1, 1)], 0);
        assert!(xs(&two)[1] - xs(&two)[0] < 200);
    }

    #[test]
    fn two_commits_of_one_moment_stand_beside_each_other() {
        let second = Point {
            nth: 1,
            ..point(5, 0)
        };
        let axis = Axis::of(&[point(5, 0), second], 0);
        let at = Timestamp::from_millis(5);
        assert!(axis.x(at, 1) > axis.x(at, 0));
    }

    #[test]
    fn nothing_has_an_axis_too() {
        let axis = Axis::of(&[], 10);
        assert!(axis.folds.is_empty() && axis.ticks().is_empty());
    }

    #[test]
    fn what_is_written_below_says_the_first_time_and_how_long_after_it_the_others_were() {
        let axis = Axis::of(&[point(1_000, 0), point(3_500, 1), point(8_000, 0)], 0);
        let texts: Vec<_> = axis.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["00:00:01.000", "+7.00 s"]);
    }
}
