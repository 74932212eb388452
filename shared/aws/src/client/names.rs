//! What things are called in a stack, and on which queue a message travels.

use crate::client::environment::unexpected;

/// The longest name of a stack: with it the longest name of a queue has the 80 characters that SQS allows.
const LONGEST_STACK_NAME: usize = 40;

/// What is wrong with a stack's name, if anything is: it has to be one that `CloudFormation` takes, short
/// enough for the names of its queues.
pub fn stack_name_problem(name: &str) -> Option<String> {
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if let Some(problem) = unexpected(name, |c| c.is_ascii_alphanumeric() || c == '-') {
        problem
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "does not begin with a letter".to_owned()
    } else if name.len() > LONGEST_STACK_NAME {
        format!("has {} characters", name.len())
    } else {
        return None;
    };
    Some(problem)
}

/// The names of one stack's queues, tables and functions.
///
/// Names are made here and compared whole. What a stack's name would leave of another name says nothing: a
/// stack called `lend` has a queue `lend-lend-book`, and `lend-book` is what people
/// call that queue.
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

    /// What the name of every queue, function and table of the stack begins with: `shop-`.
    pub fn prefix(&self) -> String {
        format!("{}-", self.stack)
    }

    /// The dead-letter queue of a queue.
    pub fn dead_letter_queue(&self, name: &str) -> String {
        self.of_function(&dead_letter_queue(name))
    }

    /// Those of `queues` that `given` names: a queue or its dead-letter queue, with or without the stack's
    /// name, or a queue by the type of its messages. More than one if one queue's name without the stack's
    /// is another's with it.
    pub fn meant<'q>(&self, given: &str, queues: impl IntoIterator<Item = &'q str>) -> Vec<&'q str> {
        let is_type = given.starts_with(|first: char| first.is_ascii_uppercase())
            && given.chars().all(|letter| letter.is_ascii_alphanumeric());
        let of_type = is_type.then(|| kebab_case(given));
        let is_meant = |queue: &str| {
            of_type.as_deref() == Some(queue)
                || given == queue
                || given == dead_letter_queue(queue)
                || given == self.of_function(queue)
                || given == self.dead_letter_queue(queue)
        };
        queues.into_iter().filter(|queue| is_meant(queue)).collect()
    }

    /// What the URLs of the stack's queues begin with, up to and including its name and a dash, if `url` is
    /// that of the queue called `name`.
    pub fn queue_url_prefix(&self, url: &str, name: &str) -> Option<String> {
        let before = url.strip_suffix(&self.of_function(name))?;
        before
            .ends_with('/')
            .then(|| format!("{before}{}", self.prefix()))
    }

    /// The event table.
    pub fn events_table(&self) -> String {
        format!("{}-events", self.stack)
    }

    /// The table of a view, by the view's name.
    pub fn view_table(&self, name: &str) -> String {
        format!("{}-{name}", self.stack)
    }

    /// The table of events that the relay could not deliver.
    pub fn outbox_table(&self) -> String {
        format!("{}-outbox", self.stack)
    }
}

/// What follows the name of a queue in that of its dead-letter queue.
const DEAD_LETTERS: &str = "-dlq";

/// The dead-letter queue of a queue, both without the stack's name.
pub fn dead_letter_queue(queue: &str) -> String {
    format!("{queue}{DEAD_LETTERS}")
}

/// The queue whose dead-letter queue is called `name`, both without the stack's name; none if `name` is no
/// dead-letter queue's.
pub fn source_queue(name: &str) -> Option<&str> {
    name.strip_suffix(DEAD_LETTERS)
}

/// The kebab-case of a message's type, which names its queue: `lend-book` of `LendBook`.
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

/// The type of the message that a queue takes, by the queue's name; the id of its function in the template:
/// `LendBook` of `lend-book`.
pub fn pascal_case(name: &str) -> String {
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capitalized).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_after_the_message_it_takes() {
        assert_eq!(
            Names::of("local").of_function(&kebab_case("LendBook")),
            "local-lend-book"
        );
        assert_eq!(kebab_case("RemindMember"), "remind-member");
        assert_eq!(pascal_case("remind-member"), "RemindMember");
    }
    const QUEUES: [&str; 3] = ["lend-book", "book", "book-desk"];

    #[test]
    fn a_queue_is_found_by_each_of_its_names_whatever_the_stack_is_called() {
        for stack in ["local", "lend-x", "book", "book-desk", "shop-dlq", "Shop", "s"] {
            let names = Names::of(stack);
            for queue in QUEUES {
                let of_queue = [
                    queue.to_owned(),
                    dead_letter_queue(queue),
                    names.of_function(queue),
                    names.dead_letter_queue(queue),
                ];
                for given in of_queue {
                    assert_eq!(names.meant(&given, QUEUES), [queue], "{given} of stack {stack}");
                }
            }
            assert_eq!(names.meant("LendBook", QUEUES), ["lend-book"]);
            for other in ["desk", "lend", "", "-dlq", "Lend-book", "other-book"] {
                assert_eq!(names.meant(other, QUEUES), [""; 0], "{other} of stack {stack}");
            }
        }
    }

    #[test]
    fn a_name_that_is_one_queues_without_the_stacks_and_anothers_with_it_names_both() {
        let names = Names::of("lend");
        assert_eq!(names.meant("lend-book", QUEUES), ["lend-book", "book"]);
        assert_eq!(names.meant("lend-book-desk", QUEUES), ["book-desk"]);
        assert_eq!(names.meant("lend-lend-book", QUEUES), ["lend-book"]);
    }

    #[test]
    fn urls_of_queues_begin_alike_whatever_the_stack_is_called() {
        for stack in ["local", "lend", "shop-dlq"] {
            let names = Names::of(stack);
            let url = format!("http://127.0.0.1:4566/0/{stack}-lend-book");
            assert_eq!(
                names.queue_url_prefix(&url, "lend-book"),
                Some(format!("http://127.0.0.1:4566/0/{stack}-"))
            );
            let other = format!("http://127.0.0.1:4566/0/x-{stack}-lend-book");
            assert_eq!(names.queue_url_prefix(&other, "lend-book"), None);
        }
    }

    #[test]
    fn a_dead_letter_queue_and_its_queue_name_each_other() {
        assert_eq!(source_queue(&dead_letter_queue("book")), Some("book"));
        assert_eq!(source_queue("book"), None);
    }
}
