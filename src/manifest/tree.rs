//! Typed access to a parsed TOML tree that keeps every place and collects every problem.
//!
//! Serde stops at the first wrong type or unknown key; a person who edits a manifest wants all of
//! them at once, so the tree is walked by hand.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use crate::types::url::SafeUrl;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// A table of which keys are taken one by one; those left over are unknown.
#[derive(Debug)]
pub(super) struct Table<'a> {
    entries: BTreeMap<&'a str, (Range<usize>, &'a Spanned<DeValue<'a>>)>,
    taken: Vec<&'static str>,
    /// Where the table begins.
    pub(super) at: Range<usize>,
    /// What it is called in messages, such as `[[artifact]]`.
    pub(super) called: String,
}

impl<'a> Table<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, at: Range<usize>, called: &str) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), (key.span(), value)))
            .collect();
        Self {
            entries,
            taken: Vec::new(),
            at,
            called: called.to_owned(),
        }
    }

    /// Whether the key is there and nobody took it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The text of a key that somebody else takes.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key)?.1.get_ref().as_str()
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.taken.push(key);
        self.entries.remove(key).map(|(_, value)| value)
    }

    pub(super) fn require(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.take(key);
        if found.is_none() {
            problems.add(
                self.at.clone(),
                format!("{} lacks the key `{key}`", self.called),
            );
        }
        found
    }

    /// A text; `None` when absent, or wrong (which is then a problem).
    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Placed<&'a str>> {
        as_text(self.take(key)?, key, problems)
    }

    /// A text that must be there.
    pub(super) fn require_text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Placed<&'a str>> {
        as_text(self.require(key, problems)?, key, problems)
    }

    /// A text that must be there and parse as `T`.
    pub(super) fn require_parsed<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Placed<T>>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.require_text(key, problems)?;
        parse(&text, problems)
    }

    /// A truth value; `false` when absent or wrong.
    pub(super) fn flag(&mut self, key: &'static str, problems: &mut Problems<'_>) -> bool {
        let Some(value) = self.take(key) else {
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            wrong_type(value, key, "true or false", problems);
            false
        })
    }

    /// A list of texts; empty when absent.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Placed<&'a str>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong_type(value, key, "a list of texts", problems);
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| as_text(item, key, problems))
            .collect()
    }

    /// A table; `None` when absent or wrong.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        called: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Table<'a>> {
        let value = self.take(key)?;
        as_table(value, key, called, problems)
    }

    /// The tables of `[[key]]`; empty when absent.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        called: &str,
        limit: usize,
        problems: &mut Problems<'_>,
    ) -> Vec<Table<'a>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong_type(value, key, &format!("a list: write {called}"), problems);
            return Vec::new();
        };
        if items.len() > limit {
            problems.add(value.span(), format!("more than {limit} of {called}"));
            return Vec::new();
        }
        items
            .iter()
            .filter_map(|item| as_table(item, key, called, problems))
            .collect()
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (key, (at, _)) in &self.entries {
            let shown: String = key
                .chars()
                .take(60)
                .flat_map(char::escape_default)
                .collect();
            let message = format!("{} has no key `{shown}`", self.called);
            problems.add_with_help(at.clone(), message, suggest(key, &self.taken));
        }
    }
}

/// A URL that does not depend on where the manifest lies, or a problem.
pub(super) fn absolute_url(
    text: &Placed<&str>,
    problems: &mut Problems<'_>,
) -> Option<Placed<SafeUrl>> {
    let url = parse::<SafeUrl>(text, problems)?;
    if url.value.relative_path().is_some() {
        problems.add(
            url.at,
            "this must be an absolute URL: https://… or file:///…",
        );
        return None;
    }
    Some(url)
}

/// Parses a text, or makes the reason a problem.
pub(super) fn parse<T>(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<Placed<T>>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match text.value.parse() {
        Ok(value) => Some(Placed {
            value,
            at: text.at.clone(),
        }),
        Err(error) => {
            problems.add(text.at.clone(), error.to_string());
            None
        }
    }
}

pub(super) fn as_text<'a>(
    value: &'a Spanned<DeValue<'a>>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<Placed<&'a str>> {
    let Some(text) = value.get_ref().as_str() else {
        wrong_type(value, key, "a text in quotes", problems);
        return None;
    };
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        problems.add(
            value.span(),
            format!("`{key}` must have 1 to {MAX_TEXT} characters and no control characters"),
        );
        return None;
    }
    Some(Placed {
        value: text,
        at: value.span(),
    })
}

pub(super) fn as_table<'a>(
    value: &'a Spanned<DeValue<'a>>,
    key: &str,
    called: &str,
    problems: &mut Problems<'_>,
) -> Option<Table<'a>> {
    let found = value.get_ref().as_table();
    if found.is_none() {
        wrong_type(value, key, "a table", problems);
    }
    found.map(|table| Table::new(table, value.span(), called))
}

pub(super) fn wrong_type(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    expected: &str,
    problems: &mut Problems<'_>,
) {
    let found = match value.get_ref().type_str() {
        "string" => "a text",
        "integer" | "float" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    };
    problems.add(
        value.span(),
        format!("`{key}` must be {expected}, not {found}"),
    );
}

/// Longest text of a manifest, in bytes.
const MAX_TEXT: usize = 2000;

fn suggest(key: &str, known: &[&'static str]) -> String {
    let near = known
        .iter()
        .map(|candidate| (distance(key, candidate), candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("known keys are {}", known.join(", ")),
    }
}

/// Edits (insert, delete, replace) between two short words.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 40 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, from_char) in from.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        let mut next = vec![left];
        for (to_char, up) in to.chars().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(from_char != to_char));
            left = replaced
                .min(up.saturating_add(1))
                .min(left.saturating_add(1));
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_edits() {
        for (from, to, edits) in [
            ("url", "url", 0),
            ("uri", "url", 1),
            ("", "abc", 3),
            ("sah256", "sha256", 2),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }
}
