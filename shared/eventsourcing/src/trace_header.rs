//! The trace that a message belongs to, as it is passed from message to message.

use std::fmt;

/// An X-Ray trace header that is passed from message to message.
///
/// Without its `Lineage` part: that carries Lambda's loop counter, and a saga that goes through a
/// dozen functions would be taken for a runaway loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceHeader(String);

impl TraceHeader {
    /// The header as it came, cut to what is passed on; none if nothing remains, if it is longer than 256
    /// characters or has others than printable ASCII, which no tracer writes.
    pub fn passed_on(header: &str) -> Option<Self> {
        let parts: Vec<_> = header
            .split(';')
            .filter(|part| !part.trim_start().starts_with("Lineage="))
            .collect();
        let kept = parts.join(";");
        let printable = kept.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (!kept.is_empty() && kept.len() <= 256 && printable).then_some(Self(kept))
    }

    /// The header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_header_that_a_queue_would_refuse_is_not_passed_on() {
        assert_eq!(TraceHeader::passed_on("Root=1-\u{1}"), None);
        assert_eq!(TraceHeader::passed_on("Root=1-ä"), None);
    }

    #[test]
    fn the_loop_counter_is_not_passed_on() {
        let header =
            TraceHeader::passed_on("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=a87bd80c:1");
        assert_eq!(
            header.expect("the rest").as_str(),
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
        );
        assert_eq!(TraceHeader::passed_on("Lineage=a87bd80c:1"), None);
    }
}
