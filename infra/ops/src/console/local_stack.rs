//! What only a stack on this machine can do, told to the console by the process that runs it.

/// A stack that runs in this process.
pub trait LocalStack: Send + Sync {}
