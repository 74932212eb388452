//! What an alarm's expression amounts to: as much of `CloudWatch`'s metric math as alarms here use.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>

use std::collections::BTreeMap;

/// A point for each period; none where there is no data.
pub(crate) type Series = Vec<Option<f64>>;

/// What FILL gives a value to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Periods without data of a series that has some.
    WhatHasData,
    /// Periods of any series.
    Everything,
}

/// What an expression is worth in each period.
pub(crate) fn combined(expression: &str, metrics: &BTreeMap<String, Series>, filling: Filling) -> Series {
    let mut reader = Reader {
        left: expression,
        metrics,
        filling,
    };
    let value = reader.either();
    assert!(
        reader.left.trim().is_empty(),
        "{expression} goes on after its end"
    );
    value.one()
}

/// One series, several, or a number.
#[derive(Clone, Debug)]
enum Worth {
    Several(Vec<Series>),
    One(Series),
    Number(f64),
}

impl Worth {
    fn one(self) -> Series {
        match self {
            Self::One(series) => series,
            other => panic!("{other:?} is not one series"),
        }
    }

    fn several(self) -> Vec<Series> {
        match self {
            Self::Several(series) => series,
            Self::One(series) => vec![series],
            Self::Number(number) => panic!("{number} is no series"),
        }
    }

    /// Two of them, period by period. Where one has no data there is none.
    fn with(&self, other: &Self, of: impl Fn(f64, f64) -> f64) -> Self {
        let periods = match (self, other) {
            (Self::One(series), _) | (_, Self::One(series)) => series.len(),
            _ => panic!("{self:?} and {other:?} have no periods"),
        };
        let at = |worth: &Self, period: usize| match worth {
            Self::Number(number) => Some(*number),
            Self::One(series) => series[period],
            Self::Several(_) => panic!("several series are no operand"),
        };
        let point = |period| Some(of(at(self, period)?, at(other, period)?));
        Self::One((0..periods).map(point).collect())
    }
}

struct Reader<'a> {
    left: &'a str,
    metrics: &'a BTreeMap<String, Series>,
    filling: Filling,
}

impl Reader<'_> {
    fn takes(&mut self, token: &str) -> bool {
        let rest = self.left.trim_start().strip_prefix(token);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    fn expects(&mut self, token: &str) {
        assert!(self.takes(token), "{token} is expected before {:?}", self.left);
    }

    fn word(&mut self) -> String {
        let left = self.left.trim_start();
        let end = left.find(|letter: char| !letter.is_ascii_alphanumeric());
        let (word, rest) = left.split_at(end.unwrap_or(left.len()));
        self.left = rest;
        word.to_owned()
    }

    /// Comparisons, joined by AND.
    fn either(&mut self) -> Worth {
        let mut worth = self.compared();
        while self.takes("AND") {
            let other = self.compared();
            worth = worth.with(&other, |a, b| f64::from(u8::from(a != 0.0 && b != 0.0)));
        }
        worth
    }

    fn compared(&mut self) -> Worth {
        let worth = self.product();
        if self.takes("<") {
            let other = self.single();
            return worth.with(&other, |a, b| f64::from(u8::from(a < b)));
        }
        if self.takes(">") {
            let other = self.single();
            return worth.with(&other, |a, b| f64::from(u8::from(a > b)));
        }
        worth
    }

    fn product(&mut self) -> Worth {
        let worth = self.single();
        if self.takes("*") {
            let other = self.single();
            return worth.with(&other, |a, b| a * b);
        }
        worth
    }

    /// What stands between brackets.
    fn several(&mut self) -> Worth {
        let mut all = Vec::new();
        loop {
            all.extend(self.either().several());
            if self.takes("]") {
                return Worth::Several(all);
            }
            self.expects(",");
        }
    }

    fn single(&mut self) -> Worth {
        if self.takes("[") {
            return self.several();
        }
        let word = self.word();
        if let Ok(number) = word.parse() {
            return Worth::Number(number);
        }
        if let Some(series) = self.metrics.get(&word) {
            return Worth::One(series.clone());
        }
        self.expects("(");
        let worth = match word.as_str() {
            "METRICS" => Worth::Several(self.metrics.values().cloned().collect()),
            "SUM" => folded(&self.either().several(), |a, b| a + b),
            "MAX" => folded(&self.either().several(), f64::max),
            "FILL" => self.filled(),
            "IF" => {
                let condition = self.either();
                self.expects(",");
                let then = self.single();
                self.expects(",");
                let otherwise = self.single();
                let (Worth::Number(then), Worth::Number(otherwise)) = (then, otherwise) else {
                    panic!("IF chooses among numbers");
                };
                let chosen = |holds: f64, _| if holds == 0.0 { otherwise } else { then };
                condition.with(&Worth::Number(0.0), chosen)
            }
            other => panic!("nobody evaluates {other}"),
        };
        self.expects(")");
        worth
    }

    fn filled(&mut self) -> Worth {
        let worth = self.either();
        self.expects(",");
        let with = self.word();
        let fill = |series: Series| {
            if self.filling == Filling::WhatHasData && series.iter().all(Option::is_none) {
                return series;
            }
            let mut last = None;
            let filled = series.iter().map(|point| {
                last = point.or(last);
                point.or_else(|| if with == "REPEAT" { last } else { with.parse().ok() })
            });
            filled.collect::<Series>()
        };
        match worth {
            Worth::Several(all) => Worth::Several(all.into_iter().map(fill).collect()),
            Worth::One(series) => Worth::One(fill(series)),
            Worth::Number(number) => panic!("{number} has nothing to fill"),
        }
    }
}

/// All series in one, period by period. What has no data does not count.
fn folded(all: &[Series], of: impl Fn(f64, f64) -> f64) -> Worth {
    let periods = all.first().map_or(0, Vec::len);
    let point = |period: usize| {
        let there = all.iter().filter_map(|series| series[period]);
        there.reduce(&of)
    };
    Worth::One((0..periods).map(point).collect())
}
