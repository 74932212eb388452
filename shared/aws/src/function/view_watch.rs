//! Watches what is open: how many things are in each phase, for how long, and which should have ended.
//!
//! It reads the index of what is open, which costs what is open and not what ever was.

use std::sync::Arc;

use async_trait::async_trait;
use eventsourcing::{Clock, Timestamp};
use futures::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

use crate::function::figures::{OLDEST, OPEN, OVERDUE, OVERDUE_AFTER};
use crate::function::handler::Handler;
use crate::function::metrics::{Figure, FigureValue, Meter, MetricSink, Metrics};
use crate::store::view_reader::{PhaseCounts, ViewError, ViewReader};

/// The function that watches the views of a stack.
pub struct ViewWatch {
    views: Vec<(&'static str, ViewReader)>,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

impl ViewWatch {
    /// One called `name`, of these views, each with its name.
    pub fn new(
        name: &'static str,
        views: Vec<(&'static str, ViewReader)>,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            views,
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }
}

#[async_trait]
impl Handler for ViewWatch {
    async fn call(&self, _: LambdaEvent<Value>) -> Result<Value, Error> {
        let now = self.clock.now();
        let overdue_at = now.minus(OVERDUE_AFTER);
        let counted = self.views.iter().map(async |(view, reader)| {
            let counts = reader.count_open(None, overdue_at).await?;
            Ok::<_, ViewError>((*view, counts))
        });
        let mut metrics = Metrics::default();
        let (mut open, mut overdue, mut failed) = (0, 0, None);
        for counted in join_all(counted).await {
            match counted {
                Ok((view, counts)) => {
                    let of_view = tell(&mut metrics, view, &counts, now);
                    open += of_view.0;
                    overdue += of_view.1;
                }
                Err(error) => failed = Some(error),
            }
        }
        self.meter.emit(&metrics);
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(json!({ "open": open, "overdue": overdue })),
        }
    }
}

/// Tells what is open of a view, and answers how many are, and how many of them are overdue.
fn tell(metrics: &mut Metrics, view: &'static str, counts: &PhaseCounts, now: Timestamp) -> (u64, u64) {
    let (mut open, mut overdue) = (0, 0);
    for (phase, count) in counts.iter() {
        let mut of_phase = |name, value| {
            let of = Some(("phase", phase.to_owned()));
            metrics.tell(Figure { view, name, of }, value);
        };
        of_phase(OPEN, FigureValue::Level(count.rows));
        if let Some(oldest) = count.oldest {
            of_phase(OLDEST, FigureValue::Seconds(now.since(oldest).as_secs()));
        }
        open += count.rows;
        overdue += count.overdue;
    }
    if overdue > 0 {
        let name = OVERDUE;
        metrics.tell(Figure { view, name, of: None }, FigureValue::Level(overdue));
    }
    (open, overdue)
}
