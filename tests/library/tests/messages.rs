//! The messages: each field takes what its type says, and nothing else.

use eventsourcing::message_faults;
use library::loan::Loan;

#[test]
fn every_field_of_every_message_takes_what_its_shape_says_and_nothing_else() {
    assert_eq!(message_faults::<Loan>(), [""; 0]);
}
