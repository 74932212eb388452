//! Several rounds of one thing: what lies in the middle, and what it lies between.

/// A median, with the lowest and the highest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The lowest.
    pub lowest: f64,
    /// Half are lower, half are higher.
    pub median: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// Of these figures.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut all: Vec<_> = figures.collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(f64::NAN);
        let last = all.len().saturating_sub(1);
        Self {
            lowest: at(0),
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            highest: at(last),
        }
    }

    /// Without decimals.
    pub fn whole(self) -> String {
        format!("{:.0} ({:.0} to {:.0})", self.median, self.lowest, self.highest)
    }

    /// With two decimals.
    pub fn precise(self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.median, self.lowest, self.highest)
    }
}
