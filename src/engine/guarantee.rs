//! What is promised between an input and an output, and why: what people read before they trust a monitor.

use crate::config::Guarantee;
use crate::sink::kind::Hears;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How often what follows from a record is in the output, whatever happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Once, or not at all where the process is killed.
    #[default]
    AtMostOnce,
    /// Once, or several times under one `id`.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMostOnce => "at most once",
            Self::AtLeastOnce => "at least once",
            Self::ExactlyOnce => "exactly once",
        })
    }
}

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A pipe, which cannot be read again.
    Pipe,
    /// Files.
    Files,
    /// A file that grows.
    Followed,
    /// Files that grow, or one beside what is pulled: in which order their records come is not known before.
    FollowedTogether,
    /// The journal of systemd.
    Journal,
    /// What is posted.
    Posted,
    /// What is pulled from sources.
    Pulled,
}

/// What is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writing {
    /// A file of our own.
    File,
    /// A pipe or a terminal.
    Pipe,
    /// A receiver, of which so much is heard.
    Sink(Hears),
}

/// What is promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// How often.
    pub level: Level,
    /// Why that much.
    pub why: &'static str,
    /// What it does not cover.
    pub except: &'static [&'static str],
    /// What to change to have more.
    pub more: Option<&'static str>,
}

/// What is promised between an input and an output, where the state is kept and where it is not.
pub fn promise(from: Reading, to: Writing, is_kept: bool) -> Promise {
    match (is_kept, from, to) {
        (true, Reading::Pipe, _) => Promise {
            level: Level::AtMostOnce,
            why: "A stop by SIGTERM or SIGINT, and the end of the pipe, lose nothing. A process that is killed has \
                  read records that no checkpoint knows of, and a pipe cannot be read again.",
            except: &["what was read within `checkpoint.interval_ms` before a crash counts in no window"],
            more: Some("have the log written to a file, and follow that with --follow"),
        },
        (true, Reading::Posted, Writing::File) => Promise {
            level: Level::ExactlyOnce,
            why: "Of what was answered with 2xx: it is on disk before the answer, decoded, in the order in which it is judged. \
                  State, places in that spool and lengths of the outputs are one checkpoint. After a crash the spool is read \
                  again from there, and what follows is compared with what stands in the output already.",
            except: POSTED,
            more: None,
        },
        (true, Reading::Pulled, Writing::File) => Promise {
            level: Level::ExactlyOnce,
            why: "Rows of a page and how far their source was pulled are on disk together, decoded, before the next page is asked \
                  for. State, places in that spool and lengths of the outputs are one checkpoint. After a crash the spool is read \
                  again from there, and sources are asked for what came since; what was pulled before is told by its content.",
            except: PULLED,
            more: None,
        },
        (false, Reading::Posted, _) => Promise {
            level: Level::AtMostOnce,
            why: "What was answered with 2xx is in memory: a stop by SIGTERM or SIGINT judges it first, a process that is killed \
                  loses it.",
            except: POSTED,
            more: Some("keep the state with --state DIR: then what is answered is on disk"),
        },
        (true, Reading::FollowedTogether, Writing::File) => Promise {
            level: Level::AtLeastOnce,
            why: "State, places in the inputs and lengths of the outputs are one checkpoint, after which the inputs are read \
                  again. Which of several inputs is read first is not known before: an alert that was written after the \
                  checkpoint may be replaced by one in other words, or be told later, under the same `id`.",
            except: lacking(from),
            more: Some("follow one file, to which all write, and nothing beside it"),
        },
        (true, _, Writing::File) => Promise {
            level: Level::ExactlyOnce,
            why: "State, places in the inputs and lengths of the outputs are one checkpoint. After a crash the inputs \
                  are read again from there, and what follows is compared with what stands in the output already.",
            except: lacking(from),
            more: None,
        },
        (true, _, Writing::Pipe) => Promise {
            level: Level::AtLeastOnce,
            why: "State and places in the inputs are one checkpoint. What was written after it is written again after \
                  a crash, because nobody knows what its reader has seen; it has the same `id` and `revision`.",
            except: lacking(from),
            more: Some("name a file by --output, and have it read by whoever reads the pipe now"),
        },
        (_, _, Writing::Sink(hears)) => of_sink(from, hears, is_kept),
        (false, Reading::Pipe, _) => Promise {
            level: Level::AtMostOnce,
            why: "Nothing is kept between runs, and a pipe cannot be read again.",
            except: &["windows and baselines begin anew with every run"],
            more: Some("keep the state with --state DIR, and read a file instead of a pipe"),
        },
        (false, _, _) => Promise {
            level: Level::AtLeastOnce,
            why: "Nothing is kept between runs: another run reads everything again that is still there, and tells it \
                  again under the same `id`.",
            except: &["files that were rotated away or cut off in the meantime are not read"],
            more: Some("keep the state with --state DIR"),
        },
    }
}

/// What is promised to a receiver of which so much is heard.
fn of_sink(from: Reading, hears: Hears, is_kept: bool) -> Promise {
    match (is_kept, hears) {
        (true, Hears::Acknowledgement) => Promise {
            level: Level::AtLeastOnce,
            why: "State, places in the inputs and what is still to be delivered are one checkpoint. What the receiver \
                  has not said it has is sent again, after a crash too, in order and with the same `id` and \
                  `revision`; nothing is dropped: reading stops when `outbox_bytes_max` of the sink is used up.",
            except: lacking(from),
            more: Some("have the receiver keep one alert for each `id` and `revision`"),
        },
        (_, Hears::Connection) => Promise {
            level: Level::AtMostOnce,
            why: "The receiver does not say what it has. What cannot be handed to a connection is sent again, in \
                  order and with the same `id` and `revision`, and with --state over a crash, too; what was handed to \
                  one that breaks before it was read is lost, and nobody is told.",
            except: lacking(from),
            more: Some("use a sink whose receiver acknowledges, beside this one"),
        },
        (_, Hears::Nothing) => Promise {
            level: Level::AtMostOnce,
            why: "Datagrams get lost, and nobody is told.",
            except: lacking(from),
            more: Some("set `protocol` to tcp or tls"),
        },
        (false, Hears::Acknowledgement) => Promise {
            level: Level::AtMostOnce,
            why: "What the receiver has not said it has is sent again with the same `id` and `revision`, but what \
                  waits is in memory: a process that is killed loses it.",
            except: &[
                "a stop or an end by which the receiver does not answer: what is lost then is counted and told",
            ],
            more: Some("keep the state with --state DIR"),
        },
    }
}

/// What no promise of a reading covers.
fn lacking(from: Reading) -> &'static [&'static str] {
    match from {
        Reading::Followed | Reading::FollowedTogether => FOLLOWED,
        Reading::Journal => JOURNAL,
        Reading::Posted => POSTED,
        Reading::Pulled => PULLED,
        Reading::Files | Reading::Pipe => FILES,
    }
}

/// What is promised of rejects that are kept in a file, beside what is promised of alerts.
pub fn rejects(from: Reading, to: Writing, is_kept: bool) -> &'static str {
    match (is_kept, from, to) {
        (_, Reading::Pipe, _) | (false, Reading::Posted, _) => "at most once, like alerts",
        (true, Reading::Followed | Reading::Journal | Reading::Posted | Reading::Pulled, Writing::File) => {
            "exactly once, and in the same order"
        }
        (true, _, Writing::File) => {
            "exactly once; after a crash those of different files may have changed places"
        }
        _ => "at least once: what was rejected after the last checkpoint, or without one, is told again",
    }
}

/// What is promised of what sources tell that are pulled beside another input.
pub fn sources(is_kept: bool) -> &'static str {
    if is_kept {
        "rows of a page and how far their source was pulled are on disk together before the next page is asked for: over a crash \
         nothing of them is lost or counts twice; in which order they come beside other records is not known before"
    } else {
        "nothing is kept between runs: another run pulls everything again, from `backfill_days` on"
    }
}

/// What is promised of what canary prompts say.
pub fn probes(is_kept: bool) -> &'static str {
    if is_kept {
        "what a probe says is on disk before anything follows from it: over a crash nothing of it is lost or counts twice; in which \
         order it comes beside other records is not known before; what they took and cost is kept, too; a prompt under way is \
         broken off and not told of"
    } else {
        "nothing is kept between runs: what was open stays open for whoever was told, and another run knows neither past nor cost of today"
    }
}

/// What is promised of `/metrics`.
pub const METRICS: &str = "counters start anew with the process; `keyhound_cost_usd` and `keyhound_requests` go on from \
                           the checkpoint where there is one";

/// What a run from Kafka to Kafka promises.
pub fn between_topics(guarantee: Guarantee, repartition: bool) -> Promise {
    match guarantee {
        Guarantee::ExactlyOnce if repartition => Promise {
            level: Level::ExactlyOnce,
            why: "Alerts, rejects, records that are passed on, state and positions are one transaction, and so are those of \
                  the next stage. A partition is read only after its state has been read back, from the position that \
                  stands there.",
            except: STAGES,
            more: None,
        },
        Guarantee::ExactlyOnce => Promise {
            level: Level::ExactlyOnce,
            why: "Alerts, rejects, state and positions are one transaction. A partition is read only after its state has \
                  been read back, from the position that stands there.",
            except: TOPICS,
            more: None,
        },
        Guarantee::AtLeastOnce => Promise {
            level: Level::AtLeastOnce,
            why: "Alerts are written before the state, and the state before the position. After a crash what lies \
                  between them is told again, under the same `id` and `revision`.",
            except: TOPICS,
            more: Some("set `kafka.guarantee` to `exactly-once`"),
        },
    }
}

/// What is promised to a receiver of which so much is heard, where topics are read.
pub fn from_topic(hears: Hears) -> Promise {
    match hears {
        Hears::Acknowledgement => Promise {
            level: Level::AtLeastOnce,
            why: "What goes to the sink is written to a topic of its own, in the transaction of the alert. One process of the                   group reads it, sees what is committed, and tells the group how far the receiver has taken it; whoever takes                   over goes on from there. What the receiver has not said it has is sent again, in order and with the same                   `id` and `revision`.",
            except: WAITING,
            more: Some("have the receiver keep one alert for each `id` and `revision`"),
        },
        Hears::Connection => Promise {
            why: "The receiver does not say what it has. What cannot be handed to a connection is sent again, in order and with \
                  the same `id` and `revision`, by whoever has the sink's topic then; what was handed to one that breaks \
                  before it was read is lost, and nobody is told.",
            except: WAITING,
            ..of_sink(Reading::Files, hears, true)
        },
        Hears::Nothing => Promise { except: WAITING, ..of_sink(Reading::Files, hears, true) },
    }
}

const WAITING: &[&str] = &[
    "alerts that brokers delete (`retention.ms` of the sink's topic) while the receiver is away: that is told as an error",
    "a process that was asleep for longer than `kafka.session_timeout_ms` and then sends what it had in hand, after somebody \
     else did",
    "brokers that lose what they have acknowledged (`min.insync.replicas=1`, unclean elections)",
];

const TOPICS: &[&str] = &[
    "readers of alerts that do not ask for `isolation.level=read_committed`",
    "records that brokers delete before they are read: that is told as an error",
    "brokers that lose what they have acknowledged (`min.insync.replicas=1`, unclean elections)",
    "requests of a transaction that the network delays until the next one has begun (KIP-890)",
    "records of one API key in several partitions, of which each part is judged as if it were all: for that there is \
     `kafka.repartition`",
];

const STAGES: &[&str] = &[
    "readers of alerts that do not ask for `isolation.level=read_committed`",
    "records that brokers delete before they are read, in keyhound's own topics too: that is told as an error",
    "brokers that lose what they have acknowledged (`min.insync.replicas=1`, unclean elections)",
    "requests of a transaction that the network delays until the next one has begun (KIP-890)",
    "which record of a key came first, where two partitions hold them: what is said at the end of a day does not depend on \
     it, how often it was said before does",
];

const FILES: &[&str] = &[
    "an input or output that somebody else changes or deletes",
    "a file whose last line or document is completed after it was read: its first part has been read as a whole one by \
     then, and the rest is read as another; files that still grow are to be followed",
    "a disk that says it has written what it has not",
];

const JOURNAL: &[&str] = &[
    "entries that journald has vacuumed away before they were read",
    "a disk that says it has written what it has not",
];

const POSTED: &[&str] = &[
    "a body of which the answer did not arrive: its sender sends it again, and its records count twice unless they have \
     request ids and are no older than `input.lateness_minutes` by then",
    "a body that was answered with 4xx: nothing of it is taken, and most senders drop it; it is counted in \
     keyhound_listen_requests_total",
    "a sender that does not come again after 5xx, 408 or no answer",
    "a disk that says it has written what it has not",
];

const PULLED: &[&str] = &[
    "what a provider tells later than `overlap_minutes` of its source after everything before was read",
    "a bucket that is told with other numbers later than `input.restate_hours` after its end",
    "what a provider no longer keeps when it is asked",
    "a disk that says it has written what it has not",
];

const FOLLOWED: &[&str] = &[
    "a log that is cut off in place (copytruncate): what was written since it was last looked at is lost to every \
     reader; how often that happened is counted in keyhound_source_truncations_total",
    "a log that is deleted, or renamed to a name that does not begin like its own, while keyhound is not running",
    "a disk that says it has written what it has not",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_again_and_compared_is_exactly_once() {
        use Reading::{Files, Followed, FollowedTogether, Journal, Pipe, Posted, Pulled};
        for from in [Pipe, Files, Followed, FollowedTogether, Journal, Posted, Pulled] {
            let sinks = [Hears::Acknowledgement, Hears::Connection, Hears::Nothing].map(Writing::Sink);
            for to in [Writing::File, Writing::Pipe].into_iter().chain(sinks) {
                let kept = promise(from, to, true);
                let exact = !matches!(from, Pipe | FollowedTogether) && to == Writing::File;
                assert_eq!(kept.level == Level::ExactlyOnce, exact, "{from:?} {to:?}");
                assert!(promise(from, to, false).level <= kept.level, "{from:?} {to:?}");
                assert_eq!(kept.more.is_none(), exact, "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn with_stages_nothing_is_said_of_keys_in_several_partitions() {
        let says = |repartition| {
            let promise = between_topics(Guarantee::ExactlyOnce, repartition);
            assert_eq!(promise.level, Level::ExactlyOnce);
            promise.except.iter().any(|except| except.contains("judged as if it were all"))
        };
        assert!(says(false) && !says(true));
    }
}
