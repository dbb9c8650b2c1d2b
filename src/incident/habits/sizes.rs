//! How large a key's requests are, in and out: a density over doublings at several scales.
//!
//! With a fine one alone a mild drift of prompts looks like a stranger, with a coarse one alone strangers look familiar.

use crate::heap;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Half doublings of input and of output that are told apart.
const INPUTS: usize = 42;
const OUTPUTS: usize = 36;
/// Cells that are kept of one key; the lightest give way.
const CELLS_MAX: usize = 256;
/// Room for so many of a day is kept for the next.
const BUSY_CELLS: usize = 16;
/// How many requests of anybody count beside those of a key: so a young key can accuse nobody.
const ANYBODY: f32 = 3.0;
/// How many requests of any size count beside those of all keys.
const ANY_SIZE: f32 = 50.0;
/// What a request of a key's first counts for among all keys, in parts; later ones count for less.
const FIRST_WEIGHT: u64 = 4096;
/// What is left of a day's counts after another day.
pub const DAY_KEEPS: f32 = 0.97;

/// The size of a request.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Doublings of input and output.
    pub doublings: [f32; 2],
    row: usize,
    column: usize,
}

impl Size {
    /// Of so many tokens.
    pub fn of(input: u64, output: u64) -> Self {
        Self {
            doublings: [doublings(input), doublings(output)],
            row: bin(input, INPUTS),
            column: bin(output, OUTPUTS),
        }
    }

    /// The cell that counts requests of this size.
    pub const fn cell(self) -> Cell {
        Cell::of(self.row, self.column)
    }
}

/// Half a doubling of input, and one of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell(u16);

impl Cell {
    #[allow(clippy::cast_possible_truncation, reason = "1512 cells")]
    const fn of(row: usize, column: usize) -> Self {
        Self((row * OUTPUTS + column) as u16)
    }

    /// Of the size of so many tokens, without a logarithm: it is asked of every record.
    pub fn of_tokens(input: u64, output: u64) -> Self {
        Self::of(bin(input, INPUTS), bin(output, OUTPUTS))
    }
}

#[allow(clippy::cast_precision_loss, reason = "its logarithm is meant")]
fn doublings(tokens: u64) -> f32 {
    libm::log2f(tokens.saturating_add(1) as f32)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "128 at most, and none below nought"
)]
fn halves(doublings: f32) -> usize {
    (doublings * 2.0) as usize
}

/// From how many tokens on there are so many half doublings, as the logarithm rounds them.
static STEPS: LazyLock<[u64; INPUTS]> = LazyLock::new(|| {
    std::array::from_fn(|steps| {
        let (mut below, mut from) = (0, 1 << 22);
        while below < from {
            let middle = u64::midpoint(below, from);
            if halves(doublings(middle)) >= steps { from = middle } else { below = middle + 1 }
        }
        from
    })
});

/// The half doublings of so many tokens; of `bins` that are told apart, the last counts what is above, too.
fn bin(tokens: u64, bins: usize) -> usize {
    // At the end of a doubling the logarithm may round up to the next.
    let doublings = tokens.saturating_add(1).ilog2() as usize;
    let above = STEPS.iter().skip(2 * doublings + 1).take(2).take_while(|from| **from <= tokens).count();
    (2 * doublings + above).min(bins - 1)
}

/// Sizes of the requests of all keys; busy ones do not count for more by their number alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Everybody {
    /// By cell, in parts; empty as long as there is none. Whole numbers, so that their order does not matter.
    cells: Vec<u64>,
    all: u64,
}

impl Everybody {
    /// Adds a request of a key after so many others of it.
    pub fn add(&mut self, Cell(cell): Cell, before: u64) {
        if self.cells.is_empty() {
            self.cells = vec![0; INPUTS * OUTPUTS];
        }
        let weight = FIRST_WEIGHT * 30 / before.saturating_add(30).min(FIRST_WEIGHT * 30);
        self.cells[usize::from(cell)] += weight;
        self.all += weight;
    }

    /// Adds what other keys have added.
    pub fn add_all(&mut self, other: &Self) {
        if self.cells.is_empty() {
            self.cells.clone_from(&other.cells);
        } else {
            for (sum, cell) in self.cells.iter_mut().zip(&other.cells) {
                *sum += cell;
            }
        }
        self.all += other.all;
    }

    /// Takes those away that there were before.
    #[cfg(feature = "kafka")]
    pub fn subtract(&mut self, before: &Self) {
        for (sum, cell) in self.cells.iter_mut().zip(&before.cells) {
            *sum -= cell;
        }
        self.all -= before.all;
    }

    /// How likely a request of anybody has this size.
    #[allow(clippy::cast_precision_loss, reason = "parts of a density")]
    pub fn density(&self, size: Size) -> f32 {
        let uniform = ANY_SIZE / (INPUTS * OUTPUTS) as f32;
        if self.cells.is_empty() {
            return uniform / ANY_SIZE;
        }
        let around: u64 = rows(size).flat_map(|(from, to)| &self.cells[from..to]).sum();
        let requests = |parts: u64| parts as f32 / FIRST_WEIGHT as f32;
        let here = requests(self.cells[usize::from(size.cell().0)]);
        (0.5 * here + 0.5 * requests(around) / 9.0 + uniform) / (requests(self.all) + ANY_SIZE)
    }
}

/// The cell of a size and those around it: up to three stretches of cells.
fn rows(size: Size) -> impl Iterator<Item = (usize, usize)> {
    let columns = (size.column.saturating_sub(1), (size.column + 2).min(OUTPUTS));
    (size.row.saturating_sub(1)..(size.row + 2).min(INPUTS))
        .map(move |row| (row * OUTPUTS + columns.0, row * OUTPUTS + columns.1))
}

/// Sizes of one key's requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Own {
    cells: Vec<(u16, f32)>,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    all: f32,
    /// Of today: they count from tomorrow on.
    today: Vec<(u16, f32)>,
}

impl Own {
    /// None is known.
    pub fn new() -> Self {
        Self {
            cells: Vec::new(),
            inputs: vec![0.0; INPUTS],
            outputs: vec![0.0; OUTPUTS],
            all: 0.0,
            today: Vec::new(),
        }
    }

    /// How likely a request of this key has this size, where one of anybody has it with the likelihood `anybody`.
    pub fn density(&self, size: Size, anybody: f32) -> f32 {
        let (mut here, mut around) = (0.0, 0.0);
        for (from, to) in rows(size) {
            let first = self.cells.partition_point(|(cell, _)| usize::from(*cell) < from);
            for (cell, weight) in self.cells[first..].iter().take_while(|(cell, _)| usize::from(*cell) < to) {
                around += weight;
                if *cell == size.cell().0 {
                    here = *weight;
                }
            }
        }
        let apart = if self.all > 0.0 {
            smooth(&self.inputs, size.row) * smooth(&self.outputs, size.column) / self.all
        } else {
            0.0
        };
        (0.45 * here + 0.30 * around / 9.0 + 0.25 * apart + ANYBODY * anybody) / (self.all + ANYBODY)
    }

    /// Adds a request of today, for so much; true where that takes memory.
    pub fn add(&mut self, Cell(cell): Cell, weight: f32) -> bool {
        match self.today.binary_search_by_key(&cell, |known| known.0) {
            Ok(place) => {
                self.today[place].1 += weight;
                false
            }
            Err(place) => {
                let before = self.today.capacity();
                if self.today.len() < CELLS_MAX {
                    self.today.insert(place, (cell, weight));
                }
                self.today.capacity() != before
            }
        }
    }

    /// A day is over.
    pub fn end_day(&mut self) {
        let all = self.cells.iter_mut().map(|cell| &mut cell.1);
        all.chain(&mut self.inputs).chain(&mut self.outputs).for_each(|weight| *weight *= DAY_KEEPS);
        self.all *= DAY_KEEPS;
        let mut today = std::mem::take(&mut self.today);
        for (cell, weight) in today.drain(..) {
            match self.cells.binary_search_by_key(&cell, |known| known.0) {
                Ok(place) => self.cells[place].1 += weight,
                Err(place) => self.cells.insert(place, (cell, weight)),
            }
            self.inputs[usize::from(cell) / OUTPUTS] += weight;
            self.outputs[usize::from(cell) % OUTPUTS] += weight;
            self.all += weight;
        }
        // Of a key with many sizes a day, tomorrow will have as many; a quiet one keeps nothing for it.
        if today.capacity() >= BUSY_CELLS {
            self.today = today;
        }
        while self.cells.len() > CELLS_MAX {
            let lightest = (0..self.cells.len())
                .min_by(|&one, &other| self.cells[one].1.total_cmp(&self.cells[other].1));
            self.cells.remove(lightest.unwrap_or(0));
        }
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<(u16, f32)>(self.cells.capacity())
            + heap::vector::<(u16, f32)>(self.today.capacity())
            + heap::vector::<f32>(self.inputs.capacity())
            + heap::vector::<f32>(self.outputs.capacity())
    }
}

/// A bin, half of it by its neighbours.
fn smooth(bins: &[f32], place: usize) -> f32 {
    let before = place.checked_sub(1).map_or(0.0, |place| bins[place]);
    let after = bins.get(place + 1).copied().unwrap_or(0.0);
    0.5 * bins[place] + 0.25 * (before + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_sends_is_its_own_and_a_drift_of_it_nearly() {
        let (mut own, mut everybody) = (Own::new(), Everybody::default());
        for (before, (input, output)) in [(10, 10), (100_000, 2_000), (900, 100)].into_iter().enumerate() {
            everybody.add(Cell::of_tokens(input, output), before as u64);
        }
        let ratio = |own: &Own, input, output| {
            let size = Size::of(input, output);
            let anybody = everybody.density(size);
            own.density(size, anybody) / anybody
        };
        assert!((ratio(&own, 900, 100) - 1.0).abs() < 1e-3, "an unknown key is anybody");
        for _ in 0..200 {
            own.add(Cell::of_tokens(900, 100), 1.0);
        }
        own.end_day();
        assert!(ratio(&own, 900, 100) > 10.0);
        assert!(ratio(&own, 1_200, 120) > 1.0, "a drift");
        assert!(ratio(&own, 100_000, 2_000) < 0.1, "somebody else");
        assert!(ratio(&own, u64::MAX, u64::MAX) < 0.1);
    }

    #[test]
    fn the_bin_is_that_of_the_logarithm() {
        let powers = (0..64).flat_map(|power| [1 << power, (1_u128 << (2 * power + 1)).isqrt()]);
        let powers = powers.map(|power| u64::try_from(power).unwrap());
        let near =
            powers.flat_map(|at| (0..200).map(move |step| at.saturating_add(step).saturating_sub(100)));
        for tokens in near.chain(0..100_000).chain([u64::MAX]) {
            for bins in [INPUTS, OUTPUTS] {
                assert_eq!(bin(tokens, bins), halves(doublings(tokens)).min(bins - 1), "{tokens}");
            }
        }
    }

    #[test]
    fn the_sum_of_all_keys_does_not_depend_on_who_adds_first() {
        let (mut one, mut other) = (Everybody::default(), Everybody::default());
        one.add(Cell::of_tokens(10, 10), 0);
        other.add(Cell::of_tokens(900, 100), 1_000);
        let (mut first, mut second) = (one.clone(), other.clone());
        first.add_all(&other);
        second.add_all(&one);
        assert_eq!(first, second);
    }
}
