//! Every sample is true: the function alone, on a stack of its own, does what follows and nothing else,
//! whatever goes wrong on the way.

use bundle::{Given, Sample};
use domain::guest_stay::{CheckInGuest, GuestCheckoutFailed};
use eventsourcing::Message;
use local::StackOptions;
use testkit::sampled::{Treatment, problems, problems_of};

fn options() -> StackOptions {
    testkit::running::options(functions::bundle())
}

async fn play(treatment: Treatment) {
    let problems = problems(&options(), treatment).await;
    assert!(
        problems.is_empty(),
        "functions/src/samples.rs:\n{}",
        problems.join("\n")
    );
}

#[tokio::test(start_paused = true)]
async fn what_follows_in_a_sample_happens_and_nothing_else() {
    play(Treatment::None).await;
}

#[tokio::test(start_paused = true)]
async fn the_event_in_a_samples_file_does_the_same() {
    play(Treatment::Invoked).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_comes_twice_amounts_to_the_same() {
    play(Treatment::Twice).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_whose_first_invocation_fails_amounts_to_the_same() {
    play(Treatment::FailsOnce).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_of_which_every_call_fails_at_first_amounts_to_the_same() {
    play(Treatment::CallsFail).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_on_which_the_function_fails_for_ever_is_done_after_a_redrive() {
    play(Treatment::FailsForEver).await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_comes_early_waits_for_its_time() {
    play(Treatment::Early).await;
}

/// Says that a guest who checks in can't check out, and that a group hears of it.
fn wrong() -> Sample {
    let guest_stay_id = "sample-wrong".parse().expect("an id");
    Given::nothing()
        .command(&CheckInGuest { guest_stay_id })
        .records(&[GuestCheckoutFailed::TYPE])
        .sends(&["RecordGuestCheckout"])
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_is_wrong_is_noticed() {
    let options = options();
    let functions = functions::bundle().registry.functions;
    let function = functions
        .into_iter()
        .find(|function| function.name == "check-in-guest");
    let function = function.expect("it is a function").sample(wrong);
    assert_eq!(
        problems_of(&options, &function, Treatment::None).await,
        [
            r#"check-in-guest-2: recorded: expected {"guestStay-sample-wrong": ["GuestCheckoutFailed"]}, found {"guestStay-sample-wrong": ["GuestCheckedIn"]}"#,
            r#"check-in-guest-2: sent: expected {"record-guest-checkout": 1}, found {}"#,
        ]
    );
}
