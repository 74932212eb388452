//! A table's streams in its description, and what switching a stream on or off may be.

use dynoxide::DynoxideError;
use dynoxide::actions::TableDescription;
use dynoxide::actions::create_table::StreamSpecification;

use super::lives;
use super::view::check_view;
use crate::dynamodb::DynamoDb;

impl DynamoDb {
    /// Shows the streams as AWS does: the newest one's ARN and label, also after it was switched off, and the
    /// view that was asked for.
    pub(in crate::dynamodb) fn describe_streams(
        &self,
        table: &mut TableDescription,
    ) -> Result<(), DynoxideError> {
        // A table that was just deleted is known from its description alone.
        let streams = match self.shared.database.get_table_metadata(&table.table_name)? {
            Some(metadata) => lives::of(&metadata),
            None => table
                .latest_stream_label
                .as_deref()
                .map_or_else(Vec::new, |label| lives::read(label, None)),
        };
        let newest = streams.last();
        table.latest_stream_arn = newest.map(|life| self.home.stream_arn(&table.table_name, life));
        table.latest_stream_label = newest.map(|life| life.label.clone());
        if let (Some(shown), Some(life)) = (&mut table.stream_specification, newest) {
            shown.stream_view_type = Some(life.view.clone());
        }
        Ok(())
    }

    /// Refuses to switch a stream on that is on, or off that is off, as AWS does
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>).
    pub(in crate::dynamodb) fn check_switch(
        &self,
        table: &str,
        stream: Option<&StreamSpecification>,
    ) -> Result<(), DynoxideError> {
        let Some(stream) = stream else { return Ok(()) };
        check_view(stream)?;
        let refused = |message: String| Err(DynoxideError::ValidationException(message));
        let is_on = match self.shared.database.get_table_metadata(table)? {
            Some(metadata) => metadata.stream_enabled,
            // Which is going to be said.
            None => return Ok(()),
        };
        match (stream.stream_enabled, &stream.stream_view_type) {
            (true, None) => refused(
                "One or more parameter values were invalid: If stream is being enabled then UpdateViewType is \
                 required"
                    .to_owned(),
            ),
            (false, Some(_)) => refused(
                "One or more parameter values were invalid: If stream is being disabled, then UpdateViewType must \
                 not be specified"
                    .to_owned(),
            ),
            (true, Some(_)) if is_on => {
                refused(format!("Table already has an enabled stream: TableName: {table}"))
            }
            (false, None) if !is_on => refused(format!("Table has no stream to disable: TableName: {table}")),
            _ => Ok(()),
        }
    }
}
