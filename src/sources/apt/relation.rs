//! Relations between packages: `Depends`, `Conflicts`, `Provides` (Debian policy §7.1).

use std::cmp::Ordering;

use super::version;

/// How a version must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether `found` stands in this relation to `wanted`.
    #[must_use]
    pub(crate) fn accepts(self, found: &str, wanted: &str) -> bool {
        let order = version::compare(found, wanted);
        match self {
            Self::Earlier => order == Ordering::Less,
            Self::EarlierOrEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::LaterOrEqual => order != Ordering::Less,
            Self::Later => order == Ordering::Greater,
        }
    }

    /// As it is written.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// One alternative of a relation: `name:any (>= version)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alternative<'a> {
    /// Name, with its `:any` or `:<architecture>` when it has one.
    pub(crate) name: &'a str,
    /// What is asked of the version.
    pub(crate) version: Option<(Operator, &'a str)>,
    /// Whether `|` follows: the next alternative would do as well.
    pub(crate) or: bool,
}

/// A relation field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RelationError(pub(super) String);

/// The alternatives of a relation field, in order, without those that are for other architectures
/// or need a build profile. Alternatives that belong together are joined by `or`.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn parse<'a>(field: &'a str, arch: &str) -> Result<Vec<Alternative<'a>>, RelationError> {
    let mut found = Vec::new();
    for group in field.split(',') {
        if group.trim_ascii().is_empty() {
            continue;
        }
        let start = found.len();
        for one in group.split('|') {
            if let Some(alternative) = parse_one(one, arch)? {
                found.push(alternative);
            }
        }
        let last = found.len().saturating_sub(1);
        for alternative in found.get_mut(start..last).unwrap_or_default() {
            alternative.or = true;
        }
    }
    Ok(found)
}

fn parse_one<'a>(text: &'a str, arch: &str) -> Result<Option<Alternative<'a>>, RelationError> {
    let wrong = || {
        let shown: String = text.trim_ascii().chars().take(120).collect();
        RelationError(format!("`{shown}` is no relation between packages"))
    };
    let text = text.trim_ascii();
    let end = text
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<'))
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at_checked(end).ok_or_else(wrong)?;
    if !is_name(name) {
        return Err(wrong());
    }
    rest = rest.trim_ascii_start();
    let mut version = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (inside, after) = inner.split_once(')').ok_or_else(wrong)?;
        version = Some(parse_version(inside).ok_or_else(wrong)?);
        rest = after.trim_ascii_start();
    }
    let mut applies = true;
    if let Some(inner) = rest.strip_prefix('[') {
        let (inside, after) = inner.split_once(']').ok_or_else(wrong)?;
        applies = applies_to(inside, arch);
        rest = after.trim_ascii_start();
    }
    // Build profiles: one of the lists must hold, and none is active, so that only negated ones do.
    let mut profiles = None;
    while let Some(inner) = rest.strip_prefix('<') {
        let (inside, after) = inner.split_once('>').ok_or_else(wrong)?;
        let holds = inside
            .split_ascii_whitespace()
            .all(|one| one.starts_with('!'));
        profiles = Some(profiles.unwrap_or(false) || holds);
        rest = after.trim_ascii_start();
    }
    applies &= profiles.unwrap_or(true);
    if !rest.is_empty() {
        return Err(wrong());
    }
    Ok(applies.then_some(Alternative {
        name,
        version,
        or: false,
    }))
}

/// Names are lower case in the archive; dpkg and apt accept more, and so do we.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:_".contains(&byte);
    name.len() >= 2 && name.bytes().all(allowed) && !name.starts_with([':', '-', '.'])
}

fn parse_version(text: &str) -> Option<(Operator, &str)> {
    let text = text.trim_ascii();
    let end = text.find(|c: char| !matches!(c, '<' | '>' | '='))?;
    let (sign, version) = text.split_at_checked(end)?;
    // A lone `<` or `>` is the old way to write `<=` and `>=`.
    let operator = match sign {
        "<<" => Operator::Earlier,
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    let version = version.trim_ascii();
    let plain = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some((operator, version))
}

fn applies_to(list: &str, arch: &str) -> bool {
    let matches = |one: &str| {
        one == arch || one == "any" || one == "linux-any" || one == format!("any-{arch}")
    };
    let mut names = list.split_ascii_whitespace().peekable();
    if names.peek().is_some_and(|first| first.starts_with('!')) {
        !names.any(|one| matches(one.trim_start_matches('!')))
    } else {
        names.any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Vec<String> {
        let all = parse(field, "amd64").unwrap();
        all.iter()
            .map(|one| {
                let version = one
                    .version
                    .map(|(operator, version)| format!(" {} {version}", operator.as_str()))
                    .unwrap_or_default();
                format!("{}{version}{}", one.name, if one.or { " |" } else { "" })
            })
            .collect()
    }

    #[test]
    fn reads_what_the_policy_allows() {
        assert_eq!(
            shown("libc6 (>= 2.36), a1|bb (<< 1) | cc:any(=1:2-3) , python3:any\n (> 3)"),
            [
                "libc6 >= 2.36",
                "a1 |",
                "bb << 1 |",
                "cc:any = 1:2-3",
                "python3:any >= 3"
            ]
        );
        assert_eq!(shown(" "), Vec::<String>::new());
        assert_eq!(shown("aa,"), ["aa"]);
    }

    #[test]
    fn leaves_out_other_architectures_and_build_profiles() {
        assert_eq!(
            shown(
                "aa [amd64], bb [i386 arm64], cc [!amd64], dd [!i386], ee <!nocheck>, ff <cross>"
            ),
            ["aa", "dd", "ee"]
        );
        assert_eq!(shown("aa | bb [i386], cc [i386] | dd"), ["aa", "dd"]);
    }

    #[test]
    fn refuses_what_is_no_relation() {
        for bad in [
            "a b",
            "aa (",
            "aa (1)",
            "aa (>= )",
            "aa [amd64",
            "../x",
            "a$b",
            "aa (=> 1)",
            "aa (>= 1 2)",
        ] {
            assert!(parse(bad, "amd64").is_err(), "{bad}");
        }
    }

    #[test]
    fn operators_accept_as_they_say() {
        use Operator::{Earlier, EarlierOrEqual, Equal, Later, LaterOrEqual};
        for (operator, less, same, more) in [
            (Earlier, true, false, false),
            (EarlierOrEqual, true, true, false),
            (Equal, false, true, false),
            (LaterOrEqual, false, true, true),
            (Later, false, false, true),
        ] {
            let found = ["1", "2", "3"].map(|found| operator.accepts(found, "2"));
            assert_eq!(found, [less, same, more], "{operator:?}");
        }
    }
}
