//! Reads NGINX configuration the way NGINX does (`ngx_conf_file.c` is described in its
//! development guide): words, quotes, escapes, comments, blocks. What NGINX would refuse is noted,
//! and reading goes on behind it.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use crate::nginx::config::{Config, Directive, File, Place, Trouble, Word};

/// Largest text that is read, all files together, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Most files, with those that are included.
pub const MAX_FILES: usize = 256;
/// Most directives, all files together; an included file counts each time.
pub const MAX_DIRECTIVES: usize = 50_000;
/// Most words of one directive.
pub const MAX_WORDS: usize = 4096;
/// Deepest nesting of blocks and of included files.
pub const MAX_DEPTH: usize = 32;
/// Most troubles that are kept.
const MAX_TROUBLES: usize = 100;
/// How `nginx -T` announces each file.
const DUMP: &str = "# configuration file ";

/// Why a text is not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too many bytes.
    #[error("the files have more than {MAX_TEXT} bytes")]
    TooLarge,
    /// Too many files.
    #[error("more than {MAX_FILES} files")]
    TooManyFiles,
    /// Too many directives.
    #[error("more than {MAX_DIRECTIVES} directives")]
    TooManyDirectives,
    /// Too many words.
    #[error("a directive at line {0} has more than {MAX_WORDS} words")]
    TooManyWords(usize),
    /// Blocks or included files in one another.
    #[error("blocks or included files are nested more than {MAX_DEPTH} deep at line {0}")]
    TooDeep(usize),
}

/// Reads a configuration. The first file is the one that is asked about; the others stand where an
/// `include` names them. Output of `nginx -T` is taken apart into the files that it holds.
///
/// # Errors
/// When a limit is exceeded. Broken syntax is no error here: see [`Config::broken`].
pub fn read(files: Vec<File>) -> Result<Config, ReadError> {
    let size = files
        .iter()
        .fold(0_usize, |sum, file| sum.saturating_add(file.text.len()));
    if size > MAX_TEXT {
        return Err(ReadError::TooLarge);
    }
    let files: Vec<File> = files.into_iter().flat_map(taken_apart).collect();
    if files.len() > MAX_FILES {
        return Err(ReadError::TooManyFiles);
    }
    let mut reader = Reader {
        files: &files,
        open: Vec::new(),
        used: BTreeSet::new(),
        count: 0,
        broken: Vec::new(),
        left_out: Vec::new(),
    };
    let directives = reader.file(0)?;
    let (broken, left_out) = (reader.broken, reader.left_out);
    Ok(Config {
        files,
        directives,
        broken,
        left_out,
    })
}

/// The files of a dump; any other text is one file.
fn taken_apart(file: File) -> Vec<File> {
    let named = |line: &str| {
        let path = line.trim_end().strip_prefix(DUMP)?.strip_suffix(':')?;
        path.starts_with('/').then(|| path.to_owned())
    };
    let mut parts: Vec<File> = Vec::new();
    for line in file.text.split_inclusive('\n') {
        match (named(line), parts.last_mut()) {
            (Some(path), _) => parts.push(File {
                path,
                text: String::new(),
            }),
            (None, Some(part)) => part.text.push_str(line),
            // The lines of `nginx -t` come before the first file.
            (None, None) if line.starts_with("nginx: ") || line.trim().is_empty() => {}
            (None, None) => return vec![file],
        }
    }
    if parts.is_empty() { vec![file] } else { parts }
}

struct Reader<'f> {
    files: &'f [File],
    /// The files that are being read, outermost first: what includes itself has no end.
    open: Vec<usize>,
    used: BTreeSet<usize>,
    count: usize,
    broken: Vec<Trouble>,
    left_out: Vec<Trouble>,
}

/// What one directive ended in.
enum End {
    Semicolon,
    Open,
    /// A `}` that closes the block around.
    Close,
    File,
}

impl Reader<'_> {
    fn file(&mut self, index: usize) -> Result<Vec<Directive>, ReadError> {
        let files = self.files;
        let Some(file) = files.get(index) else {
            return Ok(Vec::new());
        };
        self.open.push(index);
        self.used.insert(index);
        let mut text = Text::new(index, &file.text);
        let mut directives = Vec::new();
        loop {
            let (mut more, closed) = self.block(&mut text)?;
            directives.append(&mut more);
            match closed {
                None => break,
                Some(place) => self.broken(place, 1, "a `}` that closes nothing"),
            }
        }
        self.open.pop();
        Ok(directives)
    }

    /// The directives up to the end of the file, or to a `}` whose place is given.
    fn block(&mut self, text: &mut Text<'_>) -> Result<(Vec<Directive>, Option<Place>), ReadError> {
        let mut directives = Vec::new();
        loop {
            let (words, end, place) = self.words(text)?;
            let mut words = words.into_iter();
            let Some(name) = words.next() else {
                match end {
                    End::Close => return Ok((directives, Some(place))),
                    End::File => return Ok((directives, None)),
                    End::Semicolon => self.broken(place, 1, "a `;` without a directive"),
                    End::Open => {
                        self.broken(place, 1, "a `{` without a directive");
                        self.inside(text, place)?;
                    }
                }
                continue;
            };
            self.count = self.count.saturating_add(1);
            if self.count > MAX_DIRECTIVES {
                return Err(ReadError::TooManyDirectives);
            }
            let mut directive = Directive {
                name,
                words: words.collect(),
                block: None,
            };
            let last = match end {
                End::Semicolon => false,
                End::Open if directive.name.text.ends_with("_by_lua_block") => {
                    text.skip_foreign_block();
                    directive.block = Some(Vec::new());
                    false
                }
                End::Open => {
                    directive.block = Some(self.inside(text, place)?);
                    false
                }
                End::Close | End::File => {
                    let what = format!("`{}` has no `;` at its end", shown(&directive.name.text));
                    self.broken(directive.name.place, directive.name.width, &what);
                    true
                }
            };
            if directive.is("include") && directive.block.is_none() {
                directives.append(&mut self.included(&directive)?);
            } else {
                directives.push(directive);
            }
            if last {
                let closed = matches!(end, End::Close).then_some(place);
                return Ok((directives, closed));
            }
        }
    }

    fn inside(&mut self, text: &mut Text<'_>, open: Place) -> Result<Vec<Directive>, ReadError> {
        text.depth = text.depth.saturating_add(1);
        if text.depth > MAX_DEPTH {
            return Err(ReadError::TooDeep(open.line));
        }
        let (directives, closed) = self.block(text)?;
        text.depth = text.depth.saturating_sub(1);
        if closed.is_none() {
            self.broken(open, 1, "a `{` that is never closed");
        }
        Ok(directives)
    }

    /// What stands in place of an `include`: the given files that it names, in order.
    fn included(&mut self, include: &Directive) -> Result<Vec<Directive>, ReadError> {
        let wanted = include.word(0);
        let place = include.name.place;
        let found: Vec<usize> = self
            .files
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, file)| names(wanted, &file.path))
            .map(|(index, _)| index)
            .collect();
        if found.is_empty() {
            let width = include.words.first().map_or(0, |word| word.width);
            self.left_out.push(Trouble {
                place,
                width: include.name.width.saturating_add(width).saturating_add(1),
                what: shown(wanted),
            });
            // A hostile file has as many of them as directives, no more.
            self.left_out.truncate(MAX_TROUBLES);
            return Ok(Vec::new());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(ReadError::TooDeep(place.line));
        }
        let mut directives = Vec::new();
        for index in found {
            if self.open.contains(&index) {
                self.broken(place, include.name.width, "a file that includes itself");
            } else {
                directives.append(&mut self.file(index)?);
            }
        }
        Ok(directives)
    }

    /// The words up to `;`, `{`, `}` or the end, and the place of that.
    fn words(&mut self, text: &mut Text<'_>) -> Result<(Vec<Word>, End, Place), ReadError> {
        let mut words: Vec<Word> = Vec::new();
        loop {
            text.skip_space();
            let place = text.place();
            let end = match text.peek() {
                None => End::File,
                Some(';') => End::Semicolon,
                Some('{') => End::Open,
                Some('}') => End::Close,
                Some(_) => {
                    if words.len() >= MAX_WORDS {
                        return Err(ReadError::TooManyWords(place.line));
                    }
                    let (word, trouble) = text.word();
                    if let Some(what) = trouble {
                        self.broken(word.place, word.width, what);
                    }
                    words.push(word);
                    continue;
                }
            };
            text.next();
            return Ok((words, end, place));
        }
    }

    fn broken(&mut self, place: Place, width: usize, what: &str) {
        if self.broken.len() < MAX_TROUBLES {
            self.broken.push(Trouble {
                place,
                width,
                what: what.to_owned(),
            });
        }
    }
}

/// Whether an `include` means this path: the same path, or the same file name when the folder is
/// another one here; `*` stands for any part of a name.
fn names(wanted: &str, path: &str) -> bool {
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    !wanted.is_empty() && glob(&last(wanted), &last(path)) && {
        let folder = |text: &str| {
            let (folder, _) = text.rsplit_once('/').unwrap_or_default();
            last(folder)
        };
        // `nginx -T` and relative paths agree in the last folder; a lone file has none.
        let (one, other) = (folder(wanted), folder(path));
        one.is_empty()
            || other.is_empty()
            || one == other
            || wanted.rsplit('/').next() == Some(&last(path))
    }
}

fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut rest = rest;
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A foreign word for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(120)
        .flat_map(char::escape_default)
        .collect()
}

/// A text with the place that was reached.
struct Text<'t> {
    chars: Peekable<Chars<'t>>,
    file: usize,
    line: usize,
    column: usize,
    depth: usize,
}

impl<'t> Text<'t> {
    fn new(file: usize, text: &'t str) -> Self {
        Self {
            chars: text.trim_start_matches('\u{feff}').chars().peekable(),
            file,
            line: 1,
            column: 1,
            depth: 0,
        }
    }

    const fn place(&self) -> Place {
        Place {
            file: self.file,
            line: self.line,
            column: self.column,
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    /// Skips blanks, line ends and comments: a `#` begins one between words only.
    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
            } else if is_space(c) {
                self.next();
            } else {
                return;
            }
        }
    }

    /// Skips to the brace that closes a block of another language.
    fn skip_foreign_block(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next() {
                Some('{') => depth = depth.saturating_add(1),
                Some('}') => depth = depth.saturating_sub(1),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn word(&mut self) -> (Word, Option<&'static str>) {
        let place = self.place();
        let mut taken = 0_usize;
        let mut trouble = None;
        let mut text = String::new();
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''));
        if quote.is_some() {
            self.next();
            taken = taken.saturating_add(1);
        }
        loop {
            let Some(c) = self.peek() else {
                if quote.is_some() {
                    trouble = Some("a quote that is never closed");
                }
                break;
            };
            match quote {
                Some(quote) if c == quote => {
                    self.next();
                    taken = taken.saturating_add(1);
                    // NGINX demands a blank, `;`, `{` or `)` behind a closing quote.
                    if self
                        .peek()
                        .is_some_and(|c| !is_space(c) && !matches!(c, ';' | '{' | ')'))
                    {
                        trouble = Some("a character right behind a closing quote");
                    }
                    break;
                }
                None if is_space(c) || c == ';' => break,
                // `${name}` is part of a word; another `{` ends it.
                None if c == '{' && !text.ends_with('$') => break,
                _ => {}
            }
            self.next();
            taken = taken.saturating_add(1);
            if c != '\\' {
                text.push(c);
                continue;
            }
            match self.peek() {
                Some(escaped) => {
                    self.next();
                    taken = taken.saturating_add(1);
                    push_escaped(&mut text, escaped);
                }
                None => text.push('\\'),
            }
        }
        let word = Word {
            text,
            place,
            width: taken,
        };
        (word, trouble)
    }
}

/// What NGINX makes of a backslash and a character: quotes and a backslash lose it, `t`, `r` and `n`
/// become control characters, and all else keeps it, which regular expressions need.
fn push_escaped(text: &mut String, escaped: char) {
    match escaped {
        '"' | '\'' | '\\' => text.push(escaped),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        'n' => text.push('\n'),
        other => {
            text.push('\\');
            text.push(other);
        }
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
