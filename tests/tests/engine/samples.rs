//! The samples of the library are true, whatever goes wrong on the way.

use testkit::sampled::{Treatment, problems};

use crate::options;

#[tokio::test(start_paused = true)]
async fn every_sample_of_the_library_is_true_however_its_function_is_treated() {
    for treatment in [
        Treatment::None,
        Treatment::Invoked,
        Treatment::Twice,
        Treatment::FailsOnce,
        Treatment::CallsFail,
        Treatment::FailsForEver,
        Treatment::Early,
    ] {
        let problems = problems(&options(), treatment).await;
        assert!(problems.is_empty(), "{treatment:?}:\n{}", problems.join("\n"));
    }
}
