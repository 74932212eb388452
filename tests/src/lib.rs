//! What the tests of a whole bundle share: a stack to ask questions of, things that go wrong with its calls,
//! and what has to hold of every bundle, whatever its business.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`running`] | a local stack on a clock that moves by itself, with a record of its functions' calls |
//! | [`invariants`] | what has to be true of all streams, queues and the outbox of a bundle at rest |
//! | [`weather`] | what goes wrong between functions and services, by rule or by seed |
//! | [`storm`] | everything goes wrong at once, over a whole bundle |
//! | [`tap`] | the same for a single client, on any HTTP client, a real socket's too |
//! | [`sampled`] | each function alone, played by its samples |
//! | [`agreement`] | whether readers and schemas of messages agree |
//! | [`malformed`] | all the ways in which a message can be wrong, and that each is refused |
//! | [`fuzz`] | nonsense on every queue of a bundle |
//! | [`instance`] | one function by itself, invoked with whatever a test likes |
//! | [`nonsense`] | arbitrary and damaged messages, by seed |
//! | [`retries`] | after which delays messages come again |
//! | [`logs`] | the log lines of a test |
//! | [`database`] | the database of a stack, asked past all code |
//! | [`program`] | a built program, run as a process |
//! | [`browser`] | a browser without a screen or script, for the console's pages |
//! | [`stub`] | a service that answers as a test says, for those that the local stack has none of |
//! | [`prices`] | AWS's list prices, in one place |

pub mod agreement;
pub mod browser;
pub mod database;
pub mod fuzz;
pub mod instance;
pub mod invariants;
pub mod logs;
pub mod malformed;
pub mod nonsense;
pub mod prices;
pub mod program;
pub mod retries;
pub mod running;
pub mod sampled;
pub mod storm;
pub mod stub;
pub mod tap;
pub mod weather;

/// A number from the environment, for runs that are larger than usual.
pub fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("it is a number"))
}
