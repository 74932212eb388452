//! What keeps a stack from putting its events on a bus that is not there.

use crate::intrinsics::reference;
use crate::parameters::{EVENT_BUS, WITH_EVENT_BUS};
use crate::yaml::{Map, Yaml};

/// A rule that never fires. `EventBridge` takes events for a bus that is not there, says nothing, and they are gone; but
/// no rule can be made there, and a bus that has one can't be deleted.
pub(crate) fn guard() -> Map {
    let pattern = Map::new().with("source", Yaml::List(vec![reference("AWS::StackName")]));
    let properties = Map::new()
        .with(
            "Description",
            "It is off, and has no target: that it is there shows that its bus is.",
        )
        .with("EventBusName", reference(EVENT_BUS))
        .with("EventPattern", pattern)
        .with("State", "DISABLED");
    Map::new()
        .with("Type", "AWS::Events::Rule")
        .with("Condition", WITH_EVENT_BUS)
        .with("Properties", properties)
}
