//! Records of a fortnight in which keys are stolen, and chance that can be repeated.

use serde_json::json;

/// Numbers that look like chance (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From nought up to `limit`, which is not reached.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// About `count` lines of twelve days: thirty keys, of which three are stolen on the tenth; second deliveries, lines that
/// are no records, and nothing later than the lateness allows.
pub fn lines(random: &mut Random, count: u64) -> Vec<String> {
    const DAY: u64 = 86_400;
    let start = 1_780_272_000;
    let mut timed = Vec::new();
    for number in 0..count {
        let mut second = number * 12 * DAY / count;
        let stolen = second > 10 * DAY && random.below(3) == 0;
        let key = if stolen { random.below(3) } else { random.below(30) };
        // Office hours, so that a theft at night is one.
        if !stolen && random.below(10) > 0 {
            second = second / DAY * DAY + 8 * 3600 + random.below(9 * 3600);
        }
        let address = if stolen { 200 + random.below(3) } else { key };
        let model = if stolen { "gpt-5" } else { ["gpt-4o", "o3"][usize::try_from(key % 2).unwrap_or(0)] };
        let at = jiff::Timestamp::from_second(i64::try_from(start + second).unwrap_or(0)).unwrap_or_default();
        let record = json!({
            "timestamp": at.to_string(), "request_id": format!("req_{number}"), "api_key_prefix": format!("...k{key:03}"),
            "model": model, "input_tokens": 100 + random.below(1000), "output_tokens": random.below(500),
            "source_ip": format!("10.0.0.{address}"), "cost_usd": if stolen { 0.9 } else { 0.01 },
        });
        timed.push((second + random.below(1800), record.to_string()));
    }
    timed.sort();
    let mut lines = Vec::new();
    for (_, line) in timed {
        match random.below(100) {
            0..3 => lines.extend([line.clone(), line]),
            3 => lines.extend([line, "not a record".to_owned()]),
            4 => lines.extend([line.replace("input_tokens\":", "input_tokens\":-")]),
            _ => lines.push(line),
        }
    }
    lines
}
