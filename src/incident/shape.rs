//! The shape of work: how many tokens go in and out, as two histograms over doublings.

use serde::{Deserialize, Serialize};

/// Doublings that are told apart: up to 32,767 tokens, and more.
const BINS: usize = 16;
/// How many requests of anybody a shape of few requests is filled up with.
const PRIOR: f32 = 6.0;

/// Histograms of input and of output, with how many requests they are of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    input: [f32; BINS],
    output: [f32; BINS],
    requests: f32,
}

/// Tokens of one request, in doublings.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    input: usize,
    output: usize,
}

impl Size {
    /// The size of a request of so many tokens.
    pub fn of(input: u64, output: u64) -> Self {
        let doublings = |tokens: u64| (tokens.saturating_add(1).ilog2() as usize).min(BINS - 1);
        Self { input: doublings(input), output: doublings(output) }
    }
}

impl Shape {
    /// Adds a request.
    pub fn add(&mut self, size: Size) {
        self.input[size.input] += 1.0;
        self.output[size.output] += 1.0;
        self.requests += 1.0;
    }

    /// Adds all of another one.
    pub fn add_all(&mut self, other: &Self) {
        for (sum, count) in self.input.iter_mut().zip(other.input) {
            *sum += count;
        }
        for (sum, count) in self.output.iter_mut().zip(other.output) {
            *sum += count;
        }
        self.requests += other.requests;
    }

    /// Takes those away that there were before.
    #[cfg(feature = "kafka")]
    pub fn subtract(&mut self, before: &Self) {
        for (sum, count) in self.input.iter_mut().zip(before.input) {
            *sum -= count;
        }
        for (sum, count) in self.output.iter_mut().zip(before.output) {
            *sum -= count;
        }
        self.requests -= before.requests;
    }

    /// How many requests it is of.
    pub const fn requests(&self) -> f32 {
        self.requests
    }

    /// Logarithm of how likely a request of this size is, where little is known as among `everybody`.
    pub fn ln_likelihood(&self, size: Size, everybody: &Self) -> f64 {
        let [input, output] = self.likelihoods(size, everybody.shares(size));
        libm::log(input) + libm::log(output)
    }

    /// Logarithm of how much likelier a request of this size is than by another shape.
    pub fn ln_ratio(&self, size: Size, other: &Self, everybody: &Self) -> f64 {
        let shares = everybody.shares(size);
        let likelihood = |shape: &Self| shape.likelihoods(size, shares).iter().product::<f64>();
        // One logarithm instead of four: it is asked of every record of an owner.
        libm::log(likelihood(self) / likelihood(other))
    }

    fn likelihoods(&self, size: Size, (input, output): (f32, f32)) -> [f64; 2] {
        let share = |count: f32, prior: f32| f64::from((count + PRIOR * prior) / (self.requests + PRIOR));
        [share(self.input[size.input], input), share(self.output[size.output], output)]
    }

    /// Which parts of the requests have this input, and this output; of each size some.
    fn shares(&self, size: Size) -> (f32, f32) {
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let bins = BINS as f32;
        let share = |count: f32| (count + 1.0) / (self.requests + bins);
        (share(self.input[size.input]), share(self.output[size.output]))
    }
}
