//! An NGINX configuration as it was read: directives with their places, and what could not be read.

use std::fmt;

use serde::Serialize;

/// A place in a text file, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Which of the files, counted from 0.
    #[serde(skip)]
    pub file: usize,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One word of a directive, without its quotes and escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What NGINX takes it as.
    pub text: String,
    /// Where it begins.
    pub place: Place,
    /// How many characters it takes up in the file.
    pub width: usize,
}

/// One directive: `name word word;` or `name word { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: Word,
    /// The words after the name.
    pub words: Vec<Word>,
    /// The directives between its braces; none: it ends in a semicolon.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// Whether it has this name; letter case matters, as it does to NGINX.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.text == name
    }

    /// One word after the name, counted from 0; empty when there are fewer.
    #[must_use]
    pub fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| &word.text)
    }

    /// Whether one of the words after the name is this one.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.words.iter().any(|word| word.text == text)
    }

    /// The directives between its braces; none for a directive without a block.
    #[must_use]
    pub fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directives of this name between its braces.
    pub fn all<'d>(&'d self, name: &'d str) -> impl Iterator<Item = &'d Self> {
        self.inside().iter().filter(move |one| one.is(name))
    }
}

/// One file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, as the caller gave it or as `nginx -T` printed it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Something that NGINX would refuse, or that could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub place: Place,
    /// How many characters it takes up.
    pub width: usize,
    /// What.
    pub what: String,
}

/// A configuration: one file, with those that it includes in place of the `include` where they
/// were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The files; the first is the one that was asked about.
    pub files: Vec<File>,
    /// The directives outside every block.
    pub directives: Vec<Directive>,
    /// What NGINX would refuse: a quote without end, a brace without its other.
    pub broken: Vec<Trouble>,
    /// `include` directives whose files were not given.
    pub left_out: Vec<Trouble>,
}
