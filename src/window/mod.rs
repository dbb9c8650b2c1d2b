//! Rolling counts of one key: the days that are still open, and what the key has been seen with.

mod sample;
mod day;
mod dedup;
mod first_hours;
mod known;
mod pace;
mod recent;
mod restated;
mod sightings;
mod spending;
mod tallies;

pub use day::{OpenDay, changed};
pub use dedup::{Dedup, Sighting};
pub use first_hours::{FirstHour, FirstHours};
pub use known::{Generation, Known};
pub use pace::{Pace, STEP, STEPS};
pub use recent::{Minute, Recent};
pub use restated::{Amounts, Change, Restated, Stretch, Telling, Told};
pub use sample::AddressSample;
pub use sightings::{Sightings, Tally};
pub use spending::{Burn, QUARTER, SPANS, Span, Spending, quarter_of};
pub use tallies::Tallies;
