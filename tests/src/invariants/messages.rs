//! What became of the messages.

use super::evidence::Evidence;
use super::findings::Findings;
use crate::running::{Letter, text};

pub(super) fn judge(evidence: &Evidence, findings: &mut Findings) {
    for (queue, messages) in &evidence.waiting {
        findings.awaits(*messages == 0, || {
            format!("{messages} messages are on queue {queue}")
        });
    }
    for entry in &evidence.outbox {
        let delivery = text(entry, "delivery");
        findings.awaits(delivery == "published", || {
            let (stream, revision) = (text(entry, "stream_id"), text(entry, "revision"));
            format!("{stream} at {revision} is in the outbox, {delivery}")
        });
    }
    for letter in &evidence.letters {
        judge_letter(letter, findings);
    }
}

/// A message in a dead-letter queue says why it is there, or SQS moved it by itself.
fn judge_letter(letter: &Letter, findings: &mut Findings) {
    let (queue, code) = (&letter.queue, letter.attribute("error_code"));
    match code {
        "malformed" | "rejected" => findings.refused += 1,
        "exhausted" => findings.exhausted += 1,
        _ if letter.moved_by_sqs.is_some() => findings.exhausted += 1,
        _ => findings.violation(format!(
            "a message in {queue}-dlq has the error_code {code:?} and was not moved by SQS"
        )),
    }
    let reasoned = !letter.attribute("error").is_empty() && !letter.attribute("function").is_empty();
    findings.must(code.is_empty() || reasoned, || {
        format!("a message in {queue}-dlq does not say why or whose it was")
    });
}
