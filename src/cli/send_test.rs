//! `keyhound check --send-test`: does anything arrive?

use super::{Failure, clean, exit, print};
use crate::config::SinkPlan;
use crate::detect::{Alert, Status};
use crate::encode::Visible;
use crate::engine::clock::now;
use crate::engine::meaning;
use crate::shard::Event;
use crate::sink::carrier::{Answer, Batch, Parcel};
use anyhow::anyhow;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Sends a test to the sink of this name, or to all, and says what came of it.
pub(super) fn main(sinks: &[Arc<SinkPlan>], name: Option<&str>) -> Result<ExitCode, Failure> {
    let known = || sinks.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>().join(", ");
    let wanted: Vec<&Arc<SinkPlan>> =
        sinks.iter().filter(|sink| name.is_none_or(|name| name == sink.name)).collect();
    if wanted.is_empty() {
        let error = match name {
            Some(name) if !sinks.is_empty() => anyhow!("no sink is called `{name}`; there are {}", known()),
            _ => anyhow!("there is no sink to send a test to: the configuration has no `[sinks.NAME]`"),
        };
        return Err(Failure::new(exit::USAGE, error));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let (mut text, mut is_well) = (String::new(), true);
    for sink in wanted {
        let answer = runtime.block_on(send(sink))?;
        is_well &= answer == Answer::Taken;
        let what = match answer {
            Answer::Taken => "has taken the test".to_owned(),
            answer => meaning(&answer, &sink.place),
        };
        let line = clean(&format!("sink `{}` ({}, {}) {what}", sink.name, sink.form(), sink.shown()));
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{}", Visible(&line));
    }
    print(&text)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(exit::UNAVAILABLE) })
}

/// One test; where it would stay open, its end, too.
async fn send(sink: &Arc<SinkPlan>) -> Result<Answer, Failure> {
    let mut carrier = (sink.kind.open)(sink, None).map_err(|error| Failure::new(exit::CONFIG, error))?;
    let test = Alert::test(now());
    let is_over = Alert { revision: 1, status: Status::Final, ..test.clone() };
    for alert in [test, is_over].into_iter().take(if sink.kind.lasts { 2 } else { 1 }) {
        let event = Event::Alert(alert);
        let mut bytes = Vec::new();
        (sink.kind.write)(sink, &event, &mut bytes);
        let batch = Batch {
            key: blake3::hash(&bytes).to_hex()[..32].to_owned(),
            parcels: vec![Parcel { name: event.name(), bytes: bytes.into() }],
        };
        let answer = carrier.carry(&batch, now()).await;
        if answer != Answer::Taken {
            return Ok(answer);
        }
    }
    Ok(Answer::Taken)
}
