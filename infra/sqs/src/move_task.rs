//! A message move task, as its queue remembers it.

/// A message move task, which ended when it began.
#[derive(Clone, Debug)]
pub(crate) struct MoveTask {
    pub(crate) handle: String,
    pub(crate) source_arn: String,
    pub(crate) destination_arn: Option<String>,
    pub(crate) max_messages_per_second: Option<i64>,
    pub(crate) to_move: usize,
    pub(crate) moved: usize,
    pub(crate) failure: Option<&'static str>,
    pub(crate) started_ms: u64,
}
