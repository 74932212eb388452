//! All functions, the queues for systems outside, and what follows from both.

use aws_adapters::Routes;

use crate::building::{Addressees, recovery, relay, sweeper, watcher};
use crate::function::{Function, Trigger};
use crate::view_table_form::ViewTableForm;

/// A queue that systems outside the bundle read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Its name, without the stack's.
    pub queue: &'static str,
    /// The events that go there.
    pub events: &'static [&'static str],
    /// Whom it is for.
    pub about: &'static str,
}

/// All functions, and the queues for systems outside.
#[derive(Debug)]
pub struct Registry {
    /// The functions.
    pub functions: Vec<Function>,
    /// The queues for systems outside.
    pub outbound: Vec<Outbound>,
}

impl Registry {
    /// These functions and queues, and the functions that every bundle has: relay, recovery and sweeper;
    /// and one that watches views, if there are any.
    pub fn of(functions: Vec<Function>, outbound: Vec<Outbound>) -> Self {
        let mut registry = Self { functions, outbound };
        registry.tell_of_deadlines();
        let addressees = Addressees {
            routes: registry.routes(),
            views: registry.view_queues().map(str::to_owned).collect(),
        };
        // What those three do is shown by the event that the first step waits for.
        let steps = registry
            .functions
            .iter()
            .filter(|f| matches!(f.trigger, Trigger::Events(_)));
        let event = steps.flat_map(|step| &step.samples).next().cloned();
        let delivery = [
            relay(addressees.clone(), event.clone()),
            recovery(event.clone()),
            sweeper(addressees, event),
        ];
        registry.functions.extend(delivery);
        let views = registry.views().collect();
        registry.functions.extend(watcher(views));
        registry
    }

    /// Tells each function which of what it sends are deadlines.
    fn tell_of_deadlines(&mut self) {
        let deadlines = self.functions.iter().filter(|function| function.waits());
        let deadlines: Vec<String> = deadlines.map(|function| function.name.clone()).collect();
        for function in self.functions.iter_mut().filter(|function| !function.waits()) {
            let sent = function.sends_to.iter().filter(|queue| deadlines.contains(queue));
            function.sets_deadlines_on = sent.cloned().collect();
        }
    }

    /// The queues of deadlines that some function sets, without the stack's name.
    pub fn deadlines(&self) -> Vec<&str> {
        let is_set = |function: &&Function| {
            let mut set = self.functions.iter().flat_map(|other| &other.sets_deadlines_on);
            set.any(|queue| *queue == function.name)
        };
        let deadlines = self.functions.iter().filter(is_set);
        deadlines.map(|function| function.name.as_str()).collect()
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Which queues get which events.
    pub fn routes(&self) -> Routes {
        let mut routes = Routes::default();
        for outbound in &self.outbound {
            for event in outbound.events {
                routes.add(event, outbound.queue);
            }
        }
        for function in &self.functions {
            if let Trigger::Events(events) = function.trigger {
                for event in events {
                    routes.add(event, &function.name);
                }
            }
        }
        routes
    }

    /// The same of a stack that has no views.
    pub fn routes_without_views(&self) -> Routes {
        let views: Vec<_> = self.view_queues().map(str::to_owned).collect();
        self.routes().without(&views)
    }

    /// The tables of all views.
    pub fn views(&self) -> impl Iterator<Item = ViewTableForm> {
        self.functions.iter().filter_map(|function| function.view)
    }

    /// The queues of views, without the stack's name.
    pub fn view_queues(&self) -> impl Iterator<Item = &str> {
        let views = self.functions.iter().filter(|function| function.view.is_some());
        views.map(|function| function.name.as_str())
    }

    /// All queues, without the stack's name; each has a dead-letter queue.
    pub fn queues(&self) -> Vec<&str> {
        let inbound = self
            .functions
            .iter()
            .filter(|f| !matches!(f.trigger, Trigger::Outbound(_)));
        inbound
            .filter_map(Function::queue)
            .chain(self.outbound.iter().map(|outbound| outbound.queue))
            .collect()
    }
}
