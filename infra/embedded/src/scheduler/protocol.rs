//! The service's REST protocol: what is asked stands in method, path, query and a JSON body.

use http::Method;
use serde_json::{Value, json};

use super::Scheduler;
use super::book::Creation;
use super::entry::Schedule;
use super::request::{DEFAULT_GROUP, Requested, check_name};

/// What a request is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The type of the error, for the header `x-amzn-errortype`.
    pub error_type: Option<&'static str>,
    /// The JSON.
    pub body: Value,
}

/// The operation that a method and a path are of; none if they are of none that is embedded here.
pub(crate) fn operation<'p>(method: &Method, path: &'p str) -> Option<(&'static str, &'p str)> {
    let (collection, name) = parts(path)?;
    let operation = match (method.as_str(), collection, name) {
        ("POST", "schedules", Some(_)) => "CreateSchedule",
        ("GET", "schedules", Some(_)) => "GetSchedule",
        ("DELETE", "schedules", Some(_)) => "DeleteSchedule",
        ("GET", "schedules", None) => "ListSchedules",
        ("POST", "schedule-groups", Some(_)) => "CreateScheduleGroup",
        _ => return None,
    };
    Some((operation, name.unwrap_or_default()))
}

/// The operation of the service that a method and a path are of and that is not embedded here.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html>
pub(crate) fn missing_operation(method: &Method, path: &str) -> Option<&'static str> {
    let (collection, name) = parts(path)?;
    Some(match (method.as_str(), collection, name) {
        ("PUT", "schedules", Some(_)) => "UpdateSchedule",
        ("GET", "schedule-groups", None) => "ListScheduleGroups",
        ("GET", "schedule-groups", Some(_)) => "GetScheduleGroup",
        ("DELETE", "schedule-groups", Some(_)) => "DeleteScheduleGroup",
        ("GET", "tags", Some(_)) => "ListTagsForResource",
        ("DELETE", "tags", Some(_)) => "UntagResource",
        _ => return None,
    })
}

/// What a path is about: a collection, and one thing of it or all.
fn parts(path: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = path.strip_prefix('/')?.splitn(2, '/');
    Some((parts.next()?, parts.next().filter(|name| !name.is_empty())))
}

/// Why a request is not carried out.
enum Refused {
    Invalid(String),
    NotFound(String),
    Conflict(String),
}

impl From<String> for Refused {
    fn from(invalid: String) -> Self {
        Self::Invalid(invalid)
    }
}

impl Scheduler {
    /// Answers one request. None if it is for no operation that is embedded here.
    pub fn handle(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Option<Answer> {
        let (operation, name) = operation(method, path)?;
        let answer = match operation {
            "CreateSchedule" => self.create(name, body),
            "GetSchedule" => self.get(name, query),
            "DeleteSchedule" => self.delete(name, query),
            "ListSchedules" => self.list(query),
            _ => self.create_group_by_request(name),
        };
        Some(answer.map_or_else(refusal, |body| Answer {
            status: 200,
            error_type: None,
            body,
        }))
    }

    fn create(&self, name: &str, body: &[u8]) -> Result<Value, Refused> {
        let body: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON".to_owned())?;
        let requested = Requested::read(name, &body)?;
        let group = requested.group.clone();
        let creation = self.book().create(requested, self.now());
        match creation {
            Creation::Created | Creation::Repeated => {
                self.shared.changed.notify_one();
                Ok(json!({ "ScheduleArn": self.arn(&group, name) }))
            }
            Creation::Conflict => Err(Refused::Conflict(format!("Schedule {name} already exists."))),
            Creation::NoGroup => Err(no_group(&group)),
        }
    }

    fn get(&self, name: &str, query: &str) -> Result<Value, Refused> {
        let group = group_in(query)?;
        check_name("name", name)?;
        let book = self.book();
        if !book.has_group(&group) {
            return Err(no_group(&group));
        }
        let schedule = book.get(&(group.clone(), name.to_owned()));
        let schedule = schedule.ok_or_else(|| no_schedule(name))?;
        Ok(self.told(schedule))
    }

    fn delete(&self, name: &str, query: &str) -> Result<Value, Refused> {
        let group = group_in(query)?;
        check_name("name", name)?;
        if self.book().delete(&(group, name.to_owned())) {
            Ok(json!({}))
        } else {
            Err(no_schedule(name))
        }
    }

    fn list(&self, query: &str) -> Result<Value, Refused> {
        let group = parameter(query, "ScheduleGroup");
        let prefix = parameter(query, "NamePrefix").unwrap_or_default();
        let limit = match parameter(query, "MaxResults") {
            None => 100,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=100) => limit,
                _ => return Err(format!("MaxResults is {text}; 1 to 100 is right").into()),
            },
        };
        let after = parameter(query, "NextToken");
        let book = self.book();
        if let Some(group) = group.as_ref().filter(|group| !book.has_group(group)) {
            return Err(no_group(group));
        }
        let token = |schedule: &Schedule| {
            let Requested { group, name, .. } = &schedule.requested;
            format!("{group}/{name}")
        };
        let mut found = book.all().map(|(_, schedule)| schedule).filter(|schedule| {
            let Requested { group: own, name, .. } = &schedule.requested;
            group.as_ref().is_none_or(|group| group == own)
                && name.starts_with(&prefix)
                && after.as_ref().is_none_or(|after| token(schedule) > *after)
        });
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let next = found.next().and(page.last()).map(|last| token(last));
        let summaries: Vec<_> = page.iter().map(|schedule| self.summary(schedule)).collect();
        Ok(json!({ "Schedules": summaries, "NextToken": next }))
    }

    fn create_group_by_request(&self, name: &str) -> Result<Value, Refused> {
        check_name("name", name)?;
        if !self.book().create_group(name) {
            return Err(Refused::Conflict(format!(
                "Schedule group {name} already exists."
            )));
        }
        let settings = &self.shared.settings;
        let (region, account) = (&settings.region, &settings.account);
        let arn = format!("arn:aws:scheduler:{region}:{account}:schedule-group/{name}");
        Ok(json!({ "ScheduleGroupArn": arn }))
    }

    pub(super) fn arn(&self, group: &str, name: &str) -> String {
        let settings = &self.shared.settings;
        let (region, account) = (&settings.region, &settings.account);
        format!("arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}")
    }

    fn told(&self, schedule: &Schedule) -> Value {
        let Requested {
            expression,
            target_arn,
            role_arn,
            input,
            dead_letter_arn,
            ..
        } = &schedule.requested;
        let mut told = self.summary(schedule);
        told["ScheduleExpression"] = expression.as_str().into();
        told["ScheduleExpressionTimezone"] = "UTC".into();
        told["FlexibleTimeWindow"] = json!({ "Mode": "OFF" });
        told["Description"] = schedule.requested.description.clone().into();
        let then = schedule.requested.delete_after_completion;
        told["ActionAfterCompletion"] = if then { "DELETE" } else { "NONE" }.into();
        let mut target = json!({
            "Arn": target_arn,
            "RoleArn": role_arn,
            "RetryPolicy": {
                "MaximumRetryAttempts": schedule.requested.max_retries,
                "MaximumEventAgeInSeconds": schedule.requested.max_age_seconds,
            },
        });
        if let Some(input) = input {
            target["Input"] = input.as_str().into();
        }
        if let Some(arn) = dead_letter_arn {
            target["DeadLetterConfig"] = json!({ "Arn": arn });
        }
        told["Target"] = target;
        told
    }

    fn summary(&self, schedule: &Schedule) -> Value {
        let Requested { group, name, .. } = &schedule.requested;
        let state = if schedule.requested.enabled {
            "ENABLED"
        } else {
            "DISABLED"
        };
        let created = std::time::Duration::from_millis(schedule.created_ms).as_secs_f64();
        json!({
            "Arn": self.arn(group, name),
            "Name": name,
            "GroupName": group,
            "State": state,
            "CreationDate": created,
            "LastModificationDate": created,
            "Target": { "Arn": schedule.requested.target_arn },
        })
    }
}

fn group_in(query: &str) -> Result<String, String> {
    let group = parameter(query, "groupName").unwrap_or_else(|| DEFAULT_GROUP.to_owned());
    check_name("groupName", &group)?;
    Ok(group)
}

/// A parameter of the query. Nothing that names may hold is ever escaped, but some clients do it.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next()?;
    let mut decoded = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'%').then(|| {
            let digits = [bytes.next(), bytes.next()].map(|digit| (digit? as char).to_digit(16));
            digits[0]
                .zip(digits[1])
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
        });
        decoded.push(escaped.flatten().unwrap_or(byte));
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

fn no_group(group: &str) -> Refused {
    Refused::NotFound(format!("Schedule group {group} does not exist."))
}

fn no_schedule(name: &str) -> Refused {
    Refused::NotFound(format!("Schedule {name} does not exist."))
}

fn refusal(refused: Refused) -> Answer {
    let (status, error_type, message) = match refused {
        Refused::Invalid(message) => (400, "ValidationException", message),
        Refused::NotFound(message) => (404, "ResourceNotFoundException", message),
        Refused::Conflict(message) => (409, "ConflictException", message),
    };
    Answer {
        status,
        error_type: Some(error_type),
        body: json!({ "Message": message }),
    }
}
