//! What things are called inside the template: an id for each resource, from its kebab-case name.

use aws_adapters::{pascal_case, source_queue};

/// The role of a function.
pub(crate) fn role(function: &str) -> String {
    pascal_case(function) + "Role"
}

/// The log group of a function.
pub(crate) fn log_group(function: &str) -> String {
    pascal_case(function) + "Logs"
}

/// A queue, by its name in the stack: a dead-letter queue too.
pub(crate) fn queue(name: &str) -> String {
    match source_queue(name) {
        Some(of) => dead_letter_queue(of),
        None => pascal_case(name) + "Queue",
    }
}

/// The dead-letter queue of a queue.
pub(crate) fn dead_letter_queue(name: &str) -> String {
    pascal_case(name) + "DeadLetterQueue"
}

/// The table of a view.
pub(crate) fn view_table(view: &str) -> String {
    pascal_case(view) + "Table"
}

/// The event table.
pub(crate) const EVENTS_TABLE: &str = "EventsTable";
/// The table of events that the relay could not deliver.
pub(crate) const OUTBOX_TABLE: &str = "OutboxTable";
/// The group of the deadlines' schedules.
pub(crate) const DEADLINE_SCHEDULES: &str = "DeadlineSchedules";
/// The role that schedules send as.
pub(crate) const SCHEDULER_ROLE: &str = "SchedulerRole";
/// The role of whoever moves messages out of dead-letter queues.
pub(crate) const OPERATOR_ROLE: &str = "OperatorRole";
/// What that role may do with views.
pub(crate) const OPERATOR_VIEWS: &str = "OperatorViewsPolicy";
/// The role of whoever looks and changes nothing.
pub(crate) const VIEWER_ROLE: &str = "ViewerRole";
/// What that role may do with views.
pub(crate) const VIEWER_VIEWS: &str = "ViewerViewsPolicy";
/// The rule that is on the event bus so that the bus has to be there.
pub(crate) const EVENT_BUS_GUARD: &str = "EventBusGuard";
