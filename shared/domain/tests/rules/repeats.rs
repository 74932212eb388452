//! Random stories: whatever comes in whatever order, a command that was carried out once is a no-op from then on. The
//! commands that stories are made of, and what else has to be true of them, stand with each rule's other tests.

use eventsourcing::{CommandSet, Decider, Decision, EventSet, Text, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::grammar::grammar;
use crate::shop::{due_at, now};

/// What was decided in a story, one entry for each command that recorded something.
pub type Recorded<D> = Vec<Vec<<D as Decider>::Event>>;

/// Plays the commands one after the other, each at its time. After each, every command that has been
/// carried out must be a no-op, at any time.
pub fn play<D>(story: Vec<(D::Command, Timestamp)>) -> Recorded<D>
where
    D: Decider<Event: PartialEq, Settings: Default>,
{
    let mut state = D::State::default();
    let mut carried_out: Vec<D::Command> = Vec::new();
    let mut recorded = Vec::new();
    for (command, at) in story {
        if let Ok(Decision::Record(events)) = D::decide(&state, &command, &D::Settings::default(), at) {
            assert!(!events.is_empty(), "{command:?} records nothing and says it does");
            state = events.iter().fold(state, D::evolve);
            recorded.push(events);
            carried_out.push(command);
        }
        for done in &carried_out {
            for at in [now(), due_at()] {
                assert_eq!(
                    D::decide(&state, done, &D::Settings::default(), at),
                    Ok(Decision::Nothing),
                    "{done:?} again, in {state:?}"
                );
            }
        }
    }
    keeps_to_the_grammar::<D>(&recorded);
    recorded
}

/// Each event comes in a state in which its grammar has it.
pub fn keeps_to_the_grammar<D: Decider>(recorded: &[Vec<D::Event>]) {
    let category = D::CATEGORY.name();
    let (grammar, _) = grammar(category).unwrap_or_else(|| panic!("{PLACE} has no grammar of {category}"));
    let mut state = "";
    for event in recorded.iter().flatten().map(EventSet::event_type) {
        let mut rows = grammar
            .iter()
            .filter(|(from, kind, _)| (*from, *kind) == (state, event));
        let Some((_, _, next)) = rows.next() else {
            panic!(
                "{PLACE} has no row (\"{state}\", \"{event}\", …), and the rules of {category} record it there"
            );
        };
        state = next;
    }
}

const PLACE: &str = "shared/domain/tests/rules/grammar.rs";

/// Commands out of a few, each now or when deadlines are due. Each command of the rules has to be among them.
pub fn story<C: CommandSet>(commands: Vec<C>) -> impl Strategy<Value = Vec<(C, Timestamp)>> {
    let shown: Vec<_> = commands.iter().map(|command| format!("{command:?}")).collect();
    for name in C::TYPES {
        let is_drawn = shown.iter().any(|shown| shown.starts_with(&format!("{name}(")));
        assert!(
            is_drawn,
            "no story has {name}: add it to `commands()` in its file in shared/domain/tests/rules"
        );
    }
    proptest::collection::vec((select(commands), select(vec![now(), due_at()])), 0..24)
}

/// Reasons that people and gateways give.
pub fn texts() -> [Text; 3] {
    ["card declined".into(), "out of stock".into(), "timed out".into()]
}

/// Once a deadline decides on nothing, it does so for ever: that is what lets it be decided on a read
/// that lacks the newest commits.
pub fn a_deadline_gives_up_for_good<D>(story: Vec<(D::Command, Timestamp)>, deadline: &D::Command)
where
    D: Decider<Event: PartialEq, Settings: Default>,
{
    let mut state = D::State::default();
    let mut gave_up = false;
    for (command, at) in story {
        if let Ok(Decision::Record(events)) = D::decide(&state, &command, &D::Settings::default(), at) {
            state = events.iter().fold(state, D::evolve);
        }
        let gives_up_at =
            |at| D::decide(&state, deadline, &D::Settings::default(), at) == Ok(Decision::Nothing);
        let gives_up = gives_up_at(due_at());
        assert!(
            gives_up || !gave_up,
            "{deadline:?} gave up before and does not in {state:?}"
        );
        assert_eq!(gives_up, gives_up_at(now()), "early or not");
        gave_up = gives_up;
    }
}

pub fn count<E>(recorded: &[Vec<E>], is: impl Fn(&E) -> bool) -> usize {
    recorded.iter().flatten().filter(|event| is(event)).count()
}
