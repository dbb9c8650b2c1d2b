//! Numbers at every limit, in the place of every number of every fixture: what cannot be is rejected, with its field and
//! itself, or not read at all. It never becomes another number, and never a record without it.

use keyhound::config::Plan;
use keyhound::decode::{Decoder, Settings};
use keyhound::frame::Block;
use keyhound::record::{Batch, Kind};
use keyhound::time::Timestamp;
use std::collections::BTreeSet;
use std::ops::Range;

/// Numbers that no count, no amount of money and no status can be.
const BEYOND: &[&str] = &[
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1E+400",
    "123456789012345678901234567890",
    "-9223372036854775808",
    "-9223372036854775809",
    "-1e308",
    "-123456789012345678901234567890",
];
/// Of these a count may be none, but money is; or the other way round.
const ODD: &[&str] =
    &["-1", "-0.5", "0.000000000000000000001", "1e-400", "0", "-0", "1e3", "1000.000", "1e12", "12e-1"];

/// The numbers of a JSON text, those that stand in quotes among them.
fn numbers(text: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        if text[at] == b'"' {
            let start = at + 1;
            at = start;
            while at < text.len() && text[at] != b'"' {
                at += 1 + usize::from(text[at] == b'\\');
            }
            let inside = &text[start.min(text.len())..at.min(text.len())];
            let is_number = std::str::from_utf8(inside).is_ok_and(|text| text.parse::<f64>().is_ok());
            let is_name = text[at.min(text.len())..].get(1) == Some(&b':');
            if is_number && !is_name && inside[0].is_ascii_digit() {
                found.push(start..at);
            }
            at += 1;
        } else if text[at].is_ascii_digit() || text[at] == b'-' {
            let start = at;
            let goes_on = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            at += text[at..].iter().take_while(|byte| goes_on(byte)).count();
            found.push(start..at);
        } else {
            at += 1;
        }
    }
    found
}

/// Everything counted, with or without the status.
fn counted(batch: &Batch, with_status: bool) -> Vec<String> {
    let records = batch.records.iter();
    records
        .map(|record| {
            let cost = if record.kind == Kind::Invoice { String::new() } else { record.cost.0.to_string() };
            let status = if with_status { record.status } else { 0 };
            format!("{:?} {} {status} {cost}", record.tokens, record.requests)
        })
        .collect()
}

/// Whether nothing but the status is another one, and that is what requests have that tell none.
fn tells_no_status(batch: &Batch, usual: &[String]) -> bool {
    counted(batch, false) == usual
        && batch.records.iter().all(|record| matches!(record.status, 0 | 200 | 499 | 500))
}

fn decode(decoder: &mut Decoder, text: &[u8]) -> Batch {
    decoder.block(&Block { bytes: text.to_vec().into(), ..Block::default() }, Timestamp::MAX)
}

#[test]
fn no_number_becomes_another() {
    let rulebook = Plan::default_plan().unwrap().rulebook;
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
    let mut decoder = Decoder::new(settings);
    let (mut wrong, mut tried, mut rejected, mut seen) = (Vec::new(), 0, 0, BTreeSet::new());
    let mut folders: Vec<_> =
        std::fs::read_dir("tests/formats").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let text = std::fs::read(folder.join("in")).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for line in
            text.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{") || line.starts_with(b"["))
        {
            let usual = decode(&mut decoder, line);
            if usual.records.is_empty() || !usual.rejects.is_empty() {
                continue;
            }
            let (usual, without) = (counted(&usual, true), counted(&usual, false));
            for place in numbers(line) {
                // One of each name is enough.
                let names = line[..place.start].rsplit(|&byte| byte == b'"').take(3);
                if !seen.insert((name.clone(), names.collect::<Vec<_>>().concat())) {
                    continue;
                }
                for (number, is_beyond) in
                    BEYOND.iter().map(|number| (number, true)).chain(ODD.iter().map(|number| (number, false)))
                {
                    let changed = [&line[..place.start], number.as_bytes(), &line[place.end..]].concat();
                    let batch = decode(&mut decoder, &changed);
                    tried += 1;
                    rejected += usize::from(!batch.rejects.is_empty());
                    for reject in &batch.rejects {
                        let says_what = [&*reject.field, &reject.value, &reject.frame]
                            .iter()
                            .any(|text| !text.is_empty());
                        let is_told = says_what && !reject.message.is_empty();
                        if !is_told {
                            wrong.push(format!("{name}: {number}: {reject:?}"));
                        }
                    }
                    let same = counted(&batch, true);
                    if is_beyond
                        && batch.rejects.is_empty()
                        && same != usual
                        && !tells_no_status(&batch, &without)
                    {
                        let before =
                            String::from_utf8_lossy(&line[place.start.saturating_sub(50)..place.start]);
                        wrong.push(format!("{name}: …{before}{number}: {same:?}, before {usual:?}"));
                    }
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert!(tried > 3_000 && rejected > 500, "{tried} {rejected}");
}
