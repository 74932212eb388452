//! How long the outside world, and a group's guests, have for their answers.

use std::time::Duration;

use eventsourcing::{RuleSettings, Setting, SettingValues};

/// The payment provider's time.
pub const PAYMENT_DEADLINE: Setting = Setting {
    variable: "PAYMENT_DEADLINE_SECONDS",
    default: Duration::from_mins(15),
    about: "How long the payment provider has, from the order's initialization, until the payment counts as failed.",
};

/// The carrier's time.
pub const SHIPMENT_DEADLINE: Setting = Setting {
    variable: "SHIPMENT_DEADLINE_SECONDS",
    default: Duration::from_hours(24),
    about: "How long the carrier has, from the order's confirmation, until the shipment counts as failed.",
};

/// The time of a group's guests.
pub const GROUP_CHECKOUT_DEADLINE: Setting = Setting {
    variable: "GROUP_CHECKOUT_DEADLINE_SECONDS",
    default: Duration::from_hours(1),
    about: "How long a group's guests have, from its initiation, until the group counts as timed out.",
};

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// The payment provider, from the order's initialization.
    pub payment: Duration,
    /// The carrier, from the order's confirmation.
    pub shipment: Duration,
    /// All guests of a group, from its checkout's initiation.
    pub group_checkout: Duration,
}

impl Default for Deadlines {
    /// 15 minutes for a payment, a day for a shipment, an hour for a group's checkout.
    fn default() -> Self {
        Self::of(&SettingValues::default())
    }
}

impl RuleSettings for Deadlines {
    const DECLARED: &'static [Setting] = &[PAYMENT_DEADLINE, SHIPMENT_DEADLINE, GROUP_CHECKOUT_DEADLINE];

    fn of(values: &SettingValues) -> Self {
        Self {
            payment: values.get(&PAYMENT_DEADLINE),
            shipment: values.get(&SHIPMENT_DEADLINE),
            group_checkout: values.get(&GROUP_CHECKOUT_DEADLINE),
        }
    }
}

impl From<Deadlines> for SettingValues {
    fn from(deadlines: Deadlines) -> Self {
        Self::default()
            .with(&PAYMENT_DEADLINE, deadlines.payment)
            .with(&SHIPMENT_DEADLINE, deadlines.shipment)
            .with(&GROUP_CHECKOUT_DEADLINE, deadlines.group_checkout)
    }
}
