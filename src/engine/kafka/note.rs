//! An event on its way to a sink, as it stands in the topic of that sink: a line with the form that it is written in, then
//! what an outbox has of it.

use crate::config::SinkPlan;
use crate::encode::Visible;
use crate::engine::outbox;
use crate::shard::Event;

/// What every note begins with; another number is another layout of what follows.
const HEAD: &[u8] = b"keyhound 1 ";

/// A message that is not what the sink has to be told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoteError {
    /// For a sink of another form.
    #[error(
        "it waits there as `{other}`, and the sink is `{form}` now: let a process with the old setting deliver it first, or \
         give the new sink another name"
    )]
    Form {
        /// Its form.
        other: String,
        /// The sink's.
        form: String,
    },
    /// Not what it should be.
    #[error(
        "it was not written by this version of keyhound, or is damaged: let the version that wrote it deliver it; nobody else \
         may write to this topic"
    )]
    Unreadable,
}

/// An event for a sink; nothing where it does not go there.
pub fn write(plan: &SinkPlan, event: &Event) -> Option<Vec<u8>> {
    let text = outbox::text(plan, event)?;
    Some([HEAD, plan.form().as_bytes(), b"\n", &text].concat())
}

/// What an outbox has of it.
pub fn read<'a>(plan: &SinkPlan, value: &'a [u8]) -> Result<&'a [u8], NoteError> {
    let rest = value.strip_prefix(HEAD).ok_or(NoteError::Unreadable)?;
    let at = memchr::memchr(b'\n', rest).ok_or(NoteError::Unreadable)?;
    let (form, text) = (&rest[..at], &rest[at + 1..]);
    if form != plan.form().as_bytes() {
        let other = Visible(&String::from_utf8_lossy(form)).to_string();
        return Err(NoteError::Form { other, form: plan.form() });
    }
    // A name, and what is carried.
    memchr::memchr(b'\n', text).map(|_| text).ok_or(NoteError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Plan};
    use crate::detect::Alert;
    use crate::time::Timestamp;
    use std::sync::Arc;

    fn plan(own: &str) -> Arc<SinkPlan> {
        let text = format!("[sinks.x]\ntype = \"file\"\npath = \"x\"\n{own}\n");
        let config = Config::parse("k.toml", &text).unwrap();
        Arc::clone(&Plan::new(&config, "k.toml", &text).unwrap().sinks[0])
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let event = Event::Alert(Alert::test(Timestamp(1_780_000_000_000_000_000)));
        let json = plan("");
        let note = write(&json, &event).unwrap();
        let text = read(&json, &note).unwrap();
        assert!(text.starts_with(format!("{}.0\n{{", event.id()).as_bytes()));
        let other = read(&plan("encoding = \"cef\""), &note).unwrap_err();
        assert!(matches!(&other, NoteError::Form { other, form } if other != form), "{other}");
        for damaged in [&b""[..], b"keyhound 2 file json\nx\n", b"keyhound 1 file", &note[..HEAD.len() + 12]]
        {
            assert_eq!(read(&json, damaged), Err(NoteError::Unreadable));
        }
        assert_eq!(write(&plan("severity_min = \"critical\""), &event), None);
    }
}
