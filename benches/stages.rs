//! Each stage by itself: `cargo bench --bench stages`.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use bytes::BytesMut;
use common::decode::{block, decoder, fixtures};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyhound::address::Address;
use keyhound::config::Plan;
use keyhound::frame::LinesCodec;
use keyhound::json::Reader;
use keyhound::networks::Networks;
use keyhound::normalise::clients::client;
use keyhound::record::{Batch, Mark, Run};
use keyhound::shard::{Input, Shard};
use keyhound::time::{MINUTE, Timestamp};
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio_util::codec::Decoder as _;

const RECORDS: u64 = 20_000;

fn canonical() -> Vec<u8> {
    let mut text = Vec::new();
    common::write_records(&mut text, RECORDS, 1000).unwrap();
    text
}

/// The same records with their fields in the order of the alphabet and an escape in each: no short cut fits.
fn shuffled(text: &[u8]) -> Vec<u8> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let shuffle = |(number, line): (usize, &[u8])| {
        let record: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).unwrap();
        let mut members: Vec<String> =
            record.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        members.rotate_left(number % 7);
        format!("{{{}}}\n", members.join(if number % 2 == 0 { "," } else { " , " })).into_bytes()
    };
    lines.enumerate().flat_map(shuffle).collect()
}

fn framing(c: &mut Criterion) {
    let text = canonical();
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("lines", |b| {
        b.iter_batched(
            || BytesMut::from(&text[..]),
            |mut buffer| {
                let mut codec = LinesCodec::new(1 << 20);
                let blocks = std::iter::from_fn(|| codec.decode(&mut buffer).unwrap());
                black_box(blocks.map(|block| block.lines().count()).sum::<usize>())
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn decoding(c: &mut Criterion) {
    let plan = Plan::default_plan().unwrap();
    let text = canonical();
    let other = shuffled(&text);
    let mut inputs = vec![
        ("canonical".to_owned(), block(text)),
        ("canonical, every record laid out otherwise".to_owned(), block(other)),
        ("stolen-key.jsonl".to_owned(), block(std::fs::read("config/examples/stolen-key.jsonl").unwrap())),
    ];
    inputs.extend(fixtures(&plan));
    let mut group = c.benchmark_group("decode");
    for (name, block) in inputs {
        let mut decoder = decoder(&plan);
        group.throughput(Throughput::Bytes(block.bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| black_box(decoder.block(&block, Timestamp::MAX))));
    }
    group.finish();
}

fn skipping(c: &mut Criterion) {
    let line = std::fs::read("tests/formats/litellm/in").unwrap();
    let line = line.split(|&byte| byte == b'\n').next().unwrap();
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("skip a LiteLLM record", |b| {
        b.iter(|| {
            let mut reader = Reader::new(black_box(line));
            reader.skip();
            reader.finish()
        });
    });
    group.finish();
}

/// What every text costs that no cache knows: identifiers of requests above all.
fn redacting(c: &mut Criterion) {
    let redactor = &Plan::default_plan().unwrap().rulebook.redactor;
    let mut group = c.benchmark_group("redact");
    for (name, text) in [
        ("short id", "req_97364688016c"),
        ("long id", "chatcmpl-BXq0vT7mZr3kLw9yHs2uCd8nEa5f"),
        ("UUID", "0b5c1c52-7a3b-4c1e-9d2f-0123456789ab"),
        ("hash", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("client", "OpenAI/Python 1.99.0 (Linux 6.8.0; x86_64) httpx/0.27.0"),
        ("endpoint", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
        ("base64 of JSON", "eyJ1c2VyIjoiYWxpY2UiLCJ0ZWFtIjoicmVzZWFyY2giLCJlbnYiOiJwcm9kIn0="),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| redactor.finds(black_box(text.as_bytes()))));
    }
    group.finish();
}

/// When the watermark moves while these records pass.
fn marks(batch: &Batch) -> Vec<Mark> {
    let mark = |&(at, minute): &(u32, i64)| Mark { at, watermark: Timestamp((minute - 45) * MINUTE) };
    batch.minutes.iter().map(mark).collect()
}

fn judging(c: &mut Criterion) {
    let plan = Plan::default_plan().unwrap();
    let batch = Arc::new(decoder(&plan).block(&block(canonical()), Timestamp::MAX));
    let marks = marks(&batch);
    let runs = [Run { range: 0..batch.records.len(), batch }];
    let mut group = c.benchmark_group("shard");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("31 days of 1000 keys", |b| {
        b.iter_batched(
            || Shard::new(Arc::clone(&plan.shard), 0, 1, false),
            |mut shard| black_box(shard.apply(&Input::Records { runs: &runs, marks: &marks })),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// Half a million ranges of made-up networks, and addresses all over them.
fn networks(c: &mut Criterion) {
    const RANGES: u32 = 500_000;
    let mut table = String::new();
    for number in 0..RANGES {
        // Four thousand addresses each, of which the last are nobody's.
        let first = 0x0b00_0000 + number * 4096;
        let (first, last) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(first + 4000));
        let asn = 1 + number * 7919 % 80_000;
        writeln!(table, "{first}\t{last}\t{asn}\tDE\tExample Network {asn}").unwrap();
    }
    let load = || Networks::load([("made up".to_owned(), table.as_bytes())]).unwrap();
    let networks = load();
    let address = |number: u32| {
        Address::from(IpAddr::from(Ipv4Addr::from_bits(
            0x0b00_0000 + number.wrapping_mul(0x9e37_79b9) % (RANGES * 4096),
        )))
    };
    let addresses: Vec<Address> = (0..10_000).map(address).collect();
    println!("networks: {} bytes in memory", networks.bytes());
    let mut group = c.benchmark_group("networks");
    group.throughput(Throughput::Elements(addresses.len() as u64));
    group.bench_function("find", |b| {
        b.iter(|| addresses.iter().map(|&address| networks.find(black_box(address)).asn).max());
    });
    group.throughput(Throughput::Elements(RANGES.into()));
    group.sample_size(10);
    group.bench_function("load", |b| b.iter(|| black_box(load())));
    group.finish();
}

fn clients(c: &mut Criterion) {
    let mut group = c.benchmark_group("clients");
    for text in [
        "OpenAI/Python 1.99.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    ] {
        group.bench_function(text, |b| b.iter(|| client(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, framing, decoding, skipping, redacting, judging, networks, clients);
criterion_main!(benches);
