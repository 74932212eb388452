//! What is measured the same way whatever is measured: processes, the machine, several rounds.

pub mod http;
pub mod machine;
pub mod process;
pub mod spread;
