//! What probes may ask of a machine. Decisions are made of the answers only, so that they can be
//! tested on a machine that is a table.

use crate::types::secret::Secret;

/// A program of the system that is run for its words.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Its name.
    pub program: &'a str,
    /// Its arguments; never a secret.
    pub arguments: Vec<&'a str>,
    /// A variable of its environment that holds a secret.
    pub variable: Option<(&'a str, Secret)>,
    /// What it reads on standard input; may hold a secret.
    pub input: Option<Secret>,
    /// Which of its words count.
    pub streams: Streams,
}

/// Which words of a program count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Standard output.
    Output,
    /// Standard output and standard error, as they come.
    Both,
}

impl<'a> Call<'a> {
    /// A program whose standard output counts.
    #[must_use]
    pub fn new(program: &'a str, arguments: &[&'a str]) -> Self {
        Self {
            program,
            arguments: arguments.to_vec(),
            variable: None,
            input: None,
            streams: Streams::Output,
        }
    }

    /// The same, with what it says on standard error.
    #[must_use]
    pub fn both(program: &'a str, arguments: &[&'a str]) -> Self {
        Self {
            streams: Streams::Both,
            ..Self::new(program, arguments)
        }
    }
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its words: each byte is one character, the last line break is taken off.
    pub text: String,
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Which file system.
    pub device: u64,
    /// MiB that may still be written.
    pub mib: u64,
    /// Inodes that are free; none where the file system does not count them.
    pub files: Option<u64>,
}

/// A machine that is looked at.
pub trait Machine: std::fmt::Debug {
    /// The text of a file: each byte is one character, at most 4 MiB. None when it cannot be read.
    fn text(&self, path: &str) -> Option<String>;
    /// The same, following a symbolic link at the end; empty when it cannot be read.
    fn text_through(&self, path: &str) -> String;
    /// The text of a file below the staged folder.
    fn staged_text(&self, below: &str) -> Option<String>;
    /// The path of a file below the staged folder.
    fn staged_path(&self, below: &str) -> String;
    /// Whether something stands at a path, following links.
    fn exists(&self, path: &str) -> bool;
    /// Whether a folder stands at a path, following links.
    fn is_folder(&self, path: &str) -> bool;
    /// The number of the owner of what stands at a path, following links.
    fn owner(&self, path: &str) -> Option<u32>;
    /// The names in a folder, sorted; none when it cannot be read.
    fn names(&self, folder: &str) -> Vec<String>;
    /// Where a symbolic link leads.
    fn link(&self, path: &str) -> Option<String>;
    /// Room on the file system of a folder that is there.
    fn space(&self, folder: &str) -> Option<Space>;
    /// Whether a program is in the path of the system.
    fn has(&self, program: &str) -> bool;
    /// Runs a program for at most 20 seconds and reads at most 4 MiB; an empty failure when it is
    /// not there.
    fn run(&self, call: &Call<'_>) -> Ran;
    /// Gives every byte of the standard output of a program, without a time limit.
    fn stream(&self, program: &str, arguments: &[&str], take: &mut dyn FnMut(&[u8]));
    /// Number of the user that asks.
    fn uid(&self) -> u32;
    /// Seconds since 1970.
    fn now(&self) -> u64;
}
