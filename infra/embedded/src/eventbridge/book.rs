//! The buses and their rules, in memory; each change is kept, if they are kept somewhere.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use super::request::DEFAULT_BUS;
use super::target::Target;
use crate::store::Collection;

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events that were put, on buses that are there and others. AWS asks money for each 64 KB of them.
    pub put: u64,
    /// Chunks of 64 KB in them.
    pub chunks: u64,
    /// Entries that were refused.
    pub refused: u64,
    /// Events for a bus that is not there, which nobody hears of.
    pub nowhere: u64,
    /// Messages that were sent to queues.
    pub sent: u64,
    /// Messages that went to a dead-letter queue instead.
    pub dead_letters: u64,
    /// Messages that could not be sent even there, or had none to go to.
    pub dropped: u64,
}

/// A rule, as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) bus: String,
    pub(super) name: String,
    /// The pattern's text.
    pub(super) pattern: String,
    pub(super) enabled: bool,
    pub(super) description: Option<String>,
    pub(super) role_arn: Option<String>,
    /// By their ids.
    pub(super) targets: BTreeMap<String, Target>,
}

/// A change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    Bus { name: String, created_ms: u64 },
    BusGone(String),
    Rule(Box<Rule>),
    RuleGone { bus: String, name: String },
}

impl Entry {
    /// What it is kept under: a later entry takes the place of an earlier one.
    fn key(&self) -> String {
        match self {
            Self::Bus { name, .. } | Self::BusGone(name) => format!("bus/{name}"),
            Self::Rule(rule) => rule_key(&rule.bus, &rule.name),
            Self::RuleGone { bus, name } => rule_key(bus, name),
        }
    }

    /// The text that is kept; none if it says that there is nothing any more.
    fn text(&self) -> Option<String> {
        match self {
            Self::BusGone(_) | Self::RuleGone { .. } => None,
            // Texts, numbers and maps of texts are always JSON.
            there => serde_json::to_string(there).ok(),
        }
    }
}

/// Names of rules hold no slash, names of buses may.
fn rule_key(bus: &str, name: &str) -> String {
    format!("rule/{bus}/{name}")
}

#[derive(Debug, Default)]
pub(super) struct Bus {
    /// In milliseconds since 1970.
    pub(super) created_ms: u64,
    rules: BTreeMap<String, (Rule, Option<Pattern>)>,
}

impl Bus {
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().map(|(rule, _)| rule)
    }

    pub(super) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name).map(|(rule, _)| rule)
    }

    /// The rules that are on, each with its pattern.
    pub(super) fn enabled(&self) -> impl Iterator<Item = (&Rule, &Pattern)> {
        let rules = self.rules.values().filter(|(rule, _)| rule.enabled);
        rules.filter_map(|(rule, pattern)| Some((rule, pattern.as_ref()?)))
    }
}

#[derive(Debug)]
pub(super) struct Book {
    buses: BTreeMap<String, Bus>,
    pub(super) totals: Totals,
    kept: Option<Collection>,
}

impl Default for Book {
    /// With the bus that every account has.
    fn default() -> Self {
        Self {
            buses: BTreeMap::from([(DEFAULT_BUS.to_owned(), Bus::default())]),
            totals: Totals::default(),
            kept: None,
        }
    }
}

impl Book {
    /// What stands in a file.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut book = Self::default();
        for entry in entries {
            book.apply(entry);
        }
        book
    }

    /// The same, of which each change is kept.
    pub(super) fn kept_in(self, kept: Collection) -> Self {
        Self {
            kept: Some(kept),
            ..self
        }
    }

    pub(super) fn buses(&self) -> impl Iterator<Item = (&String, &Bus)> {
        self.buses.iter()
    }

    pub(super) fn bus(&self, name: &str) -> Option<&Bus> {
        self.buses.get(name)
    }

    /// Whether it was not there yet.
    pub(super) fn create_bus(&mut self, name: &str, now: SystemTime) -> bool {
        if self.buses.contains_key(name) {
            return false;
        }
        let created = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.record(Entry::Bus {
            name: name.to_owned(),
            created_ms: u64::try_from(created.as_millis()).unwrap_or(u64::MAX),
        });
        true
    }

    pub(super) fn delete_bus(&mut self, name: &str) {
        self.record(Entry::BusGone(name.to_owned()));
    }

    /// Puts a rule on its bus, which is there, in place of one of its name.
    pub(super) fn put_rule(&mut self, rule: Rule) {
        self.record(Entry::Rule(Box::new(rule)));
    }

    pub(super) fn delete_rule(&mut self, bus: &str, name: &str) {
        let (bus, name) = (bus.to_owned(), name.to_owned());
        self.record(Entry::RuleGone { bus, name });
    }

    pub(super) fn record(&mut self, entry: Entry) {
        if let Some(kept) = &self.kept {
            let rules = match &entry {
                Entry::BusGone(name) => self.buses.get(name).into_iter().flat_map(Bus::rules).collect(),
                _ => Vec::new(),
            };
            for rule in rules {
                kept.change(&rule_key(&rule.bus, &rule.name), None);
            }
            kept.change(&entry.key(), entry.text());
        }
        self.apply(entry);
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Bus { name, created_ms } => {
                self.buses.entry(name).or_default().created_ms = created_ms;
            }
            Entry::BusGone(name) => {
                self.buses.remove(&name);
            }
            Entry::Rule(rule) => {
                let bus = self.buses.entry(rule.bus.clone()).or_default();
                // It was read when the rule was put.
                let pattern = Pattern::read(&rule.pattern).ok();
                bus.rules.insert(rule.name.clone(), (*rule, pattern));
            }
            Entry::RuleGone { bus, name } => {
                if let Some(bus) = self.buses.get_mut(&bus) {
                    bus.rules.remove(&name);
                }
            }
        }
    }
}
