//! The catalogue of message ids: what each means, and what to do. Ids never change their meaning.

mod environment;
mod fetch;
pub(crate) mod formats;
mod integrity;
mod other;
mod policy;
mod trust;
mod usage;

use serde::Serialize;

/// What a message id means.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Message {
    /// Its id. The first digit is the exit code.
    pub(crate) id: &'static str,
    /// What happened.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) next: &'static str,
}

/// The entry of an id.
pub(crate) fn find(id: &str) -> Option<&'static Message> {
    all().find(|message| message.id == id)
}

const fn m(id: &'static str, meaning: &'static str, next: &'static str) -> Message {
    Message { id, meaning, next }
}

/// The messages of each kind, in the order of their ids.
const KINDS: &[&[Message]] = &[
    usage::MESSAGES,
    integrity::MESSAGES,
    trust::MESSAGES,
    policy::MESSAGES,
    environment::MESSAGES,
    fetch::MESSAGES,
    other::MESSAGES,
];

/// All messages, sorted by id.
pub(crate) fn all() -> impl Iterator<Item = &'static Message> {
    KINDS.iter().copied().flatten()
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the source tree by hand"
)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(all().is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn every_id_in_the_source_is_in_the_catalogue_and_none_is_idle() {
        let mut used = BTreeSet::new();
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut used,
        );
        let known: BTreeSet<String> = all().map(|message| message.id.to_owned()).collect();
        let lacking: Vec<_> = used.difference(&known).collect();
        let idle: Vec<_> = known.difference(&used).collect();
        assert!(
            lacking.is_empty() && idle.is_empty(),
            "lacking {lacking:?}, idle {idle:?}"
        );
    }

    /// Every quoted `"E123"` or `"W123"` outside unit tests and this folder.
    fn collect(folder: &Path, used: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, used);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path
                    .parent()
                    .is_some_and(|folder| folder.ends_with("cli/messages"))
                && !path.ends_with("tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let ids = code.split('"').filter(|part| {
                    part.len() == 4
                        && part.starts_with(['E', 'W'])
                        && part.chars().skip(1).all(|c| c.is_ascii_digit())
                });
                used.extend(ids.map(str::to_owned));
            }
        }
    }
}
