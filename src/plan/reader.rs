//! Reads tables of a TOML document key by key, and collects every problem with its place.
//!
//! `serde` stops at the first problem of a file; an operator without a network wants all of them.
//! So the document is walked here: each key that is asked for is taken, its type and limits are
//! checked, its place is kept, and [`Section::finish`] reports every key that nobody asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::plan::problem::{Collector, MAX_PROBLEMS, Place, ProblemId, Problems, SECRET_WORDS};
use crate::plan::words::Word;

/// Longest text of one value, in bytes.
pub(super) const MAX_TEXT: usize = 4096;
/// Most entries of one list.
pub(super) const MAX_LIST: usize = 256;

/// A value with the place of its text.
#[derive(Debug, Clone)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What is collected while a document is read.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    problems: RefCell<Collector<'t>>,
    places: RefCell<BTreeMap<String, Place>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            problems: RefCell::new(Collector::new(text)),
            places: RefCell::new(BTreeMap::new()),
        }
    }

    pub(super) fn problem(
        &self,
        id: ProblemId,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let mut problems = self.problems.borrow_mut();
        problems.add(id, span, message.into(), hint.into());
    }

    pub(super) fn place(&self, key: String, span: &Range<usize>) {
        let place = self.problems.borrow().place(span.start);
        self.places.borrow_mut().insert(key, place);
    }

    /// How many problems there are so far: what follows from one of them is not reported too.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().count()
    }

    /// The places, or every problem.
    pub(super) fn finish(self) -> Result<BTreeMap<String, Place>, Problems> {
        match self.problems.into_inner().finish() {
            None => Ok(self.places.into_inner()),
            Some(problems) => Err(problems),
        }
    }
}

/// One table that is being read.
pub(super) struct Section<'r, 't, 'd> {
    reader: &'r Reader<'t>,
    table: &'d DeTable<'d>,
    /// Key path of the table; empty for the document.
    path: String,
    /// Where a missing key is reported.
    pub(super) span: Range<usize>,
    asked: BTreeSet<&'static str>,
}

impl<'r, 't, 'd> Section<'r, 't, 'd> {
    pub(super) fn new(
        reader: &'r Reader<'t>,
        table: &'d DeTable<'d>,
        path: String,
        span: Range<usize>,
    ) -> Self {
        Self {
            reader,
            table,
            path,
            span,
            asked: BTreeSet::new(),
        }
    }

    /// The key path of a key of this table.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Whether the key is not in the table.
    pub(super) fn is_absent(&self, key: &str) -> bool {
        self.table.get(key).is_none()
    }

    /// Whether the key is a list without entries.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let value = self.table.get(key).map(Spanned::get_ref);
        matches!(value, Some(DeValue::Array(array)) if array.is_empty())
    }

    /// Reports a problem of this table.
    pub(super) fn problem(
        &self,
        id: ProblemId,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.reader.problem(id, span.clone(), message, hint);
    }

    fn get(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.insert(key);
        let value = self.table.get(key)?;
        self.reader.place(self.key(key), &value.span());
        Some(value)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.reader.problem(
            ProblemId::WrongType,
            value.span(),
            format!("`{}` is {wanted}, not {found}", self.key(key)),
            format!("write {wanted}"),
        );
    }

    pub(super) fn missing(&self, key: &str, hint: impl Into<String>) {
        self.reader.problem(
            ProblemId::Missing,
            self.span.clone(),
            format!("`{}` is missing", self.key(key)),
            hint,
        );
    }

    pub(super) fn bad(&self, key: &str, span: &Range<usize>, why: impl Display, hint: &str) {
        self.reader.problem(
            ProblemId::BadValue,
            span.clone(),
            format!("`{}`: {why}", self.key(key)),
            hint,
        );
    }

    /// A text without control characters, of 1 to [`MAX_TEXT`] bytes.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Said<String>> {
        let value = self.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(key, value, "a string");
            return None;
        };
        self.checked_text(key, text, value.span())
    }

    fn checked_text(&self, key: &str, text: &str, span: Range<usize>) -> Option<Said<String>> {
        if text.contains("PRIVATE KEY-----") {
            self.reader.problem(
                ProblemId::SecretInFile,
                span,
                format!("`{}` holds a private key", self.key(key)),
                "write the name of the key file instead, and replace the key if this file was shared",
            );
            return None;
        }
        if text.is_empty() {
            self.bad(key, &span, "is empty", "write a value or remove the key");
            return None;
        }
        if text.len() > MAX_TEXT {
            self.reader.problem(
                ProblemId::Limit,
                span,
                format!("`{}` is longer than {MAX_TEXT} bytes", self.key(key)),
                "shorten it",
            );
            return None;
        }
        if text.chars().any(char::is_control) {
            self.bad(
                key,
                &span,
                "holds control characters",
                "write it on one line",
            );
            return None;
        }
        Some(Said {
            value: text.to_owned(),
            span,
        })
    }

    /// A text that parses as `T`.
    pub(super) fn parsed<T>(&mut self, key: &'static str, hint: &str) -> Option<Said<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let said = self.text(key)?;
        self.parse(key, &said, hint)
    }

    fn parse<T>(&self, key: &str, said: &Said<String>, hint: &str) -> Option<Said<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        match said.value.parse() {
            Ok(value) => Some(Said {
                value,
                span: said.span.clone(),
            }),
            Err(why) => {
                self.bad(key, &said.span, why, hint);
                None
            }
        }
    }

    /// A text that is one word of a closed list.
    pub(super) fn word<T: Word>(&mut self, key: &'static str) -> Option<Said<T>> {
        let said = self.text(key)?;
        self.find_word(key, &said)
    }

    fn find_word<T: Word>(&self, key: &str, said: &Said<String>) -> Option<Said<T>> {
        let found = T::all().iter().find(|one| one.word() == said.value);
        let Some(found) = found else {
            let words: Vec<&str> = T::all().iter().map(|one| one.word()).collect();
            let shown = crate::plan::address::shorten(&said.value);
            let nearest = nearest(&said.value, words.iter().copied());
            let hint = match nearest {
                Some(near) => format!("did you mean `{near}`? allowed are {}", words.join(", ")),
                None => format!("allowed are {}", words.join(", ")),
            };
            self.bad(key, &said.span, format!("`{shown}` is not known"), &hint);
            return None;
        };
        Some(Said {
            value: *found,
            span: said.span.clone(),
        })
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<Said<u32>> {
        let value = self.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        let parsed = u32::from_str_radix(number.as_str(), number.radix()).ok();
        if let Some(number) = parsed.filter(|number| range.contains(number)) {
            return Some(Said {
                value: number,
                span: value.span(),
            });
        }
        let (low, high) = (range.start(), range.end());
        let why = format!("is outside {low} to {high}");
        let hint = format!("write a number from {low} to {high}");
        self.bad(key, &value.span(), why, &hint);
        None
    }

    /// A port.
    pub(super) fn port(&mut self, key: &'static str) -> Option<Said<u16>> {
        let said = self.number(key, 1..=65535)?;
        Some(Said {
            value: u16::try_from(said.value).ok()?,
            span: said.span,
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.wrong_type(key, value, "true or false");
        None
    }

    /// A list of texts, each of which goes through `one`.
    fn list<T>(
        &mut self,
        key: &'static str,
        one: impl Fn(&Self, &Said<String>) -> Option<Said<T>>,
    ) -> Option<Vec<Said<T>>> {
        let value = self.get(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "a list of strings");
            return None;
        };
        if array.len() > MAX_LIST {
            self.reader.problem(
                ProblemId::Limit,
                value.span(),
                format!("`{}` has {} entries", self.key(key), array.len()),
                format!("at most {MAX_LIST} are allowed"),
            );
            return None;
        }
        let mut list = Vec::with_capacity(array.len());
        for entry in array {
            let DeValue::String(text) = entry.get_ref() else {
                self.wrong_type(key, entry, "a list of strings");
                continue;
            };
            let said = self.checked_text(key, text, entry.span());
            list.extend(said.and_then(|said| one(self, &said)));
        }
        Some(list)
    }

    /// A list of texts that parse as `T`.
    pub(super) fn parsed_list<T>(&mut self, key: &'static str, hint: &str) -> Option<Vec<Said<T>>>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.list(key, |section, said| section.parse(key, said, hint))
    }

    /// A list of words of a closed list.
    pub(super) fn word_list<T: Word>(&mut self, key: &'static str) -> Option<Vec<Said<T>>> {
        self.list(key, |section, said| section.find_word(key, said))
    }

    /// A table below this one.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let value = self.get(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        Some(Self::new(self.reader, table, self.key(key), value.span()))
    }

    /// The tables of an array of tables, at most `limit`.
    pub(super) fn tables(&mut self, key: &'static str, limit: usize) -> Vec<Self> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "a list of tables");
            return Vec::new();
        };
        if array.len() > limit {
            let found = array.len();
            let after = array.get(limit).map(Spanned::span);
            self.reader.problem(
                ProblemId::Limit,
                after.unwrap_or_else(|| value.span()),
                format!("{found} tables `[[{key}]]`; at most {limit} are allowed"),
                "split the deployment; large fleets are installed by Ansible from several plans",
            );
            return Vec::new();
        }
        let mut sections = Vec::with_capacity(array.len());
        for (index, entry) in array.iter().enumerate() {
            if let DeValue::Table(table) = entry.get_ref() {
                let path = format!("{}[{}]", self.key(key), index.saturating_add(1));
                sections.push(Self::new(self.reader, table, path, entry.span()));
            } else {
                self.wrong_type(key, entry, "a list of tables");
            }
        }
        sections
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.asked.contains(name) {
                continue;
            }
            let shown = crate::plan::address::shorten(name);
            let lower = name.to_ascii_lowercase();
            if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                self.reader.problem(
                    ProblemId::SecretInFile,
                    key.span(),
                    format!("`{}` is a secret", self.key(&shown)),
                    ProblemId::SecretInFile.hint(),
                );
                continue;
            }
            if self.reader.count() >= MAX_PROBLEMS {
                // Counted, not shown: looking for a near word would only cost time.
                let (id, span) = (ProblemId::UnknownKey, key.span());
                self.reader.problem(id, span, "", "");
                continue;
            }
            let known: Vec<&str> = self.asked.iter().copied().collect();
            let hint = nearest(name, known.iter().copied()).map_or_else(
                || format!("known here are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.reader.problem(
                ProblemId::UnknownKey,
                key.span(),
                format!("`{}` is not known", self.key(&shown)),
                hint,
            );
        }
    }
}

/// The word that is one or two edits away, if there is one.
fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if text.len() > 40 {
        return None;
    }
    let limit = if text.chars().count() < 5 { 1 } else { 2 };
    words
        .map(|word| (distance(text, word), word))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut previous = row.first().copied().unwrap_or(0);
        if let Some(first) = row.first_mut() {
            *first = line.saturating_add(1);
        }
        let mut left = line.saturating_add(1);
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let change = previous.saturating_add(usize::from(x != *y));
            previous = *cell;
            left = change
                .min(cell.saturating_add(1))
                .min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word() {
        for (text, near) in [
            ("addres", Some("address")),
            ("adress", Some("address")),
            ("roels", Some("roles")),
            ("banana", None),
        ] {
            assert_eq!(
                nearest(text, ["address", "roles", "name"].into_iter()),
                near
            );
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
