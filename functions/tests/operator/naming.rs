//! A queue is found by each of its names, whatever the stack is called.

use local::StackOptions;

use crate::support::Up;

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_may_be_called_as_its_queues_begin_or_end() {
    for name in ["complete", "payment", "shop-dlq", "on", "Shop"] {
        let up = Up::with(StackOptions {
            name: name.into(),
            functions: false,
            ..StackOptions::of(functions::bundle())
        })
        .await;
        let (queue, dead_letters) = (
            format!("{name}-complete-payment"),
            format!("{name}-complete-payment-dlq"),
        );
        up.put("complete-payment-dlq", "not JSON");
        for spelt in [
            "complete-payment",
            "complete-payment-dlq",
            &queue,
            &dead_letters,
            "CompletePayment",
        ] {
            let show = ["--stack", name, "dlq", "show", spelt, "--limit", "1", "--json"];
            let shown = up.ops(&show).done().json();
            assert_eq!(shown["messages"].as_array().map(Vec::len), Some(1), "{spelt}");
        }
        let redrive = ["--stack", name, "dlq", "redrive", "complete-payment", "--json"];
        let sent = up.ops(&redrive).done().json();
        assert_eq!(
            (&sent["queue"], &sent["to"], &sent["done"]),
            (&dead_letters.into(), &queue.into(), &1.into())
        );
        let unknown = up.ops(&["--stack", name, "dlq", "show", "payment"]);
        assert_eq!(unknown.code, 2, "{unknown:?}");
        assert!(
            unknown.err.contains("there is no queue payment"),
            "{}",
            unknown.err
        );
    }
}
