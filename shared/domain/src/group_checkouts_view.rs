//! What became of a group's checkout: a row for each, made from the group's own stream.

use eventsourcing::{
    Column, ColumnKind, Figures, Index, ListedPhase, Listing, Message, OPEN_INDEX, OPEN_SHARD, Recorded, Row,
    Timestamp, View,
};

use crate::group_checkout::{
    GroupCheckout, GroupCheckoutCompleted, GroupCheckoutEvent, GroupCheckoutFailed,
    GroupCheckoutFailureNotified, GroupCheckoutInitiated, GroupCheckoutTimedOut, GuestCheckoutRecorded,
    GuestOutcome,
};

/// The view of groups, by group, and of those that are open.
#[derive(Clone, Copy, Debug)]
pub struct GroupCheckouts;

/// What is shown of a group.
#[derive(Debug, Default)]
pub struct Shown(Option<Known>);

#[derive(Debug)]
struct Known {
    correlation_id: String,
    guests: usize,
    completed: u64,
    failed: u64,
    initiated_at: Timestamp,
    due_at: Option<Timestamp>,
    ended: Option<(&'static str, Timestamp)>,
}

impl View for GroupCheckouts {
    type Source = GroupCheckout;
    type State = Shown;
    const NAME: &'static str = "group-checkouts";
    const KEY: &'static str = "group_checkout_id";
    // Not each guest's result: a group of 5,000 would be read 5,000 times. The counts of an open group are those at
    // its last failure.
    const LISTENS: &'static [&'static str] = &[
        GroupCheckoutInitiated::TYPE,
        GroupCheckoutFailureNotified::TYPE,
        GroupCheckoutCompleted::TYPE,
        GroupCheckoutFailed::TYPE,
        GroupCheckoutTimedOut::TYPE,
    ];
    const INDEXES: &'static [Index] = &[Index {
        name: OPEN_INDEX,
        partition: OPEN_SHARD,
        sort: "phase_since",
        holds: &["phase", "due_at", "guests", "completed_count", "failed_count"],
    }];
    const LISTING: Listing = Listing {
        command: "groups",
        one: "group",
        many: "groups",
        phases: &[
            ListedPhase::open("open"),
            ListedPhase::ended("completed"),
            ListedPhase::ended("failed"),
            ListedPhase::ended("timed_out"),
        ],
        columns: &[
            Column::new("phase", "phase", ColumnKind::Text),
            Column::new("since", "phase_since", ColumnKind::Age),
            Column::new("due", "due_at", ColumnKind::Due),
            Column::new("guests", "guests", ColumnKind::Number),
            Column::new("completed", "completed_count", ColumnKind::Number),
            Column::new("failed", "failed_count", ColumnKind::Number),
            Column::new("group", "group_checkout_id", ColumnKind::Text),
        ],
        payload: &[],
    };

    const FIGURES: Figures = Figures {
        began: "initiated_at",
        cause: None,
    };

    fn evolve(Shown(shown): Shown, event: &GroupCheckoutEvent, recorded: &Recorded<'_>) -> Shown {
        if let GroupCheckoutEvent::GroupCheckoutInitiated(initiated) = event {
            return Shown(Some(Known {
                correlation_id: recorded.correlation_id.to_owned(),
                guests: initiated.guest_stay_ids.len(),
                completed: 0,
                failed: 0,
                initiated_at: initiated.initiated_at,
                due_at: initiated.due_at,
                ended: None,
            }));
        }
        Shown(shown.map(|known| known.after(event)))
    }

    fn row(Shown(shown): &Shown) -> Option<Row> {
        let known = shown.as_ref()?;
        let row = Row::new()
            .text("correlation_id", &known.correlation_id)
            .number("guests", &known.guests)
            .number("completed_count", &known.completed)
            .number("failed_count", &known.failed)
            .text("initiated_at", &known.initiated_at);
        Some(match known.ended {
            None => row
                .text("phase", &"open")
                .text("phase_since", &known.initiated_at)
                .text_if("due_at", known.due_at.as_ref())
                .open(),
            Some((phase, at)) => row
                .text("phase", &phase)
                .text("phase_since", &at)
                .text("ended_at", &at),
        })
    }
}

impl Known {
    fn after(mut self, event: &GroupCheckoutEvent) -> Self {
        match event {
            GroupCheckoutEvent::GuestCheckoutRecorded(GuestCheckoutRecorded { outcome, .. }) => match outcome
            {
                GuestOutcome::Completed => self.completed += 1,
                GuestOutcome::Failed => self.failed += 1,
            },
            GroupCheckoutEvent::GroupCheckoutCompleted(end) => {
                self.ended = Some(("completed", end.completed_at));
            }
            GroupCheckoutEvent::GroupCheckoutFailed(end) => self.ended = Some(("failed", end.failed_at)),
            GroupCheckoutEvent::GroupCheckoutTimedOut(end) => {
                self.ended = Some(("timed_out", end.timed_out_at));
            }
            GroupCheckoutEvent::GroupCheckoutInitiated(_)
            | GroupCheckoutEvent::GroupCheckoutFailureNotified(_)
            | GroupCheckoutEvent::GuestCheckoutRecordedLate(_) => {}
        }
        self
    }
}
