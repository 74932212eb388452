//! What `dynoxide` 3.2 lets pass of tables and DynamoDB refuses; a later version that refuses it here too makes this
//! superfluous.

use dynoxide::DynoxideError;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::TimeToLiveSpecification;
use dynoxide::storage::TableMetadata;

/// Refuses a table that is paid for by what is provisioned, as one is that says nothing, without saying how much that is.
pub(super) fn check_new(table: &CreateTableRequest) -> Result<(), DynoxideError> {
    if table.billing_mode.is_none() && table.provisioned_throughput.is_none() {
        return refused(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be \
             specified when BillingMode is PROVISIONED",
        );
    }
    Ok(())
}

/// Refuses to switch time to live to what it is, or by another attribute. A table that is not there is left to who knows
/// what to say of it.
pub(super) fn check_switch(
    table: Option<&TableMetadata>,
    asked: &TimeToLiveSpecification,
) -> Result<(), DynoxideError> {
    let Some(table) = table else { return Ok(()) };
    match (&table.ttl_attribute, table.ttl_enabled) {
        (Some(current), true) if *current != asked.attribute_name && !asked.attribute_name.is_empty() => {
            refused(&format!(
                "TimeToLive is active on a different AttributeName: current AttributeName is {current}"
            ))
        }
        (_, true) if asked.enabled => refused("TimeToLive is already enabled"),
        (_, false) if !asked.enabled => refused("TimeToLive is already disabled"),
        _ => Ok(()),
    }
}

fn refused(why: &str) -> Result<(), DynoxideError> {
    Err(DynoxideError::ValidationException(why.to_owned()))
}
