//! The order of rpm's versions (`rpmvercmp`, and epoch, version, release around it).
//!
//! The rules are those of rpm-version(7): numbers are compared as numbers and are newer than letters,
//! `~` sorts before the end of the text and `^` behind it, and every other character only separates.

use std::cmp::Ordering;

/// Epoch, version and release of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evr {
    /// Compared before all else; 0 when a package states none.
    pub epoch: u32,
    /// The version, as upstream numbers it in rpm's notation.
    pub version: String,
    /// The release of the package.
    pub release: String,
}

impl Evr {
    /// Which of two is newer. Texts that differ only in separators are equal here.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.version, &other.version))
            .then_with(|| compare(&self.release, &other.release))
    }
}

/// Which of two versions, or of two releases, is newer.
#[must_use]
#[expect(
    clippy::match_same_arms,
    reason = "one rule an arm, in the order in which rpm asks"
)]
pub fn compare(one: &str, two: &str) -> Ordering {
    let (mut a, mut b) = (one.as_bytes(), two.as_bytes());
    loop {
        (a, b) = (skip_separators(a), skip_separators(b));
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (a, b) = (rest(a, 1), rest(b, 1));
                continue;
            }
            // What `~` begins is older than what ends here or goes on in any other way.
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            // What `^` begins is newer than what ends here, and older than what goes on.
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) | (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(_), Some(_)) => {}
        }
        let numeric = a.first().is_some_and(u8::is_ascii_digit);
        let alike: fn(&u8) -> bool = if numeric {
            u8::is_ascii_digit
        } else {
            u8::is_ascii_alphabetic
        };
        let (here, after_a) = split(a, alike);
        let (there, after_b) = split(b, alike);
        if there.is_empty() {
            return if numeric {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let found = if numeric {
            by_number(here, there)
        } else {
            here.cmp(there)
        };
        if found.is_ne() {
            return found;
        }
        (a, b) = (after_a, after_b);
    }
}

/// Numbers of any length.
fn by_number(one: &[u8], two: &[u8]) -> Ordering {
    let one = split(one, |byte| *byte == b'0').1;
    let two = split(two, |byte| *byte == b'0').1;
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let separates = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^');
    split(text, separates).1
}

/// The longest beginning whose bytes all fit, and what follows.
fn split(text: &[u8], fits: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !fits(byte));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, &[]))
}

fn rest(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    const TABLE: [(&str, &str, Ordering); 26] = [
        ("1.0", "1.0", Ordering::Equal),
        ("1.0", "2.0", Ordering::Less),
        ("2.0.1", "2.0", Ordering::Greater),
        ("5.5p1", "5.5p2", Ordering::Less),
        ("5.5p10", "5.5p1", Ordering::Greater),
        ("10xyz", "10.1xyz", Ordering::Less),
        ("xyz10", "xyz10.1", Ordering::Less),
        ("xyz.4", "8", Ordering::Less),
        ("5.5p2", "5.6p1", Ordering::Less),
        ("6.0.rc1", "6.0", Ordering::Greater),
        ("10b2", "10a1", Ordering::Greater),
        ("1.0aa", "1.0a", Ordering::Greater),
        ("10.0001", "10.1", Ordering::Equal),
        ("10.0001", "10.0039", Ordering::Less),
        ("20101122", "20101121", Ordering::Greater),
        (
            "99999999999999999999999",
            "100000000000000000000000",
            Ordering::Less,
        ),
        ("2_0", "2.0", Ordering::Equal),
        ("a+", "a", Ordering::Equal),
        ("1.0~rc1", "1.0", Ordering::Less),
        ("1.0~rc1", "1.0~rc2", Ordering::Less),
        ("1.0~rc1~git123", "1.0~rc1", Ordering::Less),
        ("1.0^", "1.0", Ordering::Greater),
        ("1.0^git1", "1.0.1", Ordering::Less),
        ("1.0^git1~pre", "1.0^git1", Ordering::Less),
        ("1.0~rc1^git1", "1.0~rc1", Ordering::Greater),
        ("", "~", Ordering::Greater),
    ];

    #[test]
    fn orders_the_table_in_both_directions() {
        for (one, two, expected) in TABLE {
            assert_eq!(compare(one, two), expected, "{one} {two}");
            assert_eq!(compare(two, one), expected.reverse(), "{two} {one}");
        }
    }

    #[test]
    fn an_epoch_comes_before_the_version_and_the_release_after_it() {
        let evr = |epoch, version: &str, release: &str| Evr {
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
        };
        assert!(evr(1, "1.0", "1").order(&evr(0, "9.0", "9")).is_gt());
        assert!(
            evr(0, "1.0", "2.el9")
                .order(&evr(0, "1.0", "10.el9"))
                .is_lt()
        );
        assert!(evr(0, "1.1", "1").order(&evr(0, "1.0", "9")).is_gt());
    }

    #[test]
    fn rpm_itself_orders_the_table_and_five_thousand_generated_pairs_alike() {
        let mut pairs: Vec<(String, String)> = TABLE
            .iter()
            .filter(|(one, _, _)| !one.is_empty())
            .map(|(one, two, _)| ((*one).to_owned(), (*two).to_owned()))
            .collect();
        // rpm's Lua takes whole texts of epoch, version and release: none empty, and no `-` or `:` here.
        let text = "[0-2ab][0-2ab.~^_+]{0,8}";
        let mut runner = TestRunner::deterministic();
        for _ in 0..5000 {
            let pair = (text, text).new_tree(&mut runner).unwrap();
            pairs.push(pair.current());
        }
        let mut differences = Vec::new();
        for some in pairs.chunks(500) {
            let calls: Vec<String> = some
                .iter()
                .map(|(one, two)| format!("print(rpm.vercmp('{one}','{two}')..' ');"))
                .collect();
            let output = std::process::Command::new("rpm")
                .args(["--eval", &format!("%{{lua:{}}}", calls.concat())])
                .output()
                .expect("rpm is in scripts/install-packages");
            assert!(output.status.success(), "{output:?}");
            let answers = String::from_utf8(output.stdout).unwrap();
            let answers: Vec<i32> = answers
                .split_whitespace()
                .map(|answer| answer.parse().unwrap())
                .collect();
            assert_eq!(answers.len(), some.len());
            for ((one, two), answer) in some.iter().zip(answers) {
                if compare(one, two) != answer.cmp(&0) {
                    differences.push(format!("`{one}` `{two}`: rpm says {answer}"));
                }
            }
        }
        assert!(differences.is_empty(), "{differences:#?}");
    }
}
