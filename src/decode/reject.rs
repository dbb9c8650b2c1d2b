//! What is told of a frame that could not be read.

use super::Settings;
use super::draft::{Fault, FaultParts};
use super::excerpt::Excerpt;
use super::litellm_activity;
use crate::record::{Batch, Reason, Reject};

/// Rejects kept of one block to be told; the rest is counted.
const REJECTS_KEPT: usize = 64;
/// Bytes of rejects kept of one block for a reject file; what is more is counted. A line may hold a million of them.
const REJECT_BYTES_MAX: usize = 2 << 20;
/// Longest excerpt of a rejected frame.
const FRAME_EXCERPT_MAX: usize = 4096;

/// Whether one more reject is kept and not only counted.
pub(super) fn has_room(settings: &Settings, batch: &Batch) -> bool {
    if settings.keep_rejects {
        batch.reject_bytes < REJECT_BYTES_MAX
    } else {
        batch.rejects.len() < REJECTS_KEPT
    }
}

/// Turns a fault into a reject: from here on it holds no secret.
#[cold]
pub(super) fn reject(settings: &Settings, fault: Fault, frame: &[u8], batch: &mut Batch) {
    let FaultParts { reason, field, value, message, .. } = fault.into_parts();
    if !has_room(settings, batch) {
        return batch.count_reject(reason);
    }
    let redactor = &settings.rulebook.redactor;
    let frame = if settings.keep_rejects {
        Excerpt::new(frame, 0, FRAME_EXCERPT_MAX).clean(redactor)
    } else {
        String::new()
    };
    let value = match field {
        // A faulty key may be a key in a form that no pattern knows.
        "api_key_prefix" => String::new(),
        _ => value.clean(redactor),
    };
    batch.reject(Reject { reason, field: field.into(), value, message, line: batch.lines, frame });
}

/// A frame over the limit, of which this much is there.
pub(super) fn oversize(limit: usize, start: &[u8]) -> Fault {
    let message = if litellm_activity::begins(start) {
        // Which page of several it is stands behind its days, so they cannot be given out as they come.
        format!(
            "a page of LiteLLM's daily activity that is longer than {limit} bytes; ask for smaller ones, always of the \
             same size (`page_size=100`), or raise `input.frame_bytes_max`"
        )
    } else {
        format!(
            "longer than {limit} bytes; raise `input.frame_bytes_max` if such records are real, or write each record \
             of a list on a line of its own (`jq -c '.[]'`)"
        )
    };
    Fault::new(Reason::Oversize, "", b"", message)
}
