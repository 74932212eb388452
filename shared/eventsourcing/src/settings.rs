//! What rules can be set to: lengths of time, such as deadlines, that whoever deploys the bundle chooses.
//!
//! Rules declare their settings with default and meaning. The environment, the template's parameters and the
//! help texts follow from that.

use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that a setting can be, in seconds: a year.
pub const MAX_SETTING_SECONDS: u64 = 31_536_000;

/// A length of time that can be chosen, from a second to a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable of the environment that sets it, in seconds: `LOAN_SECONDS`.
    pub variable: &'static str,
    /// How long it is if nobody chooses.
    pub default: Duration,
    /// What it means, as a sentence.
    pub about: &'static str,
}

/// What settings are set to. Those that are not have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingValues(BTreeMap<&'static str, Duration>);

impl SettingValues {
    /// How long this one is.
    pub fn get(&self, setting: &Setting) -> Duration {
        self.0.get(setting.variable).copied().unwrap_or(setting.default)
    }

    /// The same with this one set.
    #[must_use]
    pub fn with(mut self, setting: &Setting, value: Duration) -> Self {
        self.0.insert(setting.variable, value);
        self
    }
}

/// The settings of rules, as they take them.
pub trait RuleSettings: Send + Sync + 'static {
    /// What can be chosen.
    const DECLARED: &'static [Setting];

    /// The settings that these values make.
    fn of(values: &SettingValues) -> Self;
}

/// Rules that can't be set to anything.
impl RuleSettings for () {
    const DECLARED: &'static [Setting] = &[];

    fn of(_: &SettingValues) -> Self {}
}
