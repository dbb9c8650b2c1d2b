//! Records to measure with, and the plain way to do the job that everything is compared with.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "shared by benchmarks, each using some of it"
)]

pub mod decode;
pub mod instructions;
pub mod processes;
pub mod reference;
pub mod shapes;
pub mod wrapped;

use std::fmt::Write as _;
use std::io::{self, Write};

/// A small generator of numbers, the same on every machine (`SplitMix64`).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }
}

/// Days that the records are spread over.
pub const DAYS: u64 = 31;
const MODELS: [&str; 6] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gpt-4.1", "gemini-2.5-pro", "o3"];
const CLIENTS: [&str; 4] =
    ["openai-python/1.99.0", "anthropic-sdk-python/0.61.0", "curl/8.9.1", "node-fetch/3.3.2"];
const ENDPOINTS: [&str; 4] = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"];

/// Writes `count` canonical records of about 270 bytes, of `keys` keys, spread evenly over 31 days. Each key has
/// two models, three addresses, one client; one key in a hundred is robbed on the last day.
pub fn write_records(out: &mut impl Write, count: u64, keys: u64) -> io::Result<()> {
    let mut random = Random(7);
    let start = 1_780_272_000_000_u64;
    let span = DAYS * 86_400_000;
    let mut line = String::with_capacity(512);
    for number in 0..count {
        let millis = start + span / count * number;
        let key = random.below(keys);
        let mut own = Random(key);
        let models = [own.pick(&MODELS), own.pick(&MODELS)];
        let addresses: [u64; 3] = [own.below(1 << 24), own.below(1 << 24), own.below(1 << 24)];
        let (client, endpoint) = (own.pick(&CLIENTS), own.pick(&ENDPOINTS));
        let robbed = key % 100 == 7 && number > count / DAYS * (DAYS - 1);
        let model = if robbed { "claude-opus-4-1" } else { models[usize::from(random.below(2) == 1)] };
        let address =
            if robbed { 0x00cb_0071 } else { addresses[usize::try_from(random.below(3)).unwrap_or(0)] };
        let (input, output) = (100 + random.below(4000), 10 + random.below(2000));
        line.clear();
        let _ = write!(line, "{{\"timestamp\": \"{}\", \"api_key_prefix\": \"...{key:08x}\"", time(millis));
        let _ =
            write!(line, ", \"model\": \"{model}\", \"input_tokens\": {input}, \"output_tokens\": {output}");
        let (b, c, d) = (address >> 16 & 255, address >> 8 & 255, address & 255);
        let _ = write!(line, ", \"endpoint\": \"{endpoint}\", \"source_ip\": \"10.{b}.{c}.{d}\"");
        let nano = input * 2500 + output * 10_000;
        let cost = format!("0.{:06}", nano / 1000);
        let _ =
            writeln!(line, ", \"user_agent\": \"{client}\", \"status_code\": 200, \"cost_usd\": {cost}}}");
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Writes one record a day of each key, at the same hour, with the same model from the same address.
pub fn write_quiet(out: &mut impl Write, keys: u64) -> io::Result<()> {
    for number in 0..DAYS * keys {
        let (day, key) = (number / keys, number % keys);
        let at = time(1_780_308_000_000 + day * 86_400_000 + key * 3_600_000 / keys);
        let (c, d) = (key >> 8 & 255, key & 255);
        writeln!(
            out,
            "{{\"timestamp\": \"{at}\", \"api_key_prefix\": \"...{key:08x}\", \"model\": \"gpt-4o\", \"input_tokens\": 1000, \
             \"output_tokens\": 100, \"source_ip\": \"10.0.{c}.{d}\", \"cost_usd\": 0.0035}}"
        )?;
    }
    Ok(())
}

/// One more record of one of them, on the last day, with another model.
pub fn one_more(key: u64) -> String {
    let at = time(1_780_308_000_000 + (DAYS - 1) * 86_400_000 + 3_700_000);
    let (c, d) = (key >> 8 & 255, key & 255);
    format!(
        "{{\"timestamp\": \"{at}\", \"api_key_prefix\": \"...{key:08x}\", \"model\": \"o3\", \"input_tokens\": 1000, \
         \"output_tokens\": 100, \"source_ip\": \"10.0.{c}.{d}\", \"cost_usd\": 0.0035}}"
    )
}

fn time(millis: u64) -> String {
    let nanos = i64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000);
    let shown = keyhound::time::Timestamp(nanos).to_string();
    // Always with milliseconds, as gateways write them.
    if shown.len() == 20 { shown.replace('Z', ".000Z") } else { shown }
}
