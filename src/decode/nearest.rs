//! Which format a frame comes nearest to that none claims, and what it lacks: a hint for whoever sent it.

use super::canonical;
use super::draft::Fault;
use super::table::{Format, Formats};
use crate::frame::shape::Shape;
use crate::record::Reason;
use ahash::RandomState;
use hashbrown::HashMap;
use std::fmt;

/// Names in common that it takes at least: one alone may be anybody's.
const COMMON_MIN: usize = 2;

/// Which formats know a name at the top level of a frame: their places in the table.
pub(super) struct Names(HashMap<Vec<u8>, Vec<usize>, RandomState>);

/// The format that a frame comes nearest to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Near<'f> {
    /// Its name.
    pub(super) format: &'f str,
    /// The names without which it does not claim the frame; empty where more than names is missing.
    pub(super) missing: Vec<&'f str>,
}

impl Names {
    pub(super) fn of(formats: &[Format]) -> Self {
        let mut names: HashMap<Vec<u8>, Vec<usize>, RandomState> = HashMap::default();
        for (at, format) in formats.iter().enumerate() {
            for name in format.names() {
                let known = names.entry_ref(name).or_default();
                // A name that a format reads in two places is one name.
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
        }
        Self(names)
    }

    /// How many names of the frame each format knows.
    fn common(&self, shape: &Shape<'_>, formats: usize) -> Vec<usize> {
        let mut common = vec![0; formats];
        for (name, _) in shape.members() {
            for at in self.0.get(name).into_iter().flatten() {
                common[*at] += 1;
            }
        }
        common
    }
}

/// The nearest format: the one that knows most names of the frame; of several the one that lacks least, and of those
/// the one that knows fewest names in all.
pub(super) fn nearest<'f>(shape: &Shape<'_>, formats: &'f Formats) -> Option<Near<'f>> {
    let common = formats.names().common(shape, formats.len());
    let most = common.iter().copied().max().filter(|most| *most >= COMMON_MIN)?;
    let candidates = formats.iter().zip(common).filter(|(_, common)| *common == most);
    let near = |(format, _): (&'f Format, usize)| {
        let missing = missing(format, shape);
        let lacks = if missing.is_empty() { usize::MAX } else { missing.len() };
        ((lacks, format.names().count()), Near { format: &format.name, missing })
    };
    candidates.map(near).min_by_key(|(rank, _)| *rank).map(|(_, near)| near)
}

/// The one or two names that a format asks for in vain; none where that is not all it asks for.
fn missing<'f>(format: &'f Format, shape: &Shape<'_>) -> Vec<&'f str> {
    let absent: Vec<&str> = format.tells().into_iter().filter(|name| !shape.has(name)).collect();
    let would_do = |names: &[&str]| format.claims(&shape.with_names(names.iter().copied()));
    let singles = absent.iter().map(|name| vec![*name]);
    let pairs = absent
        .iter()
        .enumerate()
        .flat_map(|(at, first)| absent[at + 1..].iter().map(move |second| vec![*first, *second]));
    singles.chain(pairs).find(|names| would_do(names)).unwrap_or_default()
}

impl Near<'_> {
    /// What is told of the frame, where a record of our own format would lack what `miss` says. That another format is
    /// nearer changes what is told, and not what it is counted as.
    pub(super) fn fault(&self, miss: Option<Fault>, text: &[u8]) -> Fault {
        match miss {
            Some(miss) if self.format == canonical::NAME || !miss.is(Reason::MissingField) => miss,
            Some(_) => Fault::new(Reason::MissingField, "", text, format!("no known format; {self}")),
            None => Fault::new(Reason::Unrecognised, "", text, format!("no known format; {self}")),
        }
    }
}

impl fmt::Display for Near<'_> {
    /// ``nearest is `litellm_spend`, in which `call_type` is missing``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.missing[..] {
            [] => write!(f, "nearest is `{}`, see docs/formats.md", self.format),
            [name] => write!(f, "nearest is `{}`, of which `{name}` is missing", self.format),
            names => {
                let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
                write!(f, "nearest is `{}`, of which {names} are missing", self.format)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let formats = Formats::builtin();
        nearest(&Shape::of(text.as_bytes(), false).unwrap(), &formats).map(|near| near.to_string())
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, expected) in [
            (
                r#"{"request_id":"r","spend":1,"api_key":"k","startTime":1,"model":"m","prompt_tokens":1}"#,
                Some("nearest is `litellm_spend`, of which `call_type` is missing"),
            ),
            (
                r#"{"eventTime":"t","eventSource":"s","userIdentity":{},"sourceIPAddress":"a"}"#,
                Some("nearest is `cloudtrail`, of which `eventName` is missing"),
            ),
            (
                r#"{"sourceIPAddress":"a","userAgent":"u","requestID":"r","eventTime":"t"}"#,
                Some("nearest is `cloudtrail`, of which `eventSource` and `eventName` are missing"),
            ),
            (
                r#"{"starting_at":1,"ending_at":2,"results":[{"amount":"1"}]}"#,
                Some("nearest is `anthropic_cost`, see docs/formats.md"),
            ),
            (r#"{"level":"info","msg":"started"}"#, None),
            (r#"{"model":"m","pid":1}"#, None),
            ("{}", None),
        ] {
            assert_eq!(told(text).as_deref(), expected, "{text}");
        }
    }

    /// Formats that are told by what a member says as well, so that no name alone makes them claim a frame.
    const TOLD_BY_VALUES: &[&str] =
        &["openai_usage", "openai_costs", "azure_openai", "apim", "anthropic_cost", "litellm_activity"];

    #[test]
    fn every_format_names_what_it_is_told_by() {
        for format in Formats::builtin().iter().filter(|format| format.name != "csv") {
            let nothing = Shape::of(b"{}", false).unwrap();
            let all = nothing.with_names(format.tells());
            let by_values = TOLD_BY_VALUES.contains(&&*format.name);
            assert_eq!(format.claims(&all), !by_values, "{}", format.name);
            assert!(!format.tells().is_empty(), "{}", format.name);
        }
    }
}
