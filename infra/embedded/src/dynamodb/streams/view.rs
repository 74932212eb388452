//! What a stream may show of a change, its `StreamViewType`.

use dynoxide::DynoxideError;
use dynoxide::actions::create_table::StreamSpecification;

const VIEW_TYPES: [&str; 4] = ["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"];

/// Refuses a new table whose stream shows nothing that DynamoDB knows, or does not say what it shows.
pub(in crate::dynamodb) fn check_new(stream: Option<&StreamSpecification>) -> Result<(), DynoxideError> {
    let Some(stream) = stream else { return Ok(()) };
    check_view(stream)?;
    if stream.stream_enabled && stream.stream_view_type.is_none() {
        return Err(DynoxideError::ValidationException(
            "One or more parameter values were invalid: Table is being created with a stream enabled, so \
             StreamViewType is required"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a view that DynamoDB does not have.
pub(super) fn check_view(stream: &StreamSpecification) -> Result<(), DynoxideError> {
    match &stream.stream_view_type {
        Some(view) if !VIEW_TYPES.contains(&view.as_str()) => {
            Err(DynoxideError::ValidationException(format!(
                "1 validation error detected: Value '{view}' at 'streamSpecification.streamViewType' failed to satisfy \
             constraint: Member must satisfy enum value set: [{}]",
                VIEW_TYPES.join(", ")
            )))
        }
        _ => Ok(()),
    }
}
