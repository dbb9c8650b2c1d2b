//! What can be wrong with a price list.

use thiserror::Error;

/// A price list that cannot be used.
#[derive(Debug, Error)]
pub enum PriceError {
    /// Not TOML of the right shape.
    #[error("{file}:{line}: {message}")]
    Toml {
        /// The list.
        file: String,
        /// Where in it.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Not JSON of the right shape.
    #[error("{file}: {error}")]
    Json {
        /// The list.
        file: String,
        /// What is wrong, with line and column.
        error: serde_json::Error,
    },
    /// A price that cannot be.
    #[error("{file}: model `{model}`: `{field}` is {value}; {wanted} is expected")]
    Price {
        /// The list.
        file: String,
        /// The model.
        model: String,
        /// The field.
        field: String,
        /// Its value.
        value: String,
        /// What to write.
        wanted: &'static str,
    },
    /// A list without a price: some other file.
    #[error("{file}: no model with a price in it; is it LiteLLM's model_prices_and_context_window.json?")]
    Empty {
        /// The list.
        file: String,
    },
    /// More models than the table can number.
    #[error("{file}: more than 65535 models in all price lists")]
    TooMany {
        /// The list.
        file: String,
    },
}
