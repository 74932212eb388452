//! What the model checks of orders and of groups have in common: a bundle as a system of values. A check
//! adds its world, its rules and its properties.
//!
//! | module | what it is |
//! | --- | --- |
//! | `letter` | a message as it lies on a queue |
//! | `bag` | values, each as often as it is there |
//! | `deciding` | what a command function and a step do with a message, by whatever rules |
//! | `system` | the table, the queues, functions between load and append, and a relay |
//! | `sights` | what every check has to reach, so that its result means something |
//! | `run` | exploring a world, and finding what a wrong rule breaks |

pub mod bag;
#[macro_use]
pub mod deciding;
pub mod letter;
pub mod run;
pub mod sights;
pub mod system;
