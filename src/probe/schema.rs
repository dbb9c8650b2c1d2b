//! JSON Schema, in builds that have it: it is the largest part of what probes need, and most of them expect a word.

/// What JSON has to be.
#[derive(Debug)]
pub struct Schema(Inner);

/// In builds without the feature `schema` there is none.
#[cfg(feature = "schema")]
type Inner = jsonschema::Validator;
#[cfg(not(feature = "schema"))]
type Inner = std::convert::Infallible;

impl Schema {
    /// From what is written; an error says what is wrong with it, with what it is before.
    #[cfg(feature = "schema")]
    pub fn new(text: &serde_json::Value) -> Result<Self, String> {
        jsonschema::validator_for(text).map(Self).map_err(|error| format!("is no JSON Schema: {error}"))
    }

    /// Refused.
    #[cfg(not(feature = "schema"))]
    pub fn new(_: &serde_json::Value) -> Result<Self, String> {
        Err("cannot be held to: this keyhound was built without the feature `schema`, which is on by default; \
             `equals` and `matches` are there"
            .to_owned())
    }

    /// What does not fit, so much of it: where, and why.
    #[cfg(feature = "schema")]
    pub fn wrong(&self, value: &serde_json::Value, max: usize) -> Vec<(String, String)> {
        let wrong = self.0.iter_errors(value).take(max);
        wrong.map(|error| (error.instance_path().to_string(), error.to_string())).collect()
    }

    /// Nothing.
    #[cfg(not(feature = "schema"))]
    pub fn wrong(&self, _: &serde_json::Value, _: usize) -> Vec<(String, String)> {
        match self.0 {}
    }
}
