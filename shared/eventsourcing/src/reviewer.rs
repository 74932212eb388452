//! Looks at all fields of an object, where a reader stops at the first fault.

use crate::fields::{FieldValue, Fields};
use crate::review::{Review, UnknownField};

impl<'a> Fields<'a> {
    /// Looks at the fields one by one.
    pub fn review(&self) -> Reviewer<'_, 'a> {
        Reviewer::of(self)
    }
}

/// Looks at the fields of an object one by one; what it is not asked for is unknown.
#[derive(Debug)]
pub struct Reviewer<'f, 'a> {
    fields: &'f Fields<'a>,
    known: Vec<&'static str>,
    found: Review,
}

impl<'f, 'a> Reviewer<'f, 'a> {
    pub(crate) fn of(fields: &'f Fields<'a>) -> Self {
        Self {
            fields,
            known: Vec::new(),
            found: Review::default(),
        }
    }

    /// Looks at the field of that name, which holds a `T`.
    #[must_use]
    pub fn field<T: FieldValue>(mut self, name: &'static str) -> Self {
        self.known.push(name);
        let found = match self.fields.raw(name) {
            Some(raw) => T::review(raw).within(name),
            None => Review::of(self.fields.get::<T>(name)),
        };
        self.found = self.found.and(found);
        self
    }

    /// What was found in all.
    #[must_use]
    pub fn finish(self) -> Review {
        let is_unknown = |name: &&str| !self.known.contains(name);
        let unknown = self.fields.names().filter(is_unknown);
        let unknown = unknown.map(|name| UnknownField::beside(self.known.clone(), name));
        let unknown = unknown.collect();
        self.found.and(Review {
            faults: Vec::new(),
            unknown,
        })
    }
}
