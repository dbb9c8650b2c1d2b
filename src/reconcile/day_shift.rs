//! Days that begin elsewhere: each day differs, all of them together agree.

use super::compare::{About, Group, Measure, Tolerance};
use super::sums::Side;
use super::text::signed;
use std::collections::BTreeMap;

/// The groups whose days are shifted, with the arithmetic.
pub(super) fn day_shifts(
    groups: &BTreeMap<About, Group>,
    tolerance: Tolerance,
    measure: Measure,
) -> BTreeMap<About, String> {
    let mut series: BTreeMap<About, Vec<(&About, &Group)>> = BTreeMap::new();
    for (about, group) in groups.iter().filter(|(about, _)| about.day.is_some()) {
        series.entry(About { day: None, ..about.clone() }).or_default().push((about, group));
    }
    let mut shifted = BTreeMap::new();
    for days in series.values() {
        let differs = |group: &Group| !agree(&group.left, &group.right, tolerance, measure);
        let odd: Vec<&About> =
            days.iter().filter(|(_, group)| differs(group)).map(|(about, _)| *about).collect();
        let (mut left, mut right) = (Side::default(), Side::default());
        for (_, group) in days {
            left += group.left;
            right += group.right;
        }
        // What moved from one day into the next is missing in one and too much in another.
        let ways = days
            .iter()
            .filter(|(_, group)| differs(group))
            .map(|(_, group)| group.right.all.cost - group.left.all.cost);
        let (more, less) = ways.fold((false, false), |(more, less), way| (more || way > 0, less || way < 0));
        let is_tokens_only = odd.len() >= 2 && left.all.cost == 0 && right.all.cost == 0;
        if odd.len() >= 2 && (more && less || is_tokens_only) && agree(&left, &right, tolerance, measure) {
            let sum = right.all.cost - left.all.cost;
            let why = format!(
                "{} days differ and add up to {}: a day begins at another hour on one side",
                odd.len(),
                signed(sum)
            );
            shifted.extend(odd.into_iter().map(|about| (about.clone(), why.clone())));
        }
    }
    shifted
}

/// Whether both sides agree.
pub(super) fn agree(left: &Side, right: &Side, tolerance: Tolerance, measure: Measure) -> bool {
    let (left, right) = (&left.all, &right.all);
    let money = tolerance.agrees(left.cost, right.cost);
    // Where money says little, because there is no price, tokens have to agree as well.
    let is_priced = left.uncertain == 0 && right.uncertain == 0 && (left.cost != 0 || right.cost != 0);
    match measure {
        Measure::Requests => tolerance.counts_agree(left.requests, right.requests),
        Measure::Money => money,
        Measure::MoneyAndTokens => {
            money && (is_priced || tolerance.counts_agree(left.tokens(), right.tokens()))
        }
    }
}
