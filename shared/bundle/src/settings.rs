//! What a function is told by its environment, and what it is built from.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    Bus, Connection, DynamoDbEventStore, EventBus, MetricSink, Names, Outbox, Publisher, Routes, Schedules,
    Scheduling, ViewReader, ViewTable, event_bus_name_problem, stack_name_problem, url_problem,
};
use eventsourcing::{Clock, EventStore, MAX_SETTING_SECONDS, Setting, SettingValues};

use crate::view_table_form::ViewTableForm;

/// What the environment says beyond the SDK's own variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `STACK_NAME`.
    pub names: Names,
    /// `QUEUE_URL_PREFIX`: what the URLs of the stack's queues begin with, up to and including the
    /// stack's name and a dash.
    pub queue_url_prefix: String,
    /// `SCHEDULER_ROLE_ARN` and `QUEUE_ARN_PREFIX`, for functions that set deadlines. Without them a deadline that
    /// is further off than a queue can hold it back is sent on from queue to queue.
    pub scheduling: Option<Scheduling>,
    /// `DEPLOY_VIEWS`, `true` or `false`: whether the stack has views, and their queues get events. It has if nothing
    /// is said.
    pub views: bool,
    /// `EVENT_BUS_NAME`: the `EventBridge` bus that each event is put on, if any.
    pub event_bus: Option<String>,
    /// What the business can be set to, and how long messages are tried: each by its own variable, 1 to 31,536,000
    /// seconds (a year).
    pub values: SettingValues,
}

/// A variable of the environment that is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {problem}; expected {expected}")]
pub struct InvalidSetting {
    name: &'static str,
    problem: String,
    expected: &'static str,
}

/// The variable that says whether the stack has views.
pub const DEPLOY_VIEWS: &str = "DEPLOY_VIEWS";

/// The variable that names the event bus.
pub const EVENT_BUS_NAME: &str = "EVENT_BUS_NAME";

const SECONDS: &str = "a whole number of seconds from 1 to 31536000";
const ROLE_ARN: &str = "the ARN of the role that EventBridge Scheduler sends as, such as \
                        arn:aws:iam::123456789012:role/shop-scheduler; unset it and QUEUE_ARN_PREFIX to do without \
                        schedules";
const ARN_PREFIX: &str = "what the queues' ARNs begin with, such as arn:aws:sqs:eu-central-1:123456789012:shop-; \
                          unset it and SCHEDULER_ROLE_ARN to do without schedules";
const BUS_NAME: &str = "the name of an EventBridge bus of this account and region, up to 256 letters, digits, dots, dashes \
                        and underscores; unset it to do without";
const STACK_NAME: &str = "the stack's name: a letter, then up to 39 letters, digits or dashes";

impl Settings {
    /// Reads them, and what `declared` says, from wherever `variable` looks.
    pub fn read(
        declared: &[Setting],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSetting> {
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
            scheduling: Self::scheduling(&variable)?,
            views: Self::views(&variable)?,
            event_bus: Self::event_bus(&variable)?,
            values: Self::values(declared, &variable)?,
        })
    }

    fn views(variable: impl Fn(&str) -> Option<String>) -> Result<bool, InvalidSetting> {
        match variable(DEPLOY_VIEWS).as_deref() {
            None | Some("" | "true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(InvalidSetting {
                name: DEPLOY_VIEWS,
                problem: format!("is {other:?}"),
                expected: "true or false",
            }),
        }
    }

    fn event_bus(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, InvalidSetting> {
        let name = variable(EVENT_BUS_NAME).filter(|name| !name.is_empty());
        match name.as_deref().and_then(event_bus_name_problem) {
            None => Ok(name),
            Some(problem) => Err(InvalidSetting {
                name: EVENT_BUS_NAME,
                problem,
                expected: BUS_NAME,
            }),
        }
    }

    /// Both variables, or neither.
    fn scheduling(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Scheduling>, InvalidSetting> {
        let read = |name| variable(name).filter(|value| !value.is_empty());
        let checked = |name, expected, value: Option<String>, begins: &str| {
            let problem = match &value {
                None => "is not set".to_owned(),
                Some(arn) if !arn.starts_with("arn:") || !arn.contains(begins) => "is no such ARN".to_owned(),
                Some(arn) if !arn.chars().all(|c| c.is_ascii_graphic()) => {
                    "holds a space, a control character or one that is not ASCII".to_owned()
                }
                Some(_) => return Ok(value.unwrap_or_default()),
            };
            Err(InvalidSetting {
                name,
                problem,
                expected,
            })
        };
        let (role, prefix) = (read("SCHEDULER_ROLE_ARN"), read("QUEUE_ARN_PREFIX"));
        if role.is_none() && prefix.is_none() {
            return Ok(None);
        }
        Ok(Some(Scheduling {
            role_arn: checked("SCHEDULER_ROLE_ARN", ROLE_ARN, role, ":iam:")?,
            queue_arn_prefix: checked("QUEUE_ARN_PREFIX", ARN_PREFIX, prefix, ":sqs:")?,
        }))
    }

    /// Reads what `declared` says alone; what is not set has its default.
    pub fn values(
        declared: &[Setting],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<SettingValues, InvalidSetting> {
        let mut values = SettingValues::default();
        for setting in declared {
            let Some(value) = variable(setting.variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            values = match value.parse() {
                Ok(seconds @ 1..=MAX_SETTING_SECONDS) => values.with(setting, Duration::from_secs(seconds)),
                _ => {
                    return Err(InvalidSetting {
                        name: setting.variable,
                        problem: format!("is {value:?}"),
                        expected: SECONDS,
                    });
                }
            };
        }
        Ok(values)
    }
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

    pub(crate) fn view_table(&self, name: &str, key: &'static str) -> ViewTable {
        let table = self.settings.names.view_table(name);
        ViewTable::new(self.connection.dynamodb.clone(), table, key)
    }

    pub(crate) fn view_reader(&self, view: &ViewTableForm) -> ViewReader {
        let table = self.settings.names.view_table(view.name);
        ViewReader::new(self.connection.dynamodb.clone(), table, view.key)
    }

    pub(crate) fn publisher(&self, routes: Routes) -> Publisher {
        let event_bus = self.settings.event_bus.as_deref().map(|name| {
            let client = self.connection.eventbridge();
            EventBus::new(client, name, self.settings.names.stack())
        });
        Publisher::new(routes, self.bus()).with_event_bus(event_bus)
    }

    /// The command bus.
    pub fn bus(&self) -> Bus {
        let schedules = self.settings.scheduling.clone().map(|scheduling| {
            let client = self.connection.scheduler();
            Schedules::new(client, &self.settings.names, scheduling)
        });
        Bus::new(self.connection.sqs.clone(), &self.settings.queue_url_prefix).scheduling(schedules)
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

    const PATIENCE: Setting = Setting {
        variable: "PATIENCE_SECONDS",
        default: Duration::from_mins(15),
        about: "How long an answer is waited for.",
    };

    #[test]
    fn a_setting_that_makes_no_sense_is_refused_by_name() {
        for value in ["0", "-1", "soon", "31536001"] {
            let error = Settings::values(&[PATIENCE], |name| {
                (name == PATIENCE.variable).then(|| value.to_owned())
            });
            let error = error.expect_err(value).to_string();
            assert_eq!(
                error,
                format!("environment variable PATIENCE_SECONDS is {value:?}; expected {SECONDS}")
            );
        }
    }

    #[test]
    fn names_and_urls_that_no_request_can_carry_are_refused() {
        let read = |stack: &str, prefix: &str| {
            let (stack, prefix) = (stack.to_owned(), prefix.to_owned());
            Settings::read(&[], move |name| match name {
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
    fn no_bus_is_named_unless_it_is_and_an_arn_is_refused() {
        let read = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            Settings::event_bus(move |_| name.clone())
        };
        assert_eq!(read(None), Ok(None));
        assert_eq!(read(Some("")), Ok(None));
        assert_eq!(read(Some("loans")), Ok(Some("loans".to_owned())));
        let arn = "arn:aws:events:eu-central-1:123456789012:event-bus/loans";
        let error = read(Some(arn)).expect_err("an ARN").to_string();
        assert_eq!(
            error,
            format!(
                "environment variable EVENT_BUS_NAME holds the character : in place 4; expected {BUS_NAME}"
            )
        );
    }

    #[test]
    fn schedules_need_both_variables_and_a_function_without_either_starts() {
        let read = |role: Option<&str>, prefix: Option<&str>| {
            let (role, prefix) = (role.map(str::to_owned), prefix.map(str::to_owned));
            Settings::scheduling(move |name| match name {
                "SCHEDULER_ROLE_ARN" => role.clone(),
                "QUEUE_ARN_PREFIX" => prefix.clone(),
                _ => None,
            })
        };
        let (role, prefix) = (
            "arn:aws:iam::123456789012:role/shop-scheduler",
            "arn:aws:sqs:eu-central-1:123456789012:shop-",
        );
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some(""), Some("")), Ok(None));
        let both = read(Some(role), Some(prefix)).expect("both are right");
        assert_eq!(both.map(|both| both.queue_arn_prefix).as_deref(), Some(prefix));
        for (role, prefix, begins) in [
            (
                Some(role),
                None,
                "environment variable QUEUE_ARN_PREFIX is not set; expected",
            ),
            (
                None,
                Some(prefix),
                "environment variable SCHEDULER_ROLE_ARN is not set; expected",
            ),
            (
                Some(prefix),
                Some(prefix),
                "environment variable SCHEDULER_ROLE_ARN is no such ARN; expected",
            ),
            (
                Some(role),
                Some("shop-"),
                "environment variable QUEUE_ARN_PREFIX is no such ARN; expected",
            ),
        ] {
            let error = read(role, prefix).expect_err(begins).to_string();
            assert!(error.starts_with(begins), "{error}");
        }
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let values = Settings::values(&[PATIENCE], |_| None).expect("nothing is wrong");
        assert_eq!(values.get(&PATIENCE), PATIENCE.default);
        let set = Settings::values(&[PATIENCE], |_| Some("7".to_owned())).expect("7 is in range");
        assert_eq!(set.get(&PATIENCE), Duration::from_secs(7));
    }
}
