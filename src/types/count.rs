//! Numbers of things in messages: `1 item`, `2 items`.

use std::fmt::Display;

/// A number with the word for what it counts, which is given in the singular: `1 file`, `0 files`,
/// `2 entries`, `3 boxes`.
#[must_use]
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, one: &str) -> String {
    if number == N::from(1) {
        format!("{number} {one}")
    } else {
        format!("{number} {}", plural(one))
    }
}

/// The plural of the words that messages use.
fn plural(one: &str) -> String {
    if one == "medium" {
        return "media".to_owned();
    }
    let stem = one.strip_suffix('y');
    if let Some(stem) = stem.filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        format!("{stem}ies")
    } else if ["s", "x", "ch", "sh"].iter().any(|end| one.ends_with(end)) {
        format!("{one}es")
    } else {
        format!("{one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        for (number, one, expected) in [
            (0, "file", "0 files"),
            (1, "file", "1 file"),
            (2, "file", "2 files"),
            (1, "entry", "1 entry"),
            (2, "entry", "2 entries"),
            (2, "key", "2 keys"),
            (2, "day", "2 days"),
            (2, "medium", "2 media"),
            (2, "match", "2 matches"),
            (2, "box", "2 boxes"),
            (1, "difference", "1 difference"),
        ] {
            assert_eq!(count(number, one), expected);
        }
    }
}
