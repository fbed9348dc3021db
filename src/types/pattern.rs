//! Patterns that find a digest or a version in a page. Plain matching, no regular expressions.
//!
//! A pattern is the text around what is sought: `{sha256}` or `{version}` stands for it once, other
//! placeholders are replaced, white space stands for any white space, and `...` for up to [`MAX_GAP`]
//! bytes of anything. A match never reaches over another digest, so that the digest of one file is not
//! taken for that of another which the page leaves out.

use std::collections::BTreeSet;

use crate::types::digest::Digest;
use crate::types::scheme::MAX_VERSION;

/// Most bytes that `...` stands for.
pub const MAX_GAP: usize = 400;
/// Longest page that is searched, in bytes.
pub const MAX_PAGE: u64 = 8 << 20;
/// Longest piece of a page that a match covers, in bytes.
pub const MAX_EXCERPT: usize = 8 << 10;
/// Most parts of a pattern.
const MAX_PARTS: usize = 32;
/// Most matches that are told apart.
const MAX_MATCHES: usize = 10_000;
const GAP: &str = "...";

/// What a pattern seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// A SHA-256 in hex, `{sha256}`.
    Sha256,
    /// A version, `{version}`.
    Version,
}

/// A pattern with every placeholder filled in but the one that it seeks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: Vec<Part>,
    after: Vec<Part>,
    sought: Sought,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A filled placeholder: a whole name, never a piece of a longer one.
    Word(String),
    Space,
    Gap,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePatternError {
    /// It does not say what is sought, or says it twice.
    #[error("the pattern must hold {{{0}}} once")]
    Sought(&'static str),
    /// A placeholder that is not known, or a brace that is not closed.
    #[error("`{0}` is no placeholder of this pattern")]
    Placeholder(String),
    /// Nothing fixed stands where it must.
    #[error(
        "the pattern needs text directly before and behind {{version}}, such as `tool-{{version}}.tar`"
    )]
    Loose,
    /// Nothing ties the digest to the file.
    #[error(
        "the pattern needs text beside {{sha256}}, such as {{file}}, that tells whose digest it is"
    )]
    Bare,
    /// It has more than 32 parts.
    #[error("the pattern has more than {MAX_PARTS} parts")]
    TooLong,
}

/// How often a pattern matches where it must match once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The page is longer than [`MAX_PAGE`].
    #[error("the page is longer than {MAX_PAGE} bytes")]
    TooLong,
    /// It matches nowhere, or at several places.
    #[error("the pattern matches {0} times on the page; it must match once")]
    Count(usize),
    /// The match covers more than [`MAX_EXCERPT`].
    #[error("the match covers more than {MAX_EXCERPT} bytes of the page")]
    Excerpt,
}

/// One match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'t> {
    /// What was sought.
    pub found: &'t str,
    /// The shortest piece of the page that matches.
    pub excerpt: &'t str,
}

impl Sought {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Version => "version",
        }
    }
}

impl Pattern {
    /// Reads a pattern; `values` are the other placeholders.
    ///
    /// # Errors
    /// When it does not hold what is sought once, between fixed text, or an unknown placeholder.
    pub fn parse(
        text: &str,
        sought: Sought,
        values: &[(&str, &str)],
    ) -> Result<Self, ParsePatternError> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut seen = false;
        let mut rest = text;
        while let Some((plain, tail)) = rest.split_once('{') {
            let unknown = |name: &str| {
                let shown = name.chars().take(40).collect();
                ParsePatternError::Placeholder(shown)
            };
            let (name, tail) = tail.split_once('}').ok_or_else(|| unknown("{"))?;
            let side = if seen { &mut after } else { &mut before };
            push_text(plain, side);
            if name != sought.name() {
                let value = values.iter().find(|(known, _)| *known == name);
                let (_, value) = value.ok_or_else(|| unknown(&format!("{{{name}}}")))?;
                side.push(Part::Word((*value).to_owned()));
            } else if seen {
                return Err(ParsePatternError::Sought(sought.name()));
            } else {
                seen = true;
            }
            rest = tail;
        }
        if !seen {
            return Err(ParsePatternError::Sought(sought.name()));
        }
        push_text(rest, &mut after);
        if before.len().saturating_add(after.len()) > MAX_PARTS {
            return Err(ParsePatternError::TooLong);
        }
        let fixed = |part: Option<&Part>| matches!(part, Some(Part::Text(_) | Part::Word(_)));
        let mut all = before.iter().chain(&after);
        match sought {
            Sought::Version if !fixed(before.last()) || !fixed(after.first()) => {
                Err(ParsePatternError::Loose)
            }
            Sought::Sha256 if !all.any(|part| fixed(Some(part))) => Err(ParsePatternError::Bare),
            _ => Ok(Self {
                before,
                after,
                sought,
            }),
        }
    }

    /// Every match, in the order of the page; at most 10,000.
    #[must_use]
    pub fn matches<'t>(&self, page: &'t str) -> Vec<Match<'t>> {
        let places = match self.sought {
            Sought::Sha256 => digests(page),
            Sought::Version => self.versions(page),
        };
        let mut found = Vec::new();
        for (at, (start, end)) in places.iter().copied().enumerate() {
            // A match does not reach over the digest before or behind it.
            let digest = self.sought == Sought::Sha256;
            let neighbour = |at: Option<usize>| places.get(at?).copied().filter(|_| digest);
            let first = neighbour(at.checked_sub(1)).map_or(0, |(_, end)| end);
            let last = neighbour(at.checked_add(1)).map_or(page.len(), |(start, _)| start);
            let starts = backwards(&self.before, page, start, first);
            let ends = forwards(&self.after, page, end, last);
            if let (Some(from), Some(to)) = (starts.last(), ends.first())
                && let (Some(found_text), Some(excerpt)) =
                    (page.get(start..end), page.get(*from..*to))
            {
                found.push(Match {
                    found: found_text,
                    excerpt,
                });
            }
            if found.len() >= MAX_MATCHES {
                break;
            }
        }
        found
    }

    /// The digest at the only place that matches, and the piece of the page that does.
    ///
    /// # Errors
    /// When there is no such place, or more than one: the same digest twice counts as two.
    pub fn only_digest(&self, page: &str) -> Result<(Digest, String), MatchError> {
        if u64::try_from(page.len()).unwrap_or(u64::MAX) > MAX_PAGE {
            return Err(MatchError::TooLong);
        }
        let found = self.matches(page);
        let [one] = found.as_slice() else {
            return Err(MatchError::Count(found.len()));
        };
        if one.excerpt.len() > MAX_EXCERPT {
            return Err(MatchError::Excerpt);
        }
        let digest = one.found.to_ascii_lowercase().parse();
        let digest = digest.map_err(|_| MatchError::Count(0))?;
        Ok((digest, one.excerpt.to_owned()))
    }

    /// Places of the shortest texts between the text before `{version}` and the text behind it.
    fn versions(&self, page: &str) -> Vec<(usize, usize)> {
        let text = |part: Option<&Part>| match part {
            Some(Part::Text(text) | Part::Word(text)) => text.clone(),
            _ => String::new(),
        };
        let (before, after) = (text(self.before.last()), text(self.after.first()));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+~:-".contains(c);
        let mut places = Vec::new();
        for (at, _) in page.match_indices(&before) {
            let start = at.saturating_add(before.len());
            let rest = page.get(start..).unwrap_or_default();
            let end = (1..=MAX_VERSION).find(|length| {
                let behind = rest.get(*length..);
                behind.is_some_and(|behind| behind.starts_with(&after))
            });
            let Some(end) = end.map(|length| start.saturating_add(length)) else {
                continue;
            };
            if page
                .get(start..end)
                .is_some_and(|text| text.chars().all(plain))
            {
                places.push((start, end));
            }
        }
        places
    }
}

/// Splits at `...` and at white space.
fn push_text(text: &str, into: &mut Vec<Part>) {
    for (at, piece) in text.split(GAP).enumerate() {
        if at > 0 {
            into.push(Part::Gap);
        }
        for (at, word) in piece.split(char::is_whitespace).enumerate() {
            if at > 0 && into.last() != Some(&Part::Space) {
                into.push(Part::Space);
            }
            if !word.is_empty() {
                into.push(Part::Text(word.to_owned()));
            }
        }
    }
}

/// Places of 64 hex digits that are no piece of something longer.
fn digests(page: &str) -> Vec<(usize, usize)> {
    let bytes = page.as_bytes();
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !byte.is_ascii_alphanumeric() {
            at = at.saturating_add(1);
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let length = word.count();
        let hex = rest.iter().take(length).all(u8::is_ascii_hexdigit);
        if length == 64 && hex {
            places.push((at, at.saturating_add(64)));
        }
        at = at.saturating_add(length);
    }
    places
}

/// Where a match of `parts` that ends at `end` may begin, not before `first`.
fn backwards(parts: &[Part], page: &str, end: usize, first: usize) -> BTreeSet<usize> {
    let mut ends = BTreeSet::from([end]);
    for (at, part) in parts.iter().enumerate().rev() {
        let loose_left = at.checked_sub(1).is_none_or(|at| is_loose(parts.get(at)));
        let loose_right = parts
            .get(at.saturating_add(1))
            .is_some_and(|part| is_loose(Some(part)));
        let mut starts = BTreeSet::new();
        for end in ends {
            let until = page.get(..end).unwrap_or_default();
            match part {
                Part::Text(text) if until.ends_with(text) => {
                    starts.insert(end.saturating_sub(text.len()));
                }
                Part::Word(word) if until.ends_with(word) => {
                    let start = end.saturating_sub(word.len());
                    if (!loose_left || opens(page, start)) && (!loose_right || closes(page, end)) {
                        starts.insert(start);
                    }
                }
                Part::Text(_) | Part::Word(_) => {}
                Part::Space => {
                    let kept = until.trim_end().len();
                    starts.extend((kept..end).filter(|at| page.is_char_boundary(*at)));
                }
                Part::Gap => {
                    let least = end.saturating_sub(MAX_GAP);
                    starts.extend((least..=end).filter(|at| page.is_char_boundary(*at)));
                }
            }
        }
        starts.retain(|start| *start >= first);
        ends = starts;
    }
    ends
}

/// Where a match of `parts` that begins at `start` may end, not behind `last`.
fn forwards(parts: &[Part], page: &str, start: usize, last: usize) -> BTreeSet<usize> {
    let mut starts = BTreeSet::from([start]);
    for (at, part) in parts.iter().enumerate() {
        let loose_left = at.checked_sub(1).is_some_and(|at| is_loose(parts.get(at)));
        let loose_right = is_loose(parts.get(at.saturating_add(1)));
        let mut ends = BTreeSet::new();
        for start in starts {
            let rest = page.get(start..).unwrap_or_default();
            match part {
                Part::Text(text) if rest.starts_with(text) => {
                    ends.insert(start.saturating_add(text.len()));
                }
                Part::Word(word) if rest.starts_with(word) => {
                    let end = start.saturating_add(word.len());
                    if (!loose_left || opens(page, start)) && (!loose_right || closes(page, end)) {
                        ends.insert(end);
                    }
                }
                Part::Text(_) | Part::Word(_) => {}
                Part::Space => {
                    let skipped = rest.len().saturating_sub(rest.trim_start().len());
                    let end = start.saturating_add(skipped);
                    let first = start.saturating_add(1);
                    ends.extend((first..=end).filter(|at| page.is_char_boundary(*at)));
                }
                Part::Gap => {
                    let most = start.saturating_add(MAX_GAP).min(page.len());
                    ends.extend((start..=most).filter(|at| page.is_char_boundary(*at)));
                }
            }
        }
        ends.retain(|end| *end <= last);
        starts = ends;
    }
    starts
}

/// Whether anything may stand there: the end of the pattern, or `...`.
const fn is_loose(part: Option<&Part>) -> bool {
    matches!(part, None | Some(Part::Gap))
}

/// Whether a name can begin here: what stands before belongs to no name.
fn opens(page: &str, at: usize) -> bool {
    let before = page.get(..at).and_then(|text| text.chars().next_back());
    before.is_none_or(|c| !c.is_alphanumeric() && !"-_.".contains(c))
}

/// Whether a name can end here: what follows belongs to no name. A full stop ends a sentence.
fn closes(page: &str, at: usize) -> bool {
    let mut rest = page.get(at..).unwrap_or_default().chars();
    match rest.next() {
        Some('.') => rest.next().is_none_or(|c| !c.is_alphanumeric()),
        Some(c) => !c.is_alphanumeric() && !"-_".contains(c),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "8ae404ed0c0fbab2b01c00c031b9d0f3e17c51007e3bb3401bebaf3e60da0c3e";
    const B: &str = "376f4be1fcd83bd65ab3f4dc580ba87684e4caed93d357e965b95703854f7c05";

    fn of(pattern: &str) -> Pattern {
        let values = [("file", "tool-1.2-linux.tar.gz"), ("version", "1.2")];
        Pattern::parse(pattern, Sought::Sha256, &values).unwrap()
    }

    fn found(pattern: &str, page: &str) -> Result<String, MatchError> {
        of(pattern)
            .only_digest(page)
            .map(|(digest, _)| digest.to_string())
    }

    #[test]
    fn finds_the_digest_beside_the_name() {
        let page = format!(
            "- Tool 1.2: `https://example.org/1.2/tool-1.2-linux.tar.gz`\n    - SHA-256 Checksum: ``{A}``\n\
             \x20   - Signature: https://example.org/1.2/tool-1.2-linux.tar.gz.sig\n\
             - Other: `https://example.org/1.2/other-1.2-linux.tar.gz`\n    - SHA-256 Checksum: ``{B}``\n"
        );
        let pattern = "{file}...SHA-256 Checksum: ``{sha256}``";
        assert_eq!(found(pattern, &page).as_deref(), Ok(A));
        let (_, excerpt) = of(pattern).only_digest(&page).unwrap();
        assert_eq!(
            excerpt,
            format!("tool-1.2-linux.tar.gz`\n    - SHA-256 Checksum: ``{A}``")
        );
        assert_eq!(
            found(pattern, &excerpt).as_deref(),
            Ok(A),
            "the excerpt alone"
        );
        assert_eq!(found("{file}...{sha256}", &page).as_deref(), Ok(A));
        // White space stands for any white space, upper case is read too.
        let page = format!("tool-1.2-linux.tar.gz\n\t  {}\n", A.to_uppercase());
        assert_eq!(found("{file} {sha256}", &page).as_deref(), Ok(A));
    }

    #[test]
    fn never_takes_the_digest_of_another_file() {
        let pattern = "{file}...{sha256}";
        let sig = format!("tool-1.2-linux.tar.gz.sig {A}");
        assert_eq!(found(pattern, &sig), Err(MatchError::Count(0)));
        let longer = format!("my-tool-1.2-linux.tar.gz {A}");
        assert_eq!(found(pattern, &longer), Err(MatchError::Count(0)));
        let missing = format!("tool-1.2-linux.tar.gz (withdrawn)\nother.tar.gz {B}\n");
        // `...` would reach: what ties the digest to the file must be in the pattern.
        assert_eq!(found(pattern, &missing).as_deref(), Ok(B));
        assert_eq!(
            found("{file} {sha256}", &missing),
            Err(MatchError::Count(0))
        );
        let behind = format!("tool-1.2-linux.tar.gz {A} other.tar.gz {B}\n");
        assert_eq!(found(pattern, &behind).as_deref(), Ok(A));
        let far = format!("tool-1.2-linux.tar.gz {}{A}", " .".repeat(MAX_GAP));
        assert_eq!(found(pattern, &far), Err(MatchError::Count(0)));
        let sha512 = format!("tool-1.2-linux.tar.gz {A}{B}");
        assert_eq!(found(pattern, &sha512), Err(MatchError::Count(0)));
    }

    #[test]
    fn says_how_often_it_matches() {
        let page = format!("tool-1.2-linux.tar.gz {A}\ntool-1.2-linux.tar.gz {A}\n");
        let error = found("{file} {sha256}", &page).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the pattern matches 2 times on the page; it must match once"
        );
        assert_eq!(found("{file} {sha256}", ""), Err(MatchError::Count(0)));
    }

    #[test]
    fn refuses_patterns_that_say_nothing() {
        let refused = |text: &str, sought| Pattern::parse(text, sought, &[]).unwrap_err();
        assert_eq!(
            refused("a", Sought::Sha256),
            ParsePatternError::Sought("sha256")
        );
        assert_eq!(
            refused("a{sha256}{sha256}", Sought::Sha256),
            ParsePatternError::Sought("sha256")
        );
        assert_eq!(
            refused("a{sha256}{fiel}", Sought::Sha256),
            ParsePatternError::Placeholder("{fiel}".to_owned())
        );
        assert_eq!(
            refused("...{sha256} ", Sought::Sha256),
            ParsePatternError::Bare
        );
        assert_eq!(
            refused("a...{version}b", Sought::Version),
            ParsePatternError::Loose
        );
        assert_eq!(
            refused("a{version}", Sought::Version),
            ParsePatternError::Loose
        );
        assert_eq!(
            refused(&format!("{{sha256}}{}", " a".repeat(20)), Sought::Sha256),
            ParsePatternError::TooLong
        );
    }

    #[test]
    fn lists_versions_between_fixed_text() {
        let page = "<a href=\"nginx-1.30.4.tar.gz\">nginx-1.30.4.tar.gz</a>\n\
                    <a href=\"nginx-1.30.5.tar.gz\">nginx-1.30.5.tar.gz</a>\n\
                    <a href=\"nginx-1.30.5.tar.gz.asc\">…</a> nginx-.tar.gz nginx- 1.tar.gz";
        let pattern = Pattern::parse("\"nginx-{version}.tar.gz\"", Sought::Version, &[]).unwrap();
        let found: Vec<_> = pattern.matches(page).iter().map(|one| one.found).collect();
        assert_eq!(found, ["1.30.4", "1.30.5"]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(page in "\\PC{0,300}", pattern in "\\PC{0,40}\\{sha256\\}\\PC{0,40}") {
            if let Ok(pattern) = Pattern::parse(&pattern, Sought::Sha256, &[]) {
                let _ = pattern.matches(&page);
            }
        }
    }
}
