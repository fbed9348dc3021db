//! Mattermost's configuration: `config/config.json`, overridden by `MM_<SECTION>_<KEY>`.

use serde_json::Value;

use crate::Failure;

/// The values that the stand-in reads.
#[derive(Debug)]
pub(crate) struct Config {
    file: Value,
}

impl Config {
    /// Reads the file, relative to the working directory unless it is absolute.
    ///
    /// # Errors
    /// When it cannot be read or is no JSON object.
    pub(crate) fn read(path: &str) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {path}: {error}"))?;
        let file: Value =
            serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        if !file.is_object() {
            return Err(format!("{path} is no JSON object").into());
        }
        Ok(Self { file })
    }

    /// A text; empty when neither the environment nor the file has it.
    pub(crate) fn text(&self, section: &str, key: &str) -> String {
        let variable = format!("MM_{section}_{key}").to_ascii_uppercase();
        if let Ok(value) = std::env::var(variable) {
            return value;
        }
        match self.file.get(section).and_then(|values| values.get(key)) {
            Some(Value::String(value)) => value.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// A list of texts without spaces; empty when it is nowhere. The environment has them in one
    /// variable, separated by spaces.
    pub(crate) fn list(&self, section: &str, key: &str) -> Vec<String> {
        let variable = format!("MM_{section}_{key}").to_ascii_uppercase();
        if let Ok(value) = std::env::var(variable) {
            return value.split_whitespace().map(ToOwned::to_owned).collect();
        }
        let values = self.file.get(section).and_then(|values| values.get(key));
        let texts = values.and_then(Value::as_array).into_iter().flatten();
        texts
            .filter_map(|text| text.as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// A switch; off when it is nowhere.
    pub(crate) fn switch(&self, section: &str, key: &str) -> bool {
        self.text(section, key) == "true"
    }

    /// A number; none when it is nowhere or no number.
    pub(crate) fn number(&self, section: &str, key: &str) -> Option<u64> {
        self.text(section, key).parse().ok()
    }
}
