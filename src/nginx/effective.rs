//! What holds at one place: directives inherited from the blocks around it, and the location that
//! a path ends in.

use crate::nginx::config::{Config, Directive};
use crate::nginx::pattern::{Case, matches};

/// Longest chain of blocks; deeper ones were refused when reading.
const MAX_CHAIN: usize = crate::nginx::read::MAX_DEPTH;

/// A block with the blocks around it, innermost first. Outermost is what stands in `http`, or
/// outside every block of a site's own file.
#[derive(Debug, Clone)]
pub(super) struct Scope<'c> {
    /// The directives of each level, innermost first.
    levels: Vec<&'c [Directive]>,
    /// The directive that opens the innermost block; none: outside every block.
    pub(super) opener: Option<&'c Directive>,
}

impl<'c> Scope<'c> {
    /// All of `http`: the file itself, or the block of that name in it.
    pub(super) fn http(config: &'c Config) -> Self {
        let http = config.directives.iter().find(|one| one.is("http"));
        Self {
            levels: vec![http.map_or(config.directives.as_slice(), Directive::inside)],
            opener: None,
        }
    }

    /// A block inside this one.
    pub(super) fn enter(&self, block: &'c Directive) -> Self {
        let mut levels = Vec::with_capacity(self.levels.len().saturating_add(1));
        levels.push(block.inside());
        levels.extend(self.levels.iter().copied().take(MAX_CHAIN));
        Self {
            levels,
            opener: Some(block),
        }
    }

    /// The directives that stand in this very block.
    pub(super) fn own(&self) -> &'c [Directive] {
        self.levels.first().copied().unwrap_or_default()
    }

    /// The directives of a name that stand in this very block.
    pub(super) fn own_all(&self, name: &'c str) -> impl Iterator<Item = &'c Directive> {
        self.own().iter().filter(move |one| one.is(name))
    }

    /// The directives of a name that hold here. A block that has one of that name inherits none:
    /// that is so for values, and for lists such as `proxy_set_header` and `add_header` too.
    pub(super) fn all(&self, name: &str) -> Vec<&'c Directive> {
        for level in &self.levels {
            let here: Vec<&Directive> = level.iter().filter(|one| one.is(name)).collect();
            if !here.is_empty() {
                return here;
            }
        }
        Vec::new()
    }

    /// The directive of a name that holds here.
    pub(super) fn get(&self, name: &str) -> Option<&'c Directive> {
        self.all(name).into_iter().next_back()
    }

    /// The `proxy_set_header` or `add_header` of this header that holds here.
    pub(super) fn header(&self, directive: &str, header: &str) -> Option<&'c Directive> {
        self.all(directive)
            .into_iter()
            .find(|one| one.word(0).eq_ignore_ascii_case(header))
    }
}

/// The location that a path ends in.
#[derive(Debug)]
pub(super) enum Found<'c> {
    Location(Scope<'c>),
    /// No location: the server block itself.
    None,
    /// An expression that stands in the way cannot be judged.
    Unknown(&'c Directive),
}

/// What a location is compared with.
enum Test<'c> {
    Equal(&'c str),
    Prefix { path: &'c str, stops: bool },
    Pattern { pattern: &'c str, case: Case },
    Named,
}

fn test(location: &Directive) -> Test<'_> {
    match (location.word(0), location.words.get(1)) {
        ("=", Some(path)) => Test::Equal(&path.text),
        ("^~", Some(path)) => Test::Prefix {
            path: &path.text,
            stops: true,
        },
        ("~", Some(pattern)) => Test::Pattern {
            pattern: &pattern.text,
            case: Case::Matters,
        },
        ("~*", Some(pattern)) => Test::Pattern {
            pattern: &pattern.text,
            case: Case::Ignored,
        },
        (first, _) if first.starts_with('@') => Test::Named,
        // NGINX takes `~/path` without a blank too.
        (first, None) => match first.strip_prefix("~*") {
            Some(pattern) => Test::Pattern {
                pattern,
                case: Case::Ignored,
            },
            None => match first.strip_prefix('~') {
                Some(pattern) => Test::Pattern {
                    pattern,
                    case: Case::Matters,
                },
                None => Test::Prefix {
                    path: first,
                    stops: false,
                },
            },
        },
        (first, Some(_)) => Test::Prefix {
            path: first,
            stops: false,
        },
    }
}

/// The location of a server that answers `path`: an equal one; else the longest prefix, when it
/// says so (`^~`); else the first expression that matches; else the longest prefix.
pub(super) fn location<'c>(server: &Scope<'c>, path: &str) -> Found<'c> {
    let mut longest: Option<(&Directive, usize, bool)> = None;
    for one in server.own_all("location") {
        match test(one) {
            Test::Equal(equal) if equal == path => return Found::Location(server.enter(one)),
            Test::Prefix {
                path: prefix,
                stops,
            } if path.starts_with(prefix)
                && longest.is_none_or(|(_, length, _)| prefix.len() >= length) =>
            {
                longest = Some((one, prefix.len(), stops));
            }
            _ => {}
        }
    }
    let prefix = longest.map(|(one, ..)| server.enter(one));
    if let Some(inner) = &prefix
        && inner.own_all("location").next().is_some()
    {
        match location(inner, path) {
            Found::None => {}
            found => return found,
        }
    }
    if !longest.is_some_and(|(.., stops)| stops) {
        for one in server.own_all("location") {
            if let Test::Pattern { pattern, case } = test(one) {
                match matches(pattern, path, case) {
                    Some(true) => return Found::Location(server.enter(one)),
                    Some(false) => {}
                    None => return Found::Unknown(one),
                }
            }
        }
    }
    prefix.map_or(Found::None, Found::Location)
}

/// Bytes of a size such as `50M`; `None` for anything else.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (text.get(..at)?, 1024),
        (at, 'm' | 'M') => (text.get(..at)?, 1024 * 1024),
        (at, 'g' | 'G') => (text.get(..at)?, 1024 * 1024 * 1024),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Seconds of a time such as `90`, `90s` or `1m30s`, rounded down; `None` for anything else.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    let mut digits = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let number: u64 = digits.parse().ok()?;
        digits.clear();
        let each = match (c, chars.peek()) {
            ('m', Some('s')) => {
                chars.next();
                sum = sum.checked_add(number / 1000)?;
                continue;
            }
            ('s', _) => 1,
            ('m', _) => 60,
            ('h', _) => 3600,
            ('d', _) => 86_400,
            ('w', _) => 604_800,
            ('M', _) => 2_592_000,
            ('y', _) => 31_536_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(each)?)?;
    }
    if !digits.is_empty() {
        sum = sum.checked_add(digits.parse().ok()?)?;
    } else if text.is_empty() {
        return None;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_those_of_nginx() {
        for (text, expected) in [
            ("50M", Some(52_428_800)),
            ("0", Some(0)),
            ("8k", Some(8192)),
            ("1g", Some(1_073_741_824)),
            ("", None),
            ("M", None),
            ("1.5M", None),
            ("99999999999999999999G", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("1m30s", Some(90)),
            ("1500ms", Some(1)),
            ("1d", Some(86_400)),
            ("", None),
            ("s", None),
            ("5x", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
