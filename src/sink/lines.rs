//! `http`: events to any address by POST, one a line.

use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, WEB, acknowledges, encoded};

const SETTINGS: [&str; 8] = [WEB[0], WEB[1], WEB[2], WEB[3], WEB[4], WEB[5], WEB[6], "encoding"];

pub(super) const KIND: Kind = Kind {
    name: "http",
    summary: "any address, by POST, one event a line",
    settings: &SETTINGS,
    required: &["url|url_file"],
    encodings: &["json", "ocsf", "ocsf18", "ecs", "cef", "leef", "gelf", "sigma", "markdown"],
    url: "",
    hosts: &[],
    scheme: "Bearer",
    batch_max: 10_000,
    lasts: false,
    hears: acknowledges,
    write: encoded,
    open: |plan, _| Web::open(plan, &SHAPE),
};

static SHAPE: Shape = Shape {
    draft: |plan, batch, _| Draft::new(plan.encoding.media_type, batch.joined()),
    judge: Reply::judged,
};
