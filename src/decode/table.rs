//! The table of formats: what each is called, how its frames are told from others, and how they are read.

use super::draft::{Draft, Read};
use super::map::Map;
use super::{
    Frame, access_log, anthropic_activity, anthropic_cost, anthropic_usage, apim, azure_openai, bedrock,
    canonical, cloudflare, cloudtrail, csv, envoy_ai, gcp_audit, helicone, kong, langfuse, litellm_daily,
    litellm_payload, litellm_spend, openai_audit, openai_costs, openai_usage, openrouter,
    openrouter_activity, otel, otel_metrics, portkey, vertex_log,
};
use crate::frame::shape::Shape;
use std::borrow::Cow;

/// A record format: of the program, or of a configuration.
pub struct Format {
    /// Its name on the command line and in tables.
    pub name: Cow<'static, str>,
    /// What operators read about it.
    pub summary: Cow<'static, str>,
    /// How a frame of it is told from others.
    pub sniff: Sniff,
    /// How a frame of it is read.
    pub read: How,
}

/// How a frame is recognised.
pub enum Sniff {
    /// By this test.
    By(fn(&Shape<'_>) -> bool),
    /// By names at the top level of an object, all of which must be there.
    Has(Vec<String>),
}

/// How a frame is read.
pub enum How {
    /// By code, which hands every record of the frame, or what is wrong with it, to its second argument.
    By(fn(&Frame<'_>, &Shape<'_>, Emit<'_>)),
    /// By a map of its fields.
    Map(Map),
}

/// Where a format puts what it read.
pub type Emit<'e> = &'e mut dyn for<'d> FnMut(Read<&Draft<'d>>);

impl Format {
    /// A format of the program.
    pub(super) fn new(
        name: &'static str,
        summary: &'static str,
        sniff: fn(&Shape<'_>) -> bool,
        read: How,
    ) -> Self {
        Self { name: name.into(), summary: summary.into(), sniff: Sniff::By(sniff), read }
    }

    /// Whether a frame of this shape is of this format.
    pub fn claims(&self, shape: &Shape<'_>) -> bool {
        match &self.sniff {
            Sniff::By(test) => test(shape),
            Sniff::Has(names) => !names.is_empty() && names.iter().all(|name| shape.has(name)),
        }
    }

    /// Hands every record of the frame, or what is wrong with it, to `emit`.
    pub fn decode(&self, frame: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
        match &self.read {
            How::By(decode) => decode(frame, shape, emit),
            How::Map(map) => map.decode(shape, emit),
        }
    }
}

/// All formats, in the order in which they are tried.
pub struct Formats(Vec<Format>);

impl Formats {
    /// The formats of the program.
    pub fn builtin() -> Self {
        Self::with(Vec::new())
    }

    /// The formats of the program and, before them, those of a configuration.
    pub fn with(own: Vec<Format>) -> Self {
        let ours = [
            canonical::format(),
            litellm_payload::format(),
            litellm_spend::format(),
            openrouter::format(),
            otel::format(),
            otel_metrics::format(),
            cloudflare::format(),
            kong::format(),
            envoy_ai::format(),
            langfuse::format(),
            helicone::format(),
            portkey::format(),
            access_log::format(),
            cloudtrail::format(),
            bedrock::format(),
            openai_usage::format(),
            openai_costs::format(),
            openai_audit::format(),
            anthropic_usage::format(),
            anthropic_cost::format(),
            anthropic_activity::format(),
            litellm_daily::format(),
            openrouter_activity::format(),
            azure_openai::format(),
            apim::format(),
            gcp_audit::format(),
            vertex_log::format(),
            csv::format(),
        ];
        let mut all = own;
        all.extend(ours);
        Self(all)
    }

    /// The format of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|format| format.name == name)
    }

    /// The format at this place.
    pub fn get(&self, at: usize) -> Option<&Format> {
        self.0.get(at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Format> {
        self.0.iter()
    }
}
