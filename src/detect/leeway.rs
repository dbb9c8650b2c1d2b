//! How far a day may go before the detectors have to be asked again: most records change nothing that any of them looks
//! at, and to ask all of them costs more than to count the record.

use crate::money::NanoUsd;
use crate::window::OpenDay;

/// Numbers of a day up to which no detector can hold that does not hold now. Each of them only grows from record to
/// record; whatever else detectors look at, such as the baseline, is the same or the leeway is void. Counts
/// above four billion are as good as any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leeway {
    /// Money of the day, and so the most that may go out in any stretch of it.
    spent: NanoUsd,
    /// Requests of the day.
    requests: u32,
    /// Those of them that failed.
    failed: u32,
    /// Those outside the usual hours.
    off_hours: u32,
    /// What has been noted of the first hours.
    noted: u32,
}

impl Leeway {
    /// None at all.
    pub const NONE: Self = Self { spent: NanoUsd(i64::MIN), ..Self::ENDLESS };

    /// A day may go as far as it likes, as long as nothing unknown is seen and nothing that is a finding by itself.
    pub const ENDLESS: Self = Self {
        spent: NanoUsd(i64::MAX),
        requests: u32::MAX,
        failed: u32::MAX,
        off_hours: u32::MAX,
        noted: u32::MAX,
    };

    /// So many requests, of which a fraction does not count.
    pub fn of_requests(max: f64) -> Self {
        Self { requests: whole(max), ..Self::ENDLESS }
    }

    /// So many that failed.
    pub fn of_failed(max: f64) -> Self {
        Self { failed: whole(max), ..Self::ENDLESS }
    }

    /// So many outside the usual hours.
    pub fn of_off_hours(max: f64) -> Self {
        Self { off_hours: whole(max), ..Self::ENDLESS }
    }

    /// So much money.
    pub fn of_money(max: NanoUsd) -> Self {
        Self { spent: max, ..Self::ENDLESS }
    }

    /// Nothing more in the first hours.
    pub fn of_first_hours(noted: u32) -> Self {
        Self { noted, ..Self::ENDLESS }
    }

    /// As far as both of them go.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            spent: self.spent.min(other.spent),
            requests: self.requests.min(other.requests),
            failed: self.failed.min(other.failed),
            off_hours: self.off_hours.min(other.off_hours),
            noted: self.noted.min(other.noted),
        }
    }

    /// Whether it is one at all.
    pub fn is_any(&self) -> bool {
        self.spent > Self::NONE.spent
    }

    /// Whether a day has not gone further.
    #[inline]
    pub fn holds(&self, day: &OpenDay) -> bool {
        day.spent() <= self.spent
            && day.requests <= self.requests.into()
            && day.off_hours <= self.off_hours.into()
            && day.failed <= self.failed.into()
            && day.unknown_model.is_none()
            && day.unknown_addresses.is_empty()
            && day.sightings.is_none()
            && day.first_hours.as_ref().is_none_or(|hours| hours.noted() <= self.noted)
    }
}

/// An amount that is surely not above so many dollars, however these were rounded; a detector that is asked a little too
/// early says nothing.
pub fn not_above(usd: f64) -> NanoUsd {
    // What is above has no amount.
    if usd < 9e9 { NanoUsd::from_usd(usd * (1.0 - 1e-9)) - NanoUsd(1) } else { NanoUsd(i64::MAX) }
}

/// Where it is four billion or more, it is a little less than that.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(count: f64) -> u32 {
    (count.floor() as u32).min(u32::MAX - 1)
}
