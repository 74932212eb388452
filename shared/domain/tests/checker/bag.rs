//! Values, each as often as it is there.

/// Values in an order of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bag<T>(pub Vec<T>);

// Derived, it would ask for a default of what it holds.
impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Bag<T> {
    pub fn add(&mut self, values: impl IntoIterator<Item = T>) {
        self.0.extend(values);
        self.0.sort_unstable();
    }

    /// Takes these values out, or leaves them there as one more repeat.
    pub fn take(&mut self, values: &[T], keep: bool, repeats: &mut u8) {
        if keep {
            *repeats -= 1;
            return;
        }
        for value in values {
            let at = self.0.iter().position(|held| held == value).expect("it is there");
            self.0.remove(at);
        }
    }

    pub fn distinct(&self) -> impl Iterator<Item = &T> {
        self.0.chunk_by(PartialEq::eq).map(|same| &same[0])
    }
}
