//! Log lines as flat JSON objects on standard output, one per event, with no payload in them: only
//! ids, types, counts and reasons.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. `AWS_LAMBDA_LOG_LEVEL` (Lambda's own setting), else `RUST_LOG`, says from which
/// level on; `info` if neither does, or if what it says can't be read.
pub fn init_logging() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| std::env::var("RUST_LOG"));
    let lines = json_lines(&level.unwrap_or_default(), std::io::stdout);
    if lines.try_init().is_err() {
        tracing::debug!("logging had been set up before");
    }
    // What a panic says may quote what it was about.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place = place.unwrap_or_default(), "panicked");
    }));
}

/// `{"timestamp": …, "level": …, "message": …, <fields>}`: the names that `CloudWatch`'s JSON format of
/// Lambda's logs asks for, and the fields beside them, where a filter such as `{ $.outcome = "retried" }`
/// finds them.
fn json_lines<W>(level: &str, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level.to_lowercase())
        .ok()
        .filter(|filter| !filter.to_string().is_empty())
        .unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would tell of a line that can't be written with `eprintln!`, which panics where standard error
        // is closed too.
        .log_internal_errors(false)
        .json()
        .flatten_event(true)
        .with_target(false)
        // The runtime's span repeats what Lambda's own lines say of each invocation.
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use eventsourcing::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged at that level.
    fn logged(level: &str, log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(json_lines(level, move || writer.clone()), log);
        let bytes = written.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::str::from_utf8(&bytes).expect("lines are text");
        let line = |line| serde_json::from_str(line).expect("a line is JSON");
        text.lines().map(line).collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_its_time_and_level_and_nothing_of_the_span() {
        let lines = logged("", || {
            let span = tracing::info_span!("invocation", request_id = "r-1");
            let _entered = span.enter();
            let (id, count, error) = ("c-1", 3_u64, "a \"quoted\"\nword");
            tracing::warn!(
                id,
                r#type = "LendBook",
                count,
                is_last = true,
                error,
                "not handled"
            );
        });
        let [Value::Object(line)] = &lines[..] else {
            panic!("one line was expected, not {lines:?}");
        };
        let mut line = line.clone();
        let timestamp = line.remove("timestamp");
        let timestamp = timestamp.as_ref().and_then(Value::as_str).expect("it has a time");
        assert!(timestamp.parse::<Timestamp>().is_ok(), "RFC 3339: {timestamp}");
        let expected = json!({
            "level": "WARN", "message": "not handled", "id": "c-1", "type": "LendBook", "count": 3,
            "is_last": true, "error": "a \"quoted\"\nword",
        });
        assert_eq!(Value::Object(line), expected);
    }

    #[test]
    fn lines_below_the_level_are_left_out_and_a_level_that_can_not_be_read_is_info() {
        let levels = |level: &str| {
            let lines = logged(level, || {
                tracing::debug!("debug");
                tracing::info!("info");
                tracing::warn!("warn");
                tracing::error!("error");
            });
            lines.len()
        };
        let set = ["DEBUG", "Info", "warn", "error", "", "warn=loud", "off"];
        assert_eq!(set.map(levels), [4, 3, 2, 1, 3, 3, 0]);
    }
}
