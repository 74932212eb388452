//! What a function is told by its environment, and what it is built from.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    Bus, Connection, DynamoDbEventStore, MetricSink, Names, Outbox, Publisher, Routes, stack_name_problem,
    url_problem,
};
use domain::Deadlines;
use eventsourcing::{Clock, EventStore};

/// What the environment says beyond the SDK's own variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `STACK_NAME`.
    pub names: Names,
    /// `QUEUE_URL_PREFIX`: what the URLs of the stack's queues begin with, up to and including the
    /// stack's name and a dash.
    pub queue_url_prefix: String,
    /// `PAYMENT_DEADLINE_SECONDS`, `SHIPMENT_DEADLINE_SECONDS` and `GROUP_CHECKOUT_DEADLINE_SECONDS`,
    /// 1 to 31,536,000 (a year).
    pub deadlines: Deadlines,
}

/// A variable of the environment that is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {problem}; expected {expected}")]
pub struct InvalidSetting {
    name: &'static str,
    problem: String,
    expected: &'static str,
}

const SECONDS: &str = "a whole number of seconds from 1 to 31536000";
const STACK_NAME: &str = "the stack's name: a letter, then up to 39 letters, digits or dashes";

impl Settings {
    /// Reads them from wherever `variable` looks.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let required = |name, expected, problem_of: fn(&str) -> Option<String>| {
            let value = variable(name).filter(|value| !value.is_empty());
            let problem = match &value {
                None => Some("is not set".into()),
                Some(value) => problem_of(value),
            };
            match (value, problem) {
                (Some(value), None) => Ok(value),
                (_, problem) => Err(InvalidSetting {
                    name,
                    problem: problem.unwrap_or_default(),
                    expected,
                }),
            }
        };
        Ok(Self {
            names: Names::of(required("STACK_NAME", STACK_NAME, stack_name_problem)?),
            queue_url_prefix: required(
                "QUEUE_URL_PREFIX",
                "what the queues' URLs begin with, such as https://sqs.eu-central-1.amazonaws.com/123456789012/shop-",
                url_problem,
            )?,
            deadlines: Self::deadlines(&variable)?,
        })
    }

    /// Reads the deadlines alone; those that are not set have their defaults.
    pub fn deadlines(variable: impl Fn(&str) -> Option<String>) -> Result<Deadlines, InvalidSetting> {
        let defaults = Deadlines::default();
        let seconds = |name, default: Duration| match variable(name).filter(|value| !value.is_empty()) {
            None => Ok(default),
            Some(value) => match value.parse() {
                Ok(seconds @ 1..=31_536_000) => Ok(Duration::from_secs(seconds)),
                _ => Err(InvalidSetting {
                    name,
                    problem: format!("is {value:?}"),
                    expected: SECONDS,
                }),
            },
        };
        Ok(Deadlines {
            payment: seconds("PAYMENT_DEADLINE_SECONDS", defaults.payment)?,
            shipment: seconds("SHIPMENT_DEADLINE_SECONDS", defaults.shipment)?,
            group_checkout: seconds("GROUP_CHECKOUT_DEADLINE_SECONDS", defaults.group_checkout)?,
        })
    }
}

/// What rules can be set to.
pub trait RuleSettings {
    /// Those that these deadlines make.
    fn of(deadlines: &Deadlines) -> Self;
}

impl RuleSettings for Deadlines {
    fn of(deadlines: &Deadlines) -> Self {
        *deadlines
    }
}

/// Rules that can't be set to anything.
impl RuleSettings for () {
    fn of(_: &Deadlines) -> Self {}
}

/// What functions are built from. Whoever hosts them chooses the clients, the clock and where metrics
/// go.
#[derive(Clone)]
pub struct Parts {
    /// What the environment says.
    pub settings: Settings,
    /// Clients for the tables and queues.
    pub connection: Connection,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where metrics go.
    pub metrics: Arc<dyn MetricSink>,
}

impl Parts {
    pub(crate) fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(self.event_store())
    }

    pub(crate) fn event_store(&self) -> DynamoDbEventStore {
        let table = self.settings.names.events_table();
        DynamoDbEventStore::new(self.connection.dynamodb.clone(), table)
    }

    pub(crate) fn publisher(&self, routes: Routes) -> Publisher {
        Publisher::new(routes, self.bus())
    }

    pub(crate) fn bus(&self) -> Bus {
        Bus::new(self.connection.sqs.clone(), &self.settings.queue_url_prefix)
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(
            self.connection.dynamodb.clone(),
            self.settings.names.outbox_table(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_makes_no_sense_is_refused_by_name() {
        for value in ["0", "-1", "soon", "31536001"] {
            let error =
                Settings::deadlines(|name| (name == "PAYMENT_DEADLINE_SECONDS").then(|| value.to_owned()));
            let error = error.expect_err(value).to_string();
            assert_eq!(
                error,
                format!("environment variable PAYMENT_DEADLINE_SECONDS is {value:?}; expected {SECONDS}")
            );
        }
    }

    #[test]
    fn names_and_urls_that_no_request_can_carry_are_refused() {
        let read = |stack: &str, prefix: &str| {
            let (stack, prefix) = (stack.to_owned(), prefix.to_owned());
            Settings::read(move |name| match name {
                "STACK_NAME" => Some(stack.clone()),
                "QUEUE_URL_PREFIX" => Some(prefix.clone()),
                _ => None,
            })
        };
        let prefix = "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-";
        assert!(read("shop", prefix).is_ok());
        let error = read("shop\r", prefix).expect_err("a carriage return").to_string();
        assert_eq!(
            error,
            format!(
                "environment variable STACK_NAME holds a control character (carriage return) at its end; expected {STACK_NAME}"
            )
        );
        let error = read("shop", &format!("{prefix}\n"))
            .expect_err("a line feed")
            .to_string();
        assert!(
            error.starts_with(
                "environment variable QUEUE_URL_PREFIX holds a control character (line feed) at its end"
            ),
            "{error}"
        );
    }

    #[test]
    fn deadlines_have_defaults() {
        assert_eq!(Settings::deadlines(|_| None), Ok(Deadlines::default()));
    }
}
