//! What is counted of containment, for `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! outcomes {
    ($($name:ident $label:literal $doc:literal,)*) => {
        /// What came of a rule for an incident: the values of the `outcome` label.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Outcome { $(#[doc = $doc] $name,)* }

        impl Outcome {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label in metrics.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

outcomes! {
    Done "done" "It was done.",
    Would "dry_run" "It would have been done.",
    Already "already" "There was nothing to do.",
    Failed "failed" "It could not be done.",
    Refused "refused" "It was not to be done: too old, protected, too many, or nobody knows what the provider calls the key.",
}

/// Of one rule.
#[derive(Debug)]
pub struct OfRule {
    /// Its name.
    pub rule: String,
    /// Its action.
    pub action: &'static str,
    counts: [AtomicU64; Outcome::ALL.len()],
    failing: AtomicU64,
}

impl OfRule {
    /// How often that came of it.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// Whether it could not be done when it was to be done last.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) > 0
    }
}

/// Of all rules.
#[derive(Debug, Default)]
pub struct Tally {
    /// Of each.
    pub rules: Vec<OfRule>,
    left: AtomicU64,
    waiting: AtomicU64,
}

impl Tally {
    /// Nothing yet, of these rules and their actions.
    pub fn new(rules: impl Iterator<Item = (String, &'static str)>) -> Arc<Self> {
        let rules = rules.map(|(rule, action)| OfRule {
            rule,
            action,
            counts: Default::default(),
            failing: AtomicU64::new(0),
        });
        Arc::new(Self { rules: rules.collect(), ..Self::default() })
    }

    /// Counts what came of a rule.
    pub fn add(&self, rule: &str, outcome: Outcome) {
        let Some(of) = self.rules.iter().find(|of| of.rule == rule) else { return };
        of.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Failed => of.failing.store(1, Ordering::Relaxed),
            Outcome::Done | Outcome::Already | Outcome::Would => of.failing.store(0, Ordering::Relaxed),
            Outcome::Refused => {}
        }
    }

    /// How much more may be done within these 24 hours.
    pub fn set_left(&self, left: usize) {
        self.left.store(left as u64, Ordering::Relaxed);
    }

    /// The same, to be shown.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// How many incidents wait for something to be done.
    pub fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting as u64, Ordering::Relaxed);
    }

    /// The same, to be shown.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}
