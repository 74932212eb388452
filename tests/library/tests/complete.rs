//! All that a new command, step, event or outbound queue still lacks, in one list.

use bundle::gaps::{Places, gaps};

/// Where this business declares what the engine asks for.
const PLACES: Places = Places {
    registry: "tests/library/src/registry.rs",
    streams: "tests/library/src/registry.rs",
    samples: "tests/library/src/samples.rs",
};

#[test]
fn nothing_is_missing_anywhere() {
    let missing = gaps(&library::bundle(), PLACES);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
