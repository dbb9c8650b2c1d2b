//! `labels.json` of the detection benchmark: thefts, and per key its population, scored stretch and changes.

use super::labels::{Change, LabelError, Labels, Scored, Theft, instant};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Document {
    instances: Vec<Instance>,
    keys: BTreeMap<String, Key>,
}

#[derive(Deserialize)]
struct Instance {
    key: String,
    family: String,
    onset: String,
    end: String,
}

#[derive(Deserialize)]
struct Key {
    population: String,
    scored: [String; 2],
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    class: String,
    start: String,
    end: String,
}

/// Whether a text is such a document: a line of ours is one object with a `label`.
pub(super) fn is_its(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "instances")]
        _instances: serde::de::IgnoredAny,
    }
    serde_json::from_str::<Head>(text).is_ok()
}

pub(super) fn parse(file: &str, text: &str) -> Result<Labels, LabelError> {
    let told = |line, what| LabelError { file: file.to_owned(), line, what };
    let Document { instances, keys } =
        serde_json::from_str(text).map_err(|error| told(error.line(), error.to_string()))?;
    let mut labels = Labels::default();
    let mut read = || {
        for Instance { key, family, onset, end } in &instances {
            let (start, end) = (instant("onset", onset)?, instant("end", end)?);
            let (key, class) = (key.clone(), family.clone());
            labels.thefts.push(Theft { key, class, start, end, requests: None });
        }
        for (name, Key { population, scored: [start, end], events }) in &keys {
            let (start, end) = (instant("scored", start)?, instant("scored", end)?);
            labels.scored.insert(name.clone(), Scored { population: population.clone(), start, end });
            for Event { class, start, end } in events {
                let (start, end) = (instant("start", start)?, instant("end", end)?);
                labels.changes.push(Change { key: name.clone(), class: class.clone(), start, end });
            }
        }
        Ok(())
    };
    read().map_err(|what: String| told(1, what))?;
    Ok(labels)
}
