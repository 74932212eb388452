//! What things are called in a stack, and on which queue a message travels.

/// The names of one stack's queues, tables and functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    stack: String,
}

impl Names {
    /// The names of the stack called `stack`.
    pub fn of(stack: impl Into<String>) -> Self {
        Self { stack: stack.into() }
    }

    /// The stack's own name.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// A queue or function, by its kebab-case name.
    pub fn of_function(&self, name: &str) -> String {
        format!("{}-{name}", self.stack)
    }

    /// The dead-letter queue of a queue.
    pub fn dead_letter_queue(&self, name: &str) -> String {
        format!("{}-{name}-dlq", self.stack)
    }

    /// The event table.
    pub fn events_table(&self) -> String {
        format!("{}-events", self.stack)
    }

    /// The table of events that the relay could not deliver.
    pub fn outbox_table(&self) -> String {
        format!("{}-outbox", self.stack)
    }
}

/// The kebab-case of a message's type, which names its queue: `finalize-cart` of `FinalizeCart`.
pub fn kebab_case(message_type: &str) -> String {
    let mut name = String::with_capacity(message_type.len() + 4);
    for (i, letter) in message_type.char_indices() {
        if letter.is_ascii_uppercase() && i > 0 {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_after_the_message_it_takes() {
        assert_eq!(
            Names::of("local").of_function(&kebab_case("FinalizeCart")),
            "local-finalize-cart"
        );
        assert_eq!(kebab_case("TimeOutPayment"), "time-out-payment");
    }
}
