//! Why the loop may end.

use crate::engine::kafka::cell::CellError;
use crate::engine::kafka::changelog::RestoreError;
use crate::engine::kafka::parcel::ParcelError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why the loop ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The consumer cannot go on.
    #[error("{error}{}", advice(error))]
    Consumer {
        /// What librdkafka says.
        error: KafkaError,
    },
    /// What stands in a changelog cannot be gone on with.
    #[error("the changelog of {place} cannot be gone on with")]
    State {
        /// The partition.
        place: String,
        /// Why.
        source: CellError,
    },
    /// What another stage has passed on cannot be gone on with.
    #[error("{place} cannot be gone on with")]
    Parcel {
        /// The message.
        place: String,
        /// Why.
        source: ParcelError,
    },
    /// A thread is gone.
    #[error("a thread has died, which is a mistake of ours; please report it")]
    Died,
    /// Kafka does not let state be read.
    #[error(transparent)]
    Restore(RestoreError),
}

/// What to do where brokers take another process for this one.
fn advice(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::FencedInstanceId) => {
            ": another process has the same `kafka.instance_id`, or the group took this one for another while brokers were \
             away; nothing is lost by starting it again"
        }
        _ => "",
    }
}
