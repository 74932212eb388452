//! What every check has to reach, so that its result means something.

use std::collections::BTreeSet;

use stateright::Property;

use super::system::{Business, State, System, Worker};

/// Two workers want the same place.
pub const CONFLICT: &str = "an append meets a commit in its place";
/// A message is delivered again.
pub const REPEATED: &str = "a message is delivered and yet kept";
/// One commit for two commands.
pub const COALESCED: &str = "one commit holds what two commands decided";
/// From a person, whoever it is.
pub const REFUSED: &str = "a command from outside is refused";

/// Each of them as a property.
pub fn all<B: Business>() -> Vec<Property<System<B>>> {
    vec![
        Property::sometimes(CONFLICT, |_, state: &State<B::Own>| {
            let place = |worker: &Worker| (worker.commit.stream.clone(), worker.commit.revision);
            let mut workers = state.workers.0.iter();
            workers.any(|worker| state.table.contains_key(&place(worker)))
        }),
        Property::sometimes(REPEATED, |model: &System<B>, state: &State<B::Own>| {
            state.repeats < model.business.repeats()
        }),
        Property::sometimes(COALESCED, |_, state: &State<B::Own>| {
            let is_shared = |worker: &Worker| {
                let events = worker.commit.events.iter();
                let commands: BTreeSet<_> = events.map(|event| &event.causation_id).collect();
                commands.len() > 1
            };
            state.workers.0.iter().any(is_shared)
        }),
        Property::sometimes(REFUSED, |_, state: &State<B::Own>| !state.refused.is_empty()),
    ]
}
