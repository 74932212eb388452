//! The log lines of a test, as a set of fields each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// One line: its fields by name, the text under `message`.
pub type Line = BTreeMap<String, String>;

/// The lines from level `info` up, which is what functions log unless told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<Vec<Line>>>);

/// A subscriber that nobody uses. With a single one, tracing asks whichever thread comes first to a line
/// whether anybody wants it, and a test that does not capture would say no for all others.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

impl Logs {
    /// Takes down what this thread logs for as long as the guard lives.
    pub fn capture() -> (Self, DefaultGuard) {
        LazyLock::force(&ANOTHER);
        let logs = Self::default();
        let subscriber = tracing_subscriber::registry().with(logs.clone());
        (logs, tracing::subscriber::set_default(subscriber))
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines so far, which are forgotten.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lines about one message.
    pub fn of_message(&self, message_id: &str) -> Vec<Line> {
        let mut lines = self.lines();
        lines.retain(|line| line.get("message_id").is_some_and(|id| id == message_id));
        lines
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::INFO {
            return;
        }
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fields.0);
    }
}

struct Fields(Line);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
