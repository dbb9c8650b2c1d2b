//! What is asked: an address from a description, a window and the place among the pages.

use super::describe::{By, Description, Endpoint, Texts, TimeFormat};
use super::fault::Fault;
use super::window::Span;
use crate::net::address::escape;
use crate::time::{SECOND, Timestamp};
use hyper::Uri;
use std::collections::BTreeMap;

/// Which page is next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Place {
    /// The first.
    #[default]
    First,
    /// The one that a text of the page before leads to.
    Token(String),
    /// The one at this address.
    Link(String),
    /// The one with this number, or behind so many rows.
    Number(u64),
}

/// What is asked of an endpoint in a window.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where the API is.
    pub base: &'a Uri,
    /// What it is like.
    pub description: &'a Description,
    /// What is asked.
    pub endpoint: &'a Endpoint,
    /// Parameters of the width of buckets.
    pub width: Option<&'a BTreeMap<String, Texts>>,
    /// From when to when.
    pub span: Span,
    /// Of which row of another endpoint, where it is asked for each.
    pub parent: Option<&'a str>,
}

impl Question<'_> {
    /// The address of a page.
    pub fn address(&self, place: &Place) -> Result<Uri, Fault> {
        if let Place::Link(link) = place {
            return self.beside(link);
        }
        let mut target = self.base.path().trim_end_matches('/').to_owned();
        match (self.endpoint.path.split_once("{}"), self.parent) {
            (Some((before, after)), Some(parent)) => {
                target.push_str(before);
                escape(parent, &mut target);
                target.push_str(after);
            }
            _ => target.push_str(&self.endpoint.path),
        }
        let mut mark = '?';
        for (name, value) in self.parameters(place) {
            target.push(mark);
            escape(&name, &mut target);
            target.push('=');
            escape(&value, &mut target);
            mark = '&';
        }
        self.at(&target)
    }

    fn at(&self, target: &str) -> Result<Uri, Fault> {
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|_| Fault::NoAddress)?);
        Uri::from_parts(parts).map_err(|_| Fault::NoAddress)
    }

    /// An address that an answer names: a path, or a whole one of the same host, for the key goes there too.
    fn beside(&self, link: &str) -> Result<Uri, Fault> {
        if link.starts_with('/') && !link.starts_with("//") {
            return self.at(link);
        }
        let url: Uri = link.parse().map_err(|_| Fault::NoAddress)?;
        let is_same = url.scheme() == self.base.scheme() && url.authority() == self.base.authority();
        if is_same { Ok(url) } else { Err(Fault::Elsewhere) }
    }

    fn parameters(&self, place: &Place) -> Vec<(String, String)> {
        let mut query: BTreeMap<&str, &Texts> = BTreeMap::new();
        for (name, texts) in self.description.query.iter().chain(self.width.into_iter().flatten()) {
            query.insert(name, texts);
        }
        query.extend(self.endpoint.query.iter().map(|(name, texts)| (name.as_str(), texts)));
        let mut all: Vec<(String, String)> = Vec::new();
        let (time, paging) = (&self.description.time, &self.description.paging);
        let end = match (time.inclusive, time.format) {
            (false, _) => self.span.to,
            (true, _) => self.span.to.minus(SECOND).max(self.span.from),
        };
        for (name, at) in [(&time.from, self.span.from), (&time.to, end)] {
            if !name.is_empty() {
                all.push((name.clone(), written(at, time.format)));
            }
        }
        for (name, texts) in query {
            all.extend(texts.iter().map(|text| (name.to_owned(), text.to_owned())));
        }
        if !paging.size_parameter.is_empty() {
            all.push((paging.size_parameter.clone(), paging.size.to_string()));
        }
        let which = match (place, paging.by) {
            (Place::Token(token), _) => Some(token.clone()),
            (Place::Number(number), _) => Some(number.to_string()),
            (Place::First, By::Page) => Some(paging.first.to_string()),
            _ => None,
        };
        all.extend(which.map(|which| (paging.parameter.clone(), which)));
        all
    }
}

fn written(at: Timestamp, format: TimeFormat) -> String {
    let whole = Timestamp(at.0 - at.0.rem_euclid(SECOND));
    let text = whole.to_string();
    match format {
        TimeFormat::Rfc3339 => text,
        TimeFormat::Unix => (whole.0 / SECOND).to_string(),
        TimeFormat::UnixMs => (at.0 / 1_000_000).to_string(),
        TimeFormat::Date => text.chars().take(10).collect(),
        TimeFormat::DateTime => text.trim_end_matches('Z').replace('T', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::describe::builtin;
    use super::*;
    use crate::time::parse;

    fn asked(name: &str, endpoint: &str, place: &Place) -> String {
        asked_of(name, endpoint, place, None)
    }

    fn asked_of(name: &str, endpoint: &str, place: &Place, parent: Option<&str>) -> String {
        let all = builtin().map_err(|error| error.to_string()).unwrap();
        let description = all.iter().find(|one| one.name == name).unwrap();
        let base = if description.url.is_empty() { "http://127.0.0.1:4000/x/" } else { &description.url };
        let at = |text: &str| parse(text.as_bytes()).unwrap().at;
        let question = Question {
            base: &base.parse().unwrap(),
            description,
            endpoint: &description.endpoint[description.endpoint(endpoint).unwrap()],
            width: description.width.get(&description.default_width).map(|width| &width.query),
            span: Span { from: at("2026-06-01T00:00:00Z"), to: at("2026-06-02T00:00:00Z") },
            parent,
        };
        question.address(place).map_err(|fault| fault.to_string()).unwrap().to_string()
    }

    #[test]
    fn addresses_are_what_providers_document() {
        for (name, endpoint, place, address) in [
            (
                "openai_usage",
                "embeddings",
                Place::First,
                "https://api.openai.com/v1/organization/usage/embeddings?start_time=1780272000&end_time=1780358400\
                 &bucket_width=1m&group_by=project_id&group_by=api_key_id&group_by=model&limit=1440",
            ),
            (
                "openai_usage",
                "vector_stores",
                Place::Token("a=/b".to_owned()),
                "https://api.openai.com/v1/organization/usage/vector_stores?start_time=1780272000&end_time=1780358400\
                 &bucket_width=1m&group_by=project_id&limit=1440&page=a%3D%2Fb",
            ),
            (
                "openai_audit",
                "audit_logs",
                Place::Token("audit_log-1".to_owned()),
                "https://api.openai.com/v1/organization/audit_logs?effective_at%5Bgte%5D=1780272000\
                 &effective_at%5Blt%5D=1780358400&limit=100&after=audit_log-1",
            ),
            (
                "anthropic_cost",
                "costs",
                Place::First,
                "https://api.anthropic.com/v1/organizations/cost_report?starting_at=2026-06-01T00%3A00%3A00Z\
                 &ending_at=2026-06-02T00%3A00%3A00Z&bucket_width=1d&group_by%5B%5D=workspace_id\
                 &group_by%5B%5D=description&limit=31",
            ),
            (
                "openrouter_activity",
                "activity",
                Place::First,
                "https://openrouter.ai/api/v1/activity?date=2026-06-01",
            ),
            (
                "litellm_spend",
                "logs",
                Place::Number(2),
                "http://127.0.0.1:4000/x/spend/logs/v2?start_date=2026-06-01%2000%3A00%3A00\
                 &end_date=2026-06-02%2000%3A00%3A00&sort_by=startTime&sort_order=asc&page_size=1000&page=2",
            ),
            (
                "litellm_activity",
                "activity",
                Place::First,
                "http://127.0.0.1:4000/x/user/daily/activity?start_date=2026-06-01&end_date=2026-06-01&page_size=1000&page=1",
            ),
        ] {
            assert_eq!(asked(name, endpoint, &place), address);
        }
    }

    #[test]
    fn what_is_asked_for_each_row_of_another_has_it_in_its_path() {
        let keys = |parent| asked_of("openai_keys", "api_keys", &Place::First, Some(parent));
        let rest = "/api_keys?limit=100&owner_project_access=any";
        assert_eq!(keys("proj_a"), format!("https://api.openai.com/v1/organization/projects/proj_a{rest}"));
        // Whatever a provider calls it: it leads nowhere else.
        let odd = format!("https://api.openai.com/v1/organization/projects/a%2F..%3Fb%23{rest}");
        assert_eq!(keys("a/..?b#"), odd);
    }

    #[test]
    fn a_link_stays_on_its_host() {
        let beside = |link: &str| asked("litellm_spend", "logs", &Place::Link(link.to_owned()));
        assert_eq!(beside("/next?x=1"), "http://127.0.0.1:4000/next?x=1");
        assert_eq!(beside("http://127.0.0.1:4000/n"), "http://127.0.0.1:4000/n");
        for link in ["http://127.0.0.1:4001/n", "https://127.0.0.1:4000/n", "//example.org/n", "n"] {
            let refused = std::panic::catch_unwind(|| beside(link));
            assert!(refused.is_err(), "{link}");
        }
    }
}
