//! What a view shows when its events come late, doubled, shuffled or not at all: random deliveries of random stories.

use eventsourcing::{Commit, Decider, EventSet, Position, View, Viewed, assemble, computed_id};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::stored;
use crate::shop::now;

/// One delivery: of which event, and after which later commit its stream was read.
pub type Delivery = (Index, Index);

/// Deliveries in any order: an event may come several times, and one that does not come is lost.
pub fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    proptest::collection::vec(any::<Delivery>(), 0..12)
}

/// What the table shows when the view's function has dealt with the deliveries, and with the newest event that the
/// view listens to, which is the next that makes a lost one good; and what the whole stream amounts to. Nothing if the
/// stream holds no event that the view listens to.
pub fn shown<V: View>(
    recorded: &[Vec<<V::Source as Decider>::Event>],
    deliveries: &[Delivery],
) -> Option<(Viewed, Viewed)> {
    let rows = rows::<V>(recorded);
    let is_heard = |events: &Vec<<V::Source as Decider>::Event>| {
        events
            .iter()
            .any(|event| V::LISTENS.contains(&event.event_type()))
    };
    let heard = recorded.iter().zip(0..).filter(|(events, _)| is_heard(events));
    let heard: Vec<usize> = heard.map(|(_, place)| place).collect();
    let newest = *heard.last()?;
    let read = |(which, later): &Delivery| {
        let place = *which.get(&heard);
        place + later.index(rows.len() - place)
    };
    let mut table: Option<Viewed> = None;
    for read in deliveries.iter().map(read).chain([newest]) {
        let Some(row) = &rows[read] else {
            continue;
        };
        // As the table has it: a row that is put gives way to one that knows as much.
        if table.as_ref().is_none_or(|stands| stands.revision < row.revision) {
            table = Some(row.clone());
        }
    }
    table.zip(rows.into_iter().next_back()?)
}

/// The row after each commit.
fn rows<V: View>(recorded: &[Vec<<V::Source as Decider>::Event>]) -> Vec<Option<Viewed>> {
    let stream = V::Source::CATEGORY.stream(&"story");
    let mut commits: Vec<Commit> = Vec::new();
    let rows = recorded.iter().map(|events| {
        let position = commits.last().map_or(Position::START, Commit::end);
        let commit_id = computed_id(&format!("commit/{}", commits.len()));
        let events = events.iter().map(stored).collect();
        commits.push(Commit::at(position, &stream, commit_id, now(), events));
        let stream = assemble(&stream, commits.clone()).expect("the commits tile the stream");
        Viewed::of::<V>(&stream).expect("what is stored can be read")
    });
    rows.collect()
}
