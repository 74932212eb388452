//! What no function can understand: each function of the business gets all of it.

use bundle::Trigger;
use testkit::fuzz::on_every_queue;
use testkit::malformed::refuses_all;

use crate::options;

#[tokio::test(start_paused = true)]
async fn every_malformed_command_goes_to_the_dead_letter_queue_at_once_and_the_rest_of_its_batch_goes_on() {
    let options = options();
    let functions = options.bundle.registry.functions.iter();
    let mut refused = 0;
    for function in functions.filter(|function| matches!(function.trigger, Trigger::Commands(_))) {
        refused += refuses_all(&options, function).await;
    }
    assert!(refused > 500, "only {refused} messages were tried");
}

#[tokio::test(start_paused = true)]
async fn every_malformed_event_goes_to_the_dead_letter_queue_at_once_and_the_rest_of_its_batch_goes_on() {
    let options = options();
    let functions = options.bundle.registry.functions.iter();
    let mut refused = 0;
    for function in functions.filter(|function| matches!(function.trigger, Trigger::Events(_))) {
        refused += refuses_all(&options, function).await;
    }
    assert!(refused > 200, "only {refused} messages were tried");
}

#[tokio::test(start_paused = true)]
async fn nonsense_on_any_queue_ends_in_its_dead_letter_queue_and_harms_nobody_else() {
    on_every_queue(&options()).await;
}
