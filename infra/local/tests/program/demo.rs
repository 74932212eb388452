//! The demo plays whatever business it is given.

use std::sync::Arc;
use std::time::Duration;

use bundle::scenario::{Ending, Holds};
use eventsourcing::SettingValues;
use local::demo::{self, Program};

/// A loan of an hour: its deadline is a schedule, which fires by the moved clock.
fn settings() -> SettingValues {
    SettingValues::default().with(&library::loan::LOAN_SECONDS, Duration::from_hours(1))
}

#[test]
fn the_scenarios_of_another_business_are_played_to_their_ends() {
    let bundle = Arc::new(library::bundle());
    assert!(!bundle.scenarios("").is_empty());
    let right = demo::run(bundle, &Program::Scenarios, settings());
    assert!(right.expect("the demo can be played"));
}

#[test]
fn a_scenario_that_ends_otherwise_than_it_has_to_is_told_and_fails_the_demo() {
    let mut bundle = library::bundle();
    bundle.demo.scenarios = |_| {
        let mut scenarios = (library::scenarios::DEMO.scenarios)("");
        for scenario in &mut scenarios {
            let stream = scenario.streams[0].clone();
            scenario.endings = vec![Ending::default().with(&stream, Holds::InOrder(vec!["BookReturned"]))];
        }
        scenarios
    };
    let right = demo::run(Arc::new(bundle), &Program::Scenarios, settings());
    assert!(!right.expect("the demo can be played"));
}
