//! What a person reads in a chat: the same words for all chats, without the marks of any.

use super::carrier::{Batch, short};
use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, acknowledges};
use crate::config::SinkPlan;
use crate::encode::{View, Visible, facts, headline};
use crate::shard::Event;

/// What is said of an event.
pub struct Message {
    /// The first line.
    pub title: String,
    /// The sentence.
    pub text: String,
    /// What is known, by name.
    pub facts: Vec<(&'static str, String)>,
    /// What to do.
    pub steps: Vec<String>,
}

/// A sentence and a fact are not longer than this.
const TEXT_MAX: usize = 1000;
const FACT_MAX: usize = 200;

impl Message {
    /// Of an event.
    pub fn of(view: &View<'_>) -> Self {
        let shown = |text: &str, max| short(&Visible(text).to_string(), max);
        let steps = if view.is_over { &[][..] } else { view.next_steps };
        // What a detector looks for in general is said at length; its name is what people look up.
        let what = if view.event == "alert" { view.rule } else { view.title };
        Self {
            title: format!("{}: {what}", headline(view)),
            text: shown(view.description, TEXT_MAX),
            facts: facts(view).into_iter().map(|(name, value)| (name, shown(&value, FACT_MAX))).collect(),
            steps: (1..).zip(steps).map(|(number, step)| format!("{number}. {step}")).collect(),
        }
    }

    /// In lines.
    pub fn lines(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines =
            [self.title.clone(), self.text.clone()].into_iter().chain(facts).chain(self.steps.clone());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The body of a request with one event in it.
pub fn only(batch: &Batch) -> bytes::Bytes {
    batch.parcels.first().map(|parcel| parcel.bytes.clone()).unwrap_or_default()
}

/// A channel that an address of its own leads to, which says who may write there: an incoming webhook.
pub const fn webhook(
    name: &'static str,
    summary: &'static str,
    hosts: &'static [&'static str],
    write: fn(&SinkPlan, &Event, &mut Vec<u8>),
) -> Kind {
    Kind {
        name,
        summary,
        settings: &["url_file", "hosts", "ca_file"],
        required: &["url_file"],
        encodings: &[],
        url: "",
        hosts,
        scheme: "",
        batch_max: 1,
        lasts: false,
        hears: acknowledges,
        write,
        open: |plan, _| Web::open(plan, &SHAPE),
    }
}

static SHAPE: Shape =
    Shape { draft: |_, batch, _| Draft::new("application/json", only(batch)), judge: Reply::judged };
