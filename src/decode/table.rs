//! The table of formats: what each is called, how its frames are told from others, and how they are read.

use super::carries::{Carries, Counts, Fields};
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::Map;
use super::nearest::Names;
use super::{
    Frame, access_log, anthropic_activity, anthropic_cost, anthropic_usage, apim, azure_openai, bedrock,
    canonical, cloudflare, cloudtrail, csv, envoy_ai, gcp_audit, helicone, kong, langfuse, litellm_activity,
    litellm_daily, litellm_payload, litellm_spend, map, openai_audit, openai_costs, openai_usage, openrouter,
    openrouter_activity, otel, otel_metrics, portkey, probe, statement, vertex_log,
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
    /// What its records can ever tell.
    pub carries: Carries,
    /// The names at the top level that its test asks for, the usual ones of several first.
    told_by: &'static [&'static str],
    /// Names at the top level that it reads besides, where no map tells.
    reads: &'static [&'static str],
}

/// How a frame is recognised.
pub enum Sniff {
    /// By this test.
    By(fn(&Shape<'_>) -> bool),
    /// By names at the top level of an object, all of which must be there.
    Has(Vec<String>),
}

/// How a frame is read.
#[allow(clippy::large_enum_variant, reason = "some thirty of them, in one table")]
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
        Self::of(name.into(), summary.into(), Sniff::By(sniff), read)
    }

    /// A format that a configuration maps, told from others by names which all have to be there.
    pub fn of_map(name: &str, summary: &'static str, when: Vec<String>, map: Map) -> Self {
        Self::of(name.to_owned().into(), summary.into(), Sniff::Has(when), How::Map(map))
    }

    fn of(name: Cow<'static, str>, summary: Cow<'static, str>, sniff: Sniff, read: How) -> Self {
        let fields = match &read {
            How::By(_) => Fields::NONE,
            How::Map(map) => map.fields(),
        };
        let mut format = Self {
            name,
            summary,
            sniff,
            read,
            carries: Carries { fields, counts: &[Counts::Requests] },
            told_by: &[],
            reads: &[],
        };
        // Whatever has an end is a bucket.
        if fields.has(Field::End) {
            format.carries.counts = &[Counts::Requests, Counts::Buckets];
        }
        format
    }

    /// The same, which carries these fields besides those of its map.
    #[must_use]
    pub(super) fn carrying(mut self, fields: &[Field]) -> Self {
        self.carries.fields = fields.iter().fold(self.carries.fields, |all, field| all.with(*field));
        self
    }

    /// The same, which counts something else than requests, or that as well.
    #[must_use]
    pub(super) fn counting(mut self, counts: &'static [Counts]) -> Self {
        self.carries.counts = counts;
        self
    }

    /// The same, told from others by these names; of those that stand for each other the usual one comes first.
    #[must_use]
    pub(super) fn told_by(mut self, names: &'static [&'static str]) -> Self {
        self.told_by = names;
        self
    }

    /// The same, which reads these names as well.
    #[must_use]
    pub(super) fn reading(mut self, names: &'static [&'static str]) -> Self {
        self.reads = names;
        self
    }

    /// The names that its test asks for.
    pub(super) fn tells(&self) -> Vec<&str> {
        match &self.sniff {
            Sniff::By(_) => self.told_by.to_vec(),
            Sniff::Has(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// All names at the top level of a frame that it knows.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let mapped = match &self.read {
            How::By(_) => None,
            How::Map(map) => Some(map.names()),
        };
        let named = self.tells().into_iter().chain(self.reads.iter().copied()).map(str::as_bytes);
        named.chain(mapped.into_iter().flatten())
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
        self.decode_like(frame, shape, (0, &mut map::Layouts::default()), emit);
    }

    /// The same where others have been read before: `layouts` are those of maps, of which this is the `at`-th format.
    pub(super) fn decode_like(
        &self,
        frame: &Frame<'_>,
        shape: &Shape<'_>,
        (at, layouts): (usize, &mut map::Layouts),
        emit: Emit<'_>,
    ) {
        match &self.read {
            How::By(decode) => decode(frame, shape, emit),
            How::Map(map) => map.decode(shape, (at, layouts), emit),
        }
    }
}

/// All formats, in the order in which they are tried.
pub struct Formats {
    all: Vec<Format>,
    names: Names,
}

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
            litellm_activity::format(),
            openrouter_activity::format(),
            azure_openai::format(),
            apim::format(),
            gcp_audit::format(),
            vertex_log::format(),
            statement::format(),
            probe::format(),
            csv::format(),
        ];
        let mut all = own;
        all.extend(ours);
        let names = Names::of(&all);
        Self { all, names }
    }

    /// The format of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|format| format.name == name)
    }

    /// The format at this place.
    pub fn get(&self, at: usize) -> Option<&Format> {
        self.all.get(at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// True where there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Who knows which names.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Format> {
        self.all.iter()
    }
}
