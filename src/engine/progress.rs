//! The progress bar: for people who wait at a terminal for a finite input.

use super::totals::Totals;
use crate::detect::Status;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error, or nothing.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Nothing.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A bar for inputs of this many bytes on disk.
    pub fn of(bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
        let style = "{bar:24} {bytes}  {msg}  {elapsed}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Some(bar))
    }

    /// Shows how far the run is.
    pub fn update(&self, totals: &Totals) {
        let Some(bar) = &self.0 else { return };
        // Compressed inputs are larger than their files: the bar then stays full until the end.
        if totals.bytes > bar.length().unwrap_or(0) {
            bar.set_length(totals.bytes);
        }
        bar.set_position(totals.bytes);
        let seconds = bar.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)]
        let rate = if seconds > 0.0 { totals.read() as f64 / seconds } else { 0.0 };
        let watermark = totals.watermark.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let alerts = totals.alerts_with(Status::Open);
        bar.set_message(format!(
            "{} records  {rate:.0}/s  up to {watermark}  {alerts} alerts",
            totals.read()
        ));
    }

    /// Makes room for other output: takes the bar off its line.
    pub fn hide(&self) {
        if self.0.as_ref().is_some_and(|bar| !bar.is_hidden()) {
            eprint!("\r\x1b[2K");
        }
    }

    /// Comes back after other output.
    pub fn show(&self) {
        if let Some(bar) = &self.0 {
            bar.tick();
        }
    }

    /// Goes away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
