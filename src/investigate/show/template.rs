//! The report by somebody's own template.

use crate::backtest::{dollars, duration};
use crate::investigate::report::Report;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};

/// Fills a template with what the JSON of the report has. Names that are not there are errors: a report with a hole in it is
/// worse than none. Nothing is escaped but where the template says so (`|escape`); no other file is read.
pub fn template(text: &str, report: &Report) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("dollars", dollars);
    environment.add_filter("duration", duration);
    environment.set_fuel(Some(50_000_000));
    let mut filled = environment.render_str(text, Serde(report))?;
    // The template's last line is a line, which Jinja does not keep.
    if text.ends_with('\n') {
        filled.push('\n');
    }
    Ok(filled)
}
