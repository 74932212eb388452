//! What the console of a stack on this machine can do with it.

use std::io;
use std::sync::Arc;

use ops::console::{Console, LocalStack};

use crate::Stack;

/// The console of a stack, which looks at it through its port as any other client does.
pub(crate) fn console(stack: &Stack) -> io::Result<Console> {
    let bench = Arc::new(Bench {});
    Console::of_local_stack(
        stack.shared_bundle(),
        stack.names().stack(),
        stack.environment(),
        bench,
    )
}

/// A stack on this machine.
struct Bench {}

impl LocalStack for Bench {}
