//! What views show: each row is what a rebuild would make of its stream.

use std::num::NonZeroU32;

use aws_adapters::{Difference, Found, RebuildCheckpoint, Rebuilder, ViewTable};

use super::Findings;
use crate::running::Running;

/// Compares the table of each view with the streams that it shows. A row that is behind, or not there yet, may be on
/// its way; any other that is wrong may never be.
pub async fn judge(bundle: &Running, violations: &mut Vec<String>, open: &mut Vec<String>) {
    let (names, dynamodb) = (bundle.stack.names(), &bundle.observer.dynamodb);
    for view in bundle.stack.views() {
        let table = names.view_table(view.name);
        let rows = ViewTable::new(dynamodb.clone(), table.clone(), view.key);
        let rebuilder = Rebuilder::new(dynamodb.clone(), names.events_table(), rows, view.shows());
        let rebuilder = rebuilder.comparing_only();
        let mut run = rebuilder.run(RebuildCheckpoint::start(table.clone(), NonZeroU32::MIN));
        while let Some(compared) = run.next().await {
            compared.expect("no fault befalls whoever judges");
        }
        for Difference {
            id,
            found,
            attributes,
        } in &run.checkpoint().done.differences
        {
            let names: Vec<_> = attributes
                .iter()
                .map(|attribute| attribute.name.as_str())
                .collect();
            let told = format!("the row of {id} in {table}: {found:?} {}", names.join(", "));
            match found {
                Found::Missing | Found::Behind => open.push(told),
                Found::Differs | Found::Ahead | Found::LeftOver => violations.push(told),
            }
        }
    }
}

impl Findings {
    /// Those of views, too.
    pub(super) async fn with_views(mut self, bundle: &Running) -> Self {
        judge(bundle, &mut self.violations, &mut self.open).await;
        self
    }
}
