//! Tables of steps: what a value adds to a score, in nats.

/// What a value adds: so much from each of these on, nothing below the first.
pub struct Steps(pub Vec<(f32, f32)>);

impl Steps {
    /// What this value adds.
    pub fn adds(&self, value: f32) -> f32 {
        let above = self.0.partition_point(|(from, _)| *from < value);
        above.checked_sub(1).map_or(0.0, |place| self.0[place].1)
    }
}

/// A table: the steps of every comparison.
pub struct Table {
    /// By comparison.
    pub steps: Vec<Steps>,
}

impl Table {
    /// Reads a table of these comparisons. It is a part of the program: what it must hold is held by tests.
    pub fn read<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Self {
        let rows: Vec<(&str, Vec<(f32, f32)>)> =
            text.lines().filter(|line| !line.starts_with('#')).map(row).collect();
        let of =
            |name: &str| rows.iter().find(|row| row.0 == name).map_or_else(Vec::new, |row| row.1.clone());
        Self { steps: names.map(|name| Steps(of(name))).collect() }
    }
}

fn row(line: &str) -> (&str, Vec<(f32, f32)>) {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let numbers = words.map(|word| word.parse::<f32>().unwrap_or(f32::NAN));
    let steps = numbers.clone().step_by(2).zip(numbers.skip(1).step_by(2)).collect();
    (name, steps)
}

/// That a table names every comparison once, with steps that ascend, and that the comparisons, of which each is given with
/// its term, stand in the order of the terms.
#[cfg(test)]
pub fn assert_whole(text: &str, table: &Table, readings: &[[&str; 2]], terms: &[&str]) {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let mut rows: Vec<&str> = rows.filter_map(|line| line.split_whitespace().next()).collect();
    rows.sort_unstable();
    let mut names: Vec<&str> = readings.iter().map(|[name, _]| *name).collect();
    names.sort_unstable();
    assert_eq!(rows, names);
    for Steps(steps) in &table.steps {
        assert!(!steps.is_empty());
        assert!(steps.iter().all(|(from, adds)| from.is_finite() && adds.is_finite()));
        assert!(steps.is_sorted_by(|one, other| one.0 < other.0));
    }
    let of_readings: Vec<&str> =
        readings.chunk_by(|one, other| one[1] == other[1]).map(|of| of[0][1]).collect();
    assert_eq!(of_readings, terms, "each term once, in this order");
}
