//! A view function: shows what the streams of its events amount to.
//!
//! Events of one batch that are in the same stream become one load and one write. An event whose row knows it
//! already costs a load and a refused write: repeats are rare, and a row need not be read to be right.

use std::marker::PhantomData;
use std::sync::Arc;

use eventsourcing::{Announced, Clock, Decider, EventStore, LoadError, Read, Stream, StreamId, View, Viewed};
use futures::FutureExt;

use crate::delivery::refusal::RefusalCode;
use crate::function::figures;
use crate::function::metrics::Metrics;
use crate::function::queue_function::{
    BatchHandler, Identity, Invocation, Piece, QueueRecord, Verdict, grouped,
};
use crate::store::view_table::{Put, Replacing, ViewTable};

/// Handles the events that view `V` listens to.
pub struct ViewFunction<V: View> {
    store: Arc<dyn EventStore>,
    table: ViewTable,
    clock: Arc<dyn Clock>,
    view: PhantomData<fn() -> V>,
}

/// An event of a batch, by its place there.
struct Heard {
    place: usize,
    revision: u64,
    identity: Identity,
}

impl<V: View> ViewFunction<V> {
    /// A function that reads streams from `store` and shows them in `table`.
    pub fn new(store: Arc<dyn EventStore>, table: ViewTable, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            table,
            clock,
            view: PhantomData,
        }
    }

    /// Shows one stream, as far as the newest of these events at least; those that it does not hold yet wait.
    async fn show(
        &self,
        stream: StreamId,
        heard: Vec<Heard>,
    ) -> (Vec<(usize, Option<Identity>, Verdict)>, Metrics) {
        let newest = heard.iter().map(|event| event.revision).max().unwrap_or(0);
        let mut metrics = Metrics::default();
        let shown = match self.load(&stream, newest).await {
            Ok(loaded) => {
                let put = self.put(&loaded, &mut metrics).await;
                put.map(|verdict| (loaded, verdict))
            }
            Err(failure) => Err(failure),
        };
        let verdict = |revision| match &shown {
            Ok((loaded, verdict)) if loaded.position().covers(revision) => verdict.clone(),
            Ok(_) => Verdict::Waits(format!("stream {stream} does not reach revision {revision} yet")),
            Err(why) => Verdict::Failed(why.clone()),
        };
        let verdicts = heard
            .into_iter()
            .map(|event| (event.place, Some(event.identity), verdict(event.revision)));
        (verdicts.collect(), metrics)
    }

    /// The stream, at that revision or after it if there is such. A cheap read shows it nearly always; one that lags
    /// behind is read again, consistently.
    async fn load(&self, stream: &StreamId, revision: u64) -> Result<Stream, String> {
        match self.store.load(stream, Read::Eventual).await {
            Ok(loaded) if loaded.position().covers(revision) => return Ok(loaded),
            Ok(_) | Err(LoadError::Broken(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        let loaded = self.store.load(stream, Read::Consistent).await;
        loaded.map_err(|error| error.to_string())
    }

    async fn put(&self, stream: &Stream, metrics: &mut Metrics) -> Result<Verdict, String> {
        let viewed = Viewed::of::<V>(stream).map_err(|fault| fault.to_string())?;
        let Some(viewed) = viewed else {
            return Ok(Verdict::Done("nothing to show"));
        };
        match self.table.put(&viewed, Replacing::Older).await {
            Ok(Put::Shown(before)) => {
                let stored = stream.commits().last().map(|commit| commit.committed_at);
                let behind = stored.map(|stored| self.clock.now().since(stored));
                figures::tell::<V>(metrics, before.as_ref(), &viewed, behind);
                Ok(Verdict::Done("shown"))
            }
            Ok(Put::Known) => Ok(Verdict::Done("known")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl<V: View> BatchHandler for ViewFunction<V> {
    fn message_type(&self) -> &'static str {
        V::NAME
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], _: Invocation) -> Vec<Piece<'a>> {
        let now = self.clock.now();
        let mut heard = Vec::new();
        let mut refused = Vec::new();
        for (place, record) in records.iter().enumerate() {
            match Announced::read::<<V::Source as Decider>::Event>(&record.body, V::LISTENS, now) {
                Ok(event) => heard.push((
                    event.stream,
                    Heard {
                        place,
                        revision: event.revision,
                        identity: Identity {
                            id: event.id,
                            correlation_id: event.metadata.correlation_id,
                        },
                    },
                )),
                Err(error) => refused.push((
                    place,
                    None,
                    Verdict::Refused(RefusalCode::Malformed, error.to_string()),
                )),
            }
        }
        let mut pieces: Vec<Piece<'a>> = grouped(heard)
            .into_iter()
            .map(|(stream, heard)| self.show(stream, heard).boxed())
            .collect();
        if !refused.is_empty() {
            pieces.push(async move { (refused, Metrics::default()) }.boxed());
        }
        pieces
    }
}
