//! The parts of a business. Functions are declared, shown and watched by them.

/// What part of the business a function belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its kebab-case name, part of its alarms' names.
    pub name: &'static str,
    /// Its name in a sentence.
    pub title: &'static str,
}

/// A picture that a page shows of some contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The page's section that it stands in.
    pub section: &'static str,
    /// What it shows.
    pub contexts: Vec<Context>,
}

impl Context {
    /// What all businesses share: the relay, and what makes up for its failures.
    pub const DELIVERY: Self = Self::new("delivery", "Delivery of events");
    /// What became of things, for those who ask.
    pub const VIEWS: Self = Self::new("views", "Views");
    /// Stand-ins for the outside world.
    pub const SIMULATORS: Self = Self::new("simulators", "Simulators");

    /// A part of that name.
    pub const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title }
    }
}
