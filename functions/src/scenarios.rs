//! What can be played of this business, as data: [`DEMO`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`orders`] | a cart, what happens to it, and how its order has to end |
//! | [`groups`] | a group of guests, and how its checkout has to end |
//! | [`ids`] | the ids of a scenario's own |
//! | [`large_group`] | a group of as many guests as somebody asks for |

pub mod groups;
pub mod ids;
pub mod large_group;
pub mod orders;

use bundle::Demo;
use bundle::scenario::Scenario;

pub use groups::{GroupScenario, group_scenarios};
pub use ids::Ids;
pub use orders::{OrderScenario, order_scenarios};

/// Every scenario, carts of somebody's own, and large groups.
pub const DEMO: Demo = Demo {
    scenarios,
    own: Some(orders::OWN_CARTS),
    load: Some(large_group::LARGE_GROUP),
};

fn scenarios(again: &str) -> Vec<Scenario> {
    let orders = order_scenarios().into_iter();
    let orders = orders.map(|one| one.again(again).scenario());
    let groups = group_scenarios().into_iter();
    let groups = groups.map(|one| one.again(again).scenario());
    orders.chain(groups).collect()
}
