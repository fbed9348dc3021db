//! Tests of the list.

use super::*;

const GOOD: &str = "\
# haversack-bundle 1
# name mattermost-linux
# version 11.7.10
# sequence 42
# created 2026-11-23T18:00:00Z
# base none
# volumes 1 parity 0
# files 2 bytes 6
# marking UNCLASSIFIED
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  README.txt
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  v1/files/a.tar.gz
";
const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn id(text: &str) -> &'static str {
    Sums::parse(text.as_bytes()).map_or_else(|error| error.id(), |_| "ok")
}

#[test]
fn gives_back_what_it_reads() {
    let sums = Sums::parse(GOOD.as_bytes()).unwrap();
    assert_eq!(sums.render(), GOOD);
    assert_eq!(sums.identity(), Digest::of(GOOD.as_bytes()));
    assert_eq!(sums.header().sequence.get(), 42);
    assert_eq!(sums.entries().len(), 2);
    let again = Sums::new(sums.header().clone(), sums.entries().clone()).unwrap();
    assert_eq!(again, sums);
}

#[test]
fn refuses_each_fault_with_its_id() {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let path = |to: &str| with("v1/files/a.tar.gz", to);
    for (text, expected) in [
        (with("bundle 1", "bundle 2"), "E520"),
        (with("# base none", "# cipher none"), "E520"),
        (with("bundle 1", "bundle 0"), "E307"),
        (with("bundle 1", "bundle 01"), "E307"),
        (with("# haversack-bundle", "# other"), "E307"),
        (with("# name mattermost-linux\n", ""), "E307"),
        (with("# sequence 42", "# sequence 042"), "E307"),
        (with("files 2", "files 3"), "E307"),
        (with("volumes 1", "volumes 0"), "E307"),
        (with("\n", "\r\n"), "E307"),
        (with("  v1", " *v1"), "E307"),
        (with("  v1", " v1"), "E307"),
        (with("  v1", "   v1"), "E307"),
        (with("ba78", "BA78"), "E307"),
        (path("../a"), "E307"),
        (path("/etc/passwd"), "E307"),
        (path("v1/../a"), "E307"),
        (path("v1//a"), "E307"),
        (path("v1\\a"), "E307"),
        (path("v2/a"), "E307"),
        (path("p1/a"), "E307"),
        (path("v01/a"), "E307"),
        (path("v99999999999999999999/a"), "E307"),
        (path("sig/a"), "E307"),
        (path("SHA256SUMS"), "E307"),
        (path("A"), "E307"),
        (path("readme.TXT"), "E308"),
        (path("README.txt"), "E308"),
        (path("v1/ä"), "E309"),
        (path("v1/nul.txt"), "E310"),
        (path(&"v".repeat(101)), "E310"),
        (format!("{GOOD}\n"), "E307"),
        (format!("{GOOD}# note\n"), "E307"),
        (format!("{GOOD}junk\n"), "E307"),
        (GOOD.trim_end().to_owned(), "E307"),
        (String::new(), "E307"),
        ("# ".repeat(3 << 20), "E502"),
        ("\n".repeat(70_000), "E502"),
    ] {
        let shown: String = text.chars().take(900).collect();
        assert_eq!(id(&text), expected, "{shown}");
    }
}

#[test]
fn no_change_of_one_byte_is_read_as_the_same_list() {
    let good = Sums::parse(GOOD.as_bytes()).unwrap();
    for index in 0..GOOD.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[index] ^= flip;
            if let Ok(other) = Sums::parse(&bytes) {
                assert_ne!(other, good, "byte {index}");
                assert_eq!(other.render().as_bytes(), bytes, "byte {index}");
            }
        }
    }
    for length in 0..GOOD.len() {
        assert!(Sums::parse(&GOOD.as_bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_list_of_too_many_files_is_refused_when_made() {
    let header = Sums::parse(GOOD.as_bytes()).unwrap().header().clone();
    let digest: Digest = HEX.parse().unwrap();
    let entries = (0..65_530)
        .map(|n| (format!("v1/{n}").parse().unwrap(), digest))
        .collect();
    assert_eq!(Sums::new(header, entries), Err(SumsError::TooLong));
}

const CHANGED: &str = "\
# haversack-bundle 2
# name mattermost-linux
# version 11.7.10
# sequence 42
# created 2026-11-23T18:00:00Z
# base ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
# volumes 1 parity 0
# files 3 bytes 6
# marking UNCLASSIFIED
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  README.txt
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  base/v1/files/b.tar.gz
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  changes.json
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  made/v1/files/a.tar.gz
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  v1/change/files/a.tar.gz
";

#[test]
fn format_2_stays_readable_and_its_full_list_has_the_files_and_not_the_changes() {
    let sums = Sums::parse(CHANGED.as_bytes()).unwrap();
    assert_eq!(sums.render(), CHANGED);
    let again = Sums::new(sums.header().clone(), sums.entries().clone()).unwrap();
    assert_eq!(again, sums);
    let full = CHANGED
        .replace("bundle 2", "bundle 1")
        .replace(&format!("# base {HEX}"), "# base none")
        .replace("base/", "")
        .replace("made/", "")
        .replace(&format!("{HEX}  changes.json\n"), "")
        .replace(&format!("{HEX}  v1/change/files/a.tar.gz\n"), "");
    let mut lines: Vec<&str> = full.lines().collect();
    lines[10..].sort_unstable();
    assert_eq!(sums.full().unwrap().render(), lines.join("\n") + "\n");
}

#[test]
fn files_that_are_made_and_changes_belong_together_one_by_one() {
    let with = |from: &str, to: &str| CHANGED.replace(from, to);
    let line = |path: &str| format!("{HEX}  {path}\n");
    for (text, expected) in [
        (with("bundle 2", "bundle 1"), "E307"),
        (with("bundle 2", "bundle 3"), "E520"),
        (with(&format!("# base {HEX}"), "# base none"), "E520"),
        (with(&line("changes.json"), ""), "E307"),
        (with(&line("made/v1/files/a.tar.gz"), ""), "E307"),
        (with(&line("v1/change/files/a.tar.gz"), ""), "E307"),
        (with("v1/change/files/a", "v1/change/files/b"), "E307"),
        (with("v1/change/files/a", "v1/files/c"), "E307"),
        (with("made/v1/files/a", "made/files/a"), "E307"),
        (with("made/v1/files/a", "Made/v1/files/a"), "E307"),
        (with("files 3", "files 5"), "E307"),
    ] {
        assert_eq!(id(&text), expected, "{text}");
    }
    assert_eq!(id(&GOOD.replace("v1/files/a", "made/v1/a")), "E307");
}
