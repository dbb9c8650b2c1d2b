//! The few numbers of statistics that reports need.

/// The value below which this part of the values lies, between two of them by a straight line; `None` of nothing.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a list"
)]
pub fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = last as f64 * part.clamp(0.0, 1.0);
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - at.floor()))
}

/// Whether a count is one.
pub fn is_one(count: f64) -> bool {
    (count - 1.0).abs() < f64::EPSILON
}

/// The mean; `None` of nothing.
#[allow(clippy::cast_precision_loss, reason = "a count")]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The upper end of the 95 % interval of a Poisson count (Wilson and Hilferty).
#[allow(clippy::cast_precision_loss, reason = "a count")]
pub fn poisson_upper(count: u64) -> f64 {
    let above = count as f64 + 1.0;
    let root = 1.0 - 1.0 / (9.0 * above) + 1.96 / (3.0 * above.sqrt());
    above * root * root * root
}

/// The lower end of the same.
#[allow(clippy::cast_precision_loss, reason = "a count")]
pub fn poisson_lower(count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let count = count as f64;
    let root = 1.0 - 1.0 / (9.0 * count) - 1.96 / (3.0 * count.sqrt());
    (count * root * root * root).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[0.0, 10.0], 0.9), Some(9.0));
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
    }

    #[test]
    fn intervals_are_those_of_tables() {
        for (count, low, high) in
            [(0, 0.0, 3.689), (1, 0.025, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.6)]
        {
            let (lower, upper) = (poisson_lower(count), poisson_upper(count));
            assert!((lower - low).abs() < 0.05 && (upper - high).abs() < 0.15, "{count}: {lower} {upper}");
        }
    }
}
