//! How fast each format is decoded and normalised, as a multiple of our own: `cargo bench --bench formats`, with a number
//! behind `--` for that many rounds instead of fifteen, and names for these formats and wrappers alone.
//!
//! All take turns, and of each the fastest pass over a megabyte counts, by the processor time of the thread: of a machine
//! that others use as well they take away caches, but no time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod common;

use common::decode::{block, decoder, fixtures};
use common::wrapped::wrapped;
use keyhound::config::Plan;
use keyhound::decode::Decoder;
use keyhound::frame::Block;
use keyhound::time::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;

/// One format, and its fastest pass so far.
struct Race {
    name: String,
    block: Block,
    decoder: Decoder,
    fastest: Duration,
    records: usize,
}

impl Race {
    fn pass(&mut self) {
        let start = processor_time();
        let batch = black_box(self.decoder.block(&self.block, Timestamp::MAX));
        self.fastest = self.fastest.min(processor_time().saturating_sub(start));
        self.records = batch.records.len();
    }

    /// Bytes a microsecond, which are megabytes a second.
    #[allow(clippy::cast_precision_loss)]
    fn speed(&self) -> f64 {
        self.block.bytes.len() as f64 / self.fastest.as_secs_f64() / 1e6
    }
}

/// The processor time that this thread has had.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn main() {
    let plan = Plan::default_plan().unwrap();
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(15);
    // Cargo adds `--bench` to what is given.
    let is_name = |argument: &String| !argument.starts_with('-') && argument.parse::<u32>().is_err();
    let wanted: Vec<String> = std::env::args().skip(1).filter(is_name).collect();
    let mut text = Vec::new();
    common::write_records(&mut text, 4000, 1000).unwrap();
    let ours = ("canonical, generated".to_owned(), block(text));
    let race =
        |(name, block)| Race { name, block, decoder: decoder(&plan), fastest: Duration::MAX, records: 0 };
    // Of wrappers those of the fixtures, and those around ordinary records.
    let is_wanted = |(name, _): &(String, Block)| {
        let name = name.split(',').next().unwrap();
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
    };
    let fixtures = fixtures(&plan).into_iter().chain(wrapped(&plan)).filter(is_wanted);
    let mut races: Vec<Race> = std::iter::once(ours).chain(fixtures).map(race).collect();
    for _ in 0..rounds {
        for race in &mut races {
            // The first of two finds the caches full of the one before.
            race.pass();
            race.pass();
        }
    }
    let ours = races[0].speed();
    races.sort_by(|one, other| one.speed().total_cmp(&other.speed()));
    for race in &races {
        let bytes = race.block.bytes.len() / race.records.max(1);
        let (name, speed) = (&race.name, race.speed());
        println!("{name:24} {speed:6.0} MB/s {:6.2} x   {bytes:5} bytes a record", speed / ours);
    }
}
