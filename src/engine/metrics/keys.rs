//! Series of single keys: as many as there are places for, and one for all others.

use super::Page;
use crate::detect::Severity;
use crate::encode::Visible;
use crate::engine::roster::Shown;
use crate::shard::{Standing, Sums};
use prometheus::{GaugeVec, IntGaugeVec, Opts};

/// What all keys together are called that have no series of their own.
const OTHER: &str = "other";
/// So many digits of a fingerprint tell keys apart that look alike.
const DIGITS: usize = 8;

/// A key in a label: what may be shown of it, and how its fingerprint begins.
fn label(key: &Standing) -> String {
    let id = key.id.to_string();
    format!("{}/{}", Visible(&key.hint), &id[..DIGITS])
}

impl Page {
    pub(super) fn keys(&self, shown: &Shown) -> Result<(), prometheus::Error> {
        let labels: Vec<String> = shown.keys.iter().map(label).collect();
        let keys = || labels.iter().map(String::as_str).zip(&shown.keys);
        let sums: Vec<(&str, &Sums)> =
            keys().map(|(label, key)| (label, &key.sums)).chain([(OTHER, &shown.others)]).collect();
        let help = "Dollars of a key since it is known, its history included.";
        self.by_key("keyhound_key_cost_usd", help, sums.iter().map(|(key, sums)| (*key, sums.cost.usd())))?;
        let help = "Dollars of a key on its newest day that is not over.";
        let days = sums.iter().map(|(key, sums)| (*key, sums.day_cost.usd()));
        self.by_key("keyhound_key_day_cost_usd", help, days)?;
        let help = "Dollars of a typical day of a key that has a baseline.";
        let usual = keys().filter_map(|(label, key)| Some((label, key.usual?.usd())));
        self.by_key("keyhound_key_typical_day_cost_usd", help, usual)?;
        let help = "The last use of a key, in seconds since 1970.";
        let last = keys().map(|(label, key)| (label, key.last.as_secs_f64()));
        self.by_key("keyhound_key_last_use_timestamp_seconds", help, last)?;
        let requests =
            Opts::new("keyhound_key_requests", "Requests of a key since it is known, its history included.");
        let requests = IntGaugeVec::new(requests, &["key"])?;
        let incidents =
            IntGaugeVec::new(Opts::new("keyhound_key_incidents_open", "Open incidents of a key."), &["key"])?;
        let alerts = Opts::new("keyhound_key_alerts_open", "Alerts of a key's days that are not over.");
        let alerts = IntGaugeVec::new(alerts, &["key", "severity"])?;
        for (key, Sums { requests: count, open, .. }) in sums {
            requests.with_label_values(&[key]).set(i64::try_from(*count).unwrap_or(i64::MAX));
            incidents.with_label_values(&[key]).set(open.all_incidents().into());
            for severity in Severity::ALL {
                alerts.with_label_values(&[key, severity.label()]).set(open.alerts_of(severity).into());
            }
        }
        for gauges in [requests, incidents, alerts] {
            self.registry.register(Box::new(gauges))?;
        }
        let help =
            "How often a key was to have series of its own for which there was no place (metrics.keys_max).";
        self.counter("keyhound_metric_series_dropped_total", help, shown.dropped)
    }

    fn by_key<'a>(
        &self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<(), prometheus::Error> {
        let gauges = GaugeVec::new(Opts::new(name, help), &["key"])?;
        values.into_iter().for_each(|(key, value)| gauges.with_label_values(&[key]).set(value));
        self.registry.register(Box::new(gauges))
    }
}
