//! The order of Debian versions (Debian policy §5.6.12, deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions like `dpkg --compare-versions`: epoch, then upstream version, then revision.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    compare_part(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self {
            epoch,
            upstream,
            revision,
        }
    }
}

/// Alternating runs: not digits, compared by [`rank`]; then digits, compared as numbers.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let words = compare_words(
            take(&mut a, |byte| !byte.is_ascii_digit()),
            take(&mut b, |byte| !byte.is_ascii_digit()),
        );
        let order = words.then_with(|| {
            compare_numbers(
                take(&mut a, u8::is_ascii_digit),
                take(&mut b, u8::is_ascii_digit),
            )
        });
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(text: &mut &'a [u8], wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|byte| !wanted(byte));
    let (run, rest) = text.split_at(end.unwrap_or(text.len()));
    *text = rest;
    run
}

fn compare_words(a: &[u8], b: &[u8]) -> Ordering {
    let longest = a.len().max(b.len());
    let ranks = |text: &'_ [u8]| {
        let mut ranks: Vec<u16> = text.iter().map(|byte| rank(*byte)).collect();
        ranks.resize(longest, END);
        ranks
    };
    ranks(a).cmp(&ranks(b))
}

/// What a run that has ended counts: less than every character but `~`.
const END: u16 = 1;

/// `~` comes before the end, letters before everything else.
fn rank(byte: u8) -> u16 {
    match byte {
        b'~' => 0,
        letter if letter.is_ascii_alphabetic() => u16::from(letter),
        other => u16::from(other) + 256,
    }
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let plain = |text: &mut &[u8]| {
        take(text, |byte| *byte == b'0');
    };
    let (mut a, mut b) = (a, b);
    plain(&mut a);
    plain(&mut b);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn orders_as_the_policy_says() {
        let sorted = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0+dfsg-1",
            "1.0.1",
            "1.1",
            "1.9",
            "1.10",
            "1.10a",
            "1.10+",
            "2",
            "1:0.1",
            "2:0",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for (a, b) in [
            ("1.0", "0:1.0"),
            ("1.0-0", "1.0"),
            ("1.00", "1.0"),
            ("01", "1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn zero_before_a_hyphen_is_not_the_end_of_a_word() {
        assert_eq!(compare("1.16.2+ds-1+b3", "1.16.2+ds0-1"), Ordering::Greater);
        assert_eq!(compare("3.1.2+dfsg-3", "3.1.2+dfsg0-1"), Ordering::Greater);
    }

    #[test]
    fn numbers_longer_than_any_integer_are_compared() {
        let (small, large) = ("9".repeat(400), format!("1{}", "0".repeat(400)));
        assert_eq!(compare(&small, &large), Ordering::Less);
    }

    fn version() -> impl Strategy<Value = String> {
        "([0-9]{1,2}:)?[0-9][0-9a-c~+.-]{0,6}"
    }

    proptest! {
        #[test]
        fn the_order_is_antisymmetric(a in version(), b in version()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }

        #[test]
        fn the_order_is_transitive(a in version(), b in version(), c in version()) {
            let mut three = [a, b, c];
            three.sort_by(|x, y| compare(x, y));
            prop_assert!(compare(&three[0], &three[1]).is_le());
            prop_assert!(compare(&three[1], &three[2]).is_le());
            prop_assert!(compare(&three[0], &three[2]).is_le());
        }
    }
}
