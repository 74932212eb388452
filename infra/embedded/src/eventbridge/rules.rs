//! Operations on buses, rules and their targets.

use serde_json::{Value, json};

use super::EventBridge;
use super::book::{Bus, Rule};
use super::pattern::Pattern;
use super::refused::Refused;
use super::request::{
    DEFAULT_BUS, MAX_RULES, MAX_TARGETS, bus, bus_named, name, new_bus, page, refuse_unserved, required, text,
};
use super::target::Target;

impl EventBridge {
    pub(super) fn create_event_bus(&self, request: &Value) -> Result<Value, Refused> {
        refuse_unserved(request, &["Name", "Description"])?;
        let name = new_bus(request)?;
        let now = self.now();
        if !self.book().create_bus(&name, now) {
            return Err(Refused::AlreadyExists(format!(
                "Event bus {name} already exists."
            )));
        }
        Ok(json!({ "EventBusArn": self.arn(&format!("event-bus/{name}")) }))
    }

    pub(super) fn describe_event_bus(&self, request: &Value) -> Result<Value, Refused> {
        let given = text(request, "Name")?.unwrap_or_else(|| DEFAULT_BUS.to_owned());
        let name = bus_named(&given)?;
        let book = self.book();
        let bus = book.bus(&name).ok_or_else(|| no_bus(&name))?;
        Ok(self.told_bus(&name, bus))
    }

    pub(super) fn list_event_buses(&self, request: &Value) -> Result<Value, Refused> {
        let prefix = text(request, "NamePrefix")?.unwrap_or_default();
        let book = self.book();
        let buses = book.buses().filter(|(name, _)| name.starts_with(&prefix));
        let (buses, next) = page(
            request,
            buses.map(|(name, bus)| (name.clone(), self.told_bus(name, bus))),
        )?;
        Ok(json!({ "EventBuses": buses, "NextToken": next }))
    }

    /// One that is not there is gone.
    pub(super) fn delete_event_bus(&self, request: &Value) -> Result<Value, Refused> {
        let name = new_bus(request)?;
        if name == DEFAULT_BUS {
            return Err(Refused::Invalid(format!("Cannot delete event bus {name}.")));
        }
        let mut book = self.book();
        if book.bus(&name).is_some_and(|bus| bus.rules().next().is_some()) {
            return Err(Refused::Invalid(format!(
                "Cannot delete event bus {name} since it has rules."
            )));
        }
        book.delete_bus(&name);
        Ok(json!({}))
    }

    pub(super) fn put_rule(&self, request: &Value) -> Result<Value, Refused> {
        let served = [
            "Name",
            "EventBusName",
            "EventPattern",
            "State",
            "Description",
            "RoleArn",
        ];
        refuse_unserved(request, &served)?;
        let (bus_name, name) = (bus(request)?, name(request, "Name")?);
        let pattern = text(request, "EventPattern")?.ok_or_else(|| {
            "Parameter(s) EventPattern or ScheduleExpression must be specified; schedules are not served here".to_owned()
        })?;
        Pattern::read(&pattern).map_err(Refused::InvalidPattern)?;
        let enabled = match text(request, "State")?.as_deref() {
            None | Some("ENABLED") => true,
            Some("DISABLED") => false,
            Some(state) => {
                return Err(Refused::Invalid(format!(
                    "State {state} is not served here; ENABLED and DISABLED are"
                )));
            }
        };
        let mut book = self.book();
        let bus = book.bus(&bus_name).ok_or_else(|| no_bus(&bus_name))?;
        let there = bus.rule(&name);
        if there.is_none() && bus.rules().count() >= MAX_RULES {
            return Err(too_many());
        }
        // Its targets stay.
        let targets = there.map(|rule| rule.targets.clone()).unwrap_or_default();
        let arn = self.rule_arn(&bus_name, &name);
        book.put_rule(Rule {
            bus: bus_name,
            name,
            pattern,
            enabled,
            description: text(request, "Description")?,
            role_arn: text(request, "RoleArn")?,
            targets,
        });
        Ok(json!({ "RuleArn": arn }))
    }

    pub(super) fn describe_rule(&self, request: &Value) -> Result<Value, Refused> {
        self.rule(request, "Name").map(|rule| self.told_rule(&rule))
    }

    pub(super) fn list_rules(&self, request: &Value) -> Result<Value, Refused> {
        let bus_name = bus(request)?;
        let prefix = text(request, "NamePrefix")?.unwrap_or_default();
        let book = self.book();
        let bus = book.bus(&bus_name).ok_or_else(|| no_bus(&bus_name))?;
        let rules = bus.rules().filter(|rule| rule.name.starts_with(&prefix));
        let (rules, next) = page(
            request,
            rules.map(|rule| (rule.name.clone(), self.told_rule(rule))),
        )?;
        Ok(json!({ "Rules": rules, "NextToken": next }))
    }

    pub(super) fn switch_rule(&self, request: &Value, enabled: bool) -> Result<Value, Refused> {
        let rule = self.rule(request, "Name")?;
        self.book().put_rule(Rule { enabled, ..rule });
        Ok(json!({}))
    }

    /// One that is not there is gone.
    pub(super) fn delete_rule(&self, request: &Value) -> Result<Value, Refused> {
        let (bus_name, name) = (bus(request)?, name(request, "Name")?);
        let mut book = self.book();
        let bus = book.bus(&bus_name).ok_or_else(|| no_bus(&bus_name))?;
        match bus.rule(&name) {
            None => return Ok(json!({})),
            Some(rule) if !rule.targets.is_empty() => {
                return Err(Refused::Invalid(
                    "Rule can't be deleted since it has targets.".to_owned(),
                ));
            }
            Some(_) => book.delete_rule(&bus_name, &name),
        }
        Ok(json!({}))
    }

    pub(super) fn put_targets(&self, request: &Value) -> Result<Value, Refused> {
        let mut rule = self.rule(request, "Rule")?;
        let given = required(request["Targets"].as_array(), "targets")?;
        for target in given {
            let target = Target::read(target)?;
            rule.targets.insert(target.id.clone(), target);
        }
        if rule.targets.len() > MAX_TARGETS {
            return Err(too_many());
        }
        self.book().put_rule(rule);
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    pub(super) fn list_targets(&self, request: &Value) -> Result<Value, Refused> {
        let rule = self.rule(request, "Rule")?;
        let targets = rule
            .targets
            .values()
            .map(|target| (target.id.clone(), target.told()));
        let (targets, next) = page(request, targets)?;
        Ok(json!({ "Targets": targets, "NextToken": next }))
    }

    pub(super) fn remove_targets(&self, request: &Value) -> Result<Value, Refused> {
        let mut rule = self.rule(request, "Rule")?;
        for id in required(request["Ids"].as_array(), "ids")? {
            let id = id.as_str().unwrap_or_default();
            if rule.targets.remove(id).is_none() {
                return Err(Refused::NotFound(format!(
                    "Rule {} does not have target(s) with ID(s) {id}.",
                    rule.name
                )));
            }
        }
        self.book().put_rule(rule);
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    /// The rule that a request names in that field.
    fn rule(&self, request: &Value, field: &str) -> Result<Rule, Refused> {
        let (bus_name, name) = (bus(request)?, name(request, field)?);
        let book = self.book();
        let bus = book.bus(&bus_name).ok_or_else(|| no_bus(&bus_name))?;
        let rule = bus.rule(&name).cloned();
        rule.ok_or_else(|| Refused::NotFound(format!("Rule {name} does not exist on EventBus {bus_name}.")))
    }

    pub(super) fn rule_arn(&self, bus: &str, name: &str) -> String {
        if bus == DEFAULT_BUS {
            self.arn(&format!("rule/{name}"))
        } else {
            self.arn(&format!("rule/{bus}/{name}"))
        }
    }

    fn told_rule(&self, rule: &Rule) -> Value {
        let mut told = json!({
            "Name": rule.name,
            "Arn": self.rule_arn(&rule.bus, &rule.name),
            "EventPattern": rule.pattern,
            "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
            "EventBusName": rule.bus,
        });
        let texts = [("Description", &rule.description), ("RoleArn", &rule.role_arn)];
        for (field, value) in texts {
            if let Some(value) = value {
                told[field] = value.as_str().into();
            }
        }
        told
    }

    fn told_bus(&self, name: &str, bus: &Bus) -> Value {
        let created = std::time::Duration::from_millis(bus.created_ms).as_secs_f64();
        json!({
            "Name": name,
            "Arn": self.arn(&format!("event-bus/{name}")),
            "CreationTime": created,
            "LastModifiedTime": created,
        })
    }
}

fn no_bus(name: &str) -> Refused {
    Refused::NotFound(format!("Event bus {name} does not exist."))
}

fn too_many() -> Refused {
    Refused::TooMany("The requested resource exceeds the maximum number allowed.".to_owned())
}
