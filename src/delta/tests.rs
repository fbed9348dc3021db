//! The released format, and what becomes of changes that are not as they were.

use std::io::Cursor;

use super::layout::{Form, Part, Use, check};
use super::*;
use crate::types::digest::Digest;

const BASE: &[u8] = include_bytes!("../../tests/fixtures/delta/format-1/base.gz");
const TO_XZ: &[u8] = include_bytes!("../../tests/fixtures/delta/format-1/xz.change");
const TO_GZ: &[u8] = include_bytes!("../../tests/fixtures/delta/format-1/gz.change");
/// As they stand in a `changes.json`. The base was packed by `gzip -9n`.
const BASE_PARTS: &str = r#"[{"form":"plain","packed":10,"opened":10},{"form":"deflate","packed":8448,"opened":14590},{"form":"plain","packed":8,"opened":8}]"#;
/// What `xz -6 -T2` made of a text that differs in two lines.
const XZ_PARTS: &str =
    r#"[{"form":{"xz":{"preset":6,"blocks":true,"check":"crc64"}},"packed":7144,"opened":14602}]"#;
const XZ_DIGEST: &str = "706b43632242ed3903e418d1bda13bd16e16d3f9f061055ebe05f80254bffc7d";
/// What `gzip -9n` made of the same text.
const GZ_PARTS: &str = r#"[{"form":"plain","packed":10,"opened":10},{"form":"deflate","packed":8475,"opened":14602},{"form":"plain","packed":8,"opened":8}]"#;
const GZ_DIGEST: &str = "590d051a9b9cd2dcfc11c6fa14327e126e28ff209dd5cbdc7ca289eb91624e72";

fn parts(text: &str) -> Vec<Part> {
    serde_json::from_str(text).unwrap()
}

fn made(change: &[u8], base: &[Part], to: &[Part]) -> Result<Vec<u8>, DeltaError> {
    let size = to.iter().map(|part| part.packed).sum();
    let mut bytes = Vec::new();
    let mut scratch = Cursor::new(Vec::new());
    rebuild(
        (base, wide(BASE.len()), &mut &*BASE),
        (&mut || Ok(Cursor::new(change)), wide(change.len())),
        &mut scratch,
        (to, size, &mut bytes),
        &mut |_| Ok(()),
    )?;
    Ok(bytes)
}

#[test]
fn changes_of_format_1_stay_readable_and_make_the_same_bytes_for_ever() {
    let base = parts(BASE_PARTS);
    for (change, to, digest) in [(TO_XZ, XZ_PARTS, XZ_DIGEST), (TO_GZ, GZ_PARTS, GZ_DIGEST)] {
        let bytes = made(change, &base, &parts(to)).unwrap();
        assert_eq!(Digest::of(&bytes), digest.parse().unwrap());
    }
    assert_eq!(serde_json::to_string(&parts(XZ_PARTS)).unwrap(), XZ_PARTS);
}

#[test]
fn no_flipped_byte_and_no_cut_end_of_a_change_is_a_panic_or_a_file_of_another_length() {
    let (base, to) = (parts(BASE_PARTS), parts(XZ_PARTS));
    let mut same = 0;
    for at in 0..TO_XZ.len() {
        let mut bytes = TO_XZ.to_vec();
        bytes[at] ^= 0x11;
        if let Ok(bytes) = made(&bytes, &base, &to) {
            assert_eq!(bytes.len(), 7144);
            same += 1;
        }
        assert!(made(&TO_XZ[..at], &base, &to).is_err(), "{at}");
    }
    // Each stream has a sum of its own.
    assert_eq!(same, 0);
}

#[test]
fn layouts_that_cannot_be_are_refused_before_anything_is_opened() {
    let sized = |form, packed, opened| Part {
        form,
        packed,
        opened,
    };
    let plain = |length| sized(Form::Plain, length, length);
    for (parts, size, text) in [
        (vec![plain(3)], 4, "parts that are not the whole file"),
        (vec![plain(0)], 0, "a part without bytes"),
        (
            vec![sized(Form::Plain, 3, 4)],
            3,
            "a plain part with two lengths",
        ),
        (
            vec![sized(Form::Xz(None), 3, 2 << 30)],
            3,
            "an opened file of more than 1 GiB",
        ),
        (
            vec![sized(Form::Deflate, 3, u64::MAX); 2],
            6,
            "an opened file of more than 1 GiB",
        ),
        (
            vec![plain(1); 65],
            65,
            "a file of more than 64 parts or 1 GiB",
        ),
        (
            vec![plain(2 << 30)],
            2 << 30,
            "a file of more than 64 parts or 1 GiB",
        ),
    ] {
        let refused = check(&parts, size, Use::Base).unwrap_err();
        assert_eq!(refused.to_string(), text);
    }
    let wrong = "settings of xz belong to what is packed, and only there";
    let refused = check(&[sized(Form::Xz(None), 3, 9)], 3, Use::Made).unwrap_err();
    assert_eq!(refused.to_string(), wrong);
    let refused = check(&parts(XZ_PARTS), 7144, Use::Base).unwrap_err();
    assert_eq!(refused.to_string(), wrong);
    let preset = XZ_PARTS.replace("\"preset\":6", "\"preset\":10");
    let refused = check(&parts(&preset), 7144, Use::Made).unwrap_err();
    assert_eq!(refused.to_string(), "a preset of xz above 9");
}

/// A base that opens to more than was announced is no bomb: what is written ends where it was announced.
#[test]
fn a_base_that_opens_to_another_length_is_refused() {
    let to = parts(XZ_PARTS);
    for opened in ["14589", "14591", "1"] {
        let base = parts(&BASE_PARTS.replace("14590", opened));
        assert!(made(TO_XZ, &base, &to).is_err(), "{opened}");
    }
}

#[cfg(feature = "connected")]
#[test]
fn a_change_is_made_only_when_it_is_worth_it_and_always_the_same() {
    let new = made(TO_GZ, &parts(BASE_PARTS), &parts(GZ_PARTS)).unwrap();
    let make = |old: &[u8], new: &[u8]| {
        let mut scratch = Cursor::new(Vec::new());
        make(old, new, &mut scratch, &mut |_| Ok(())).unwrap()
    };
    let Outcome::Made(change) = make(BASE, &new) else {
        panic!("no change");
    };
    assert_eq!(
        (change.base, change.made),
        (parts(BASE_PARTS), parts(GZ_PARTS))
    );
    assert_eq!(change.change, TO_GZ);
    let whole = |outcome| matches!(outcome, Outcome::Whole(_));
    assert!(whole(make(b"", &new)) && whole(make(BASE, &new[..4096])));
    // Nothing in common.
    assert!(whole(make(&[7; 10_000], &new)));
    // A stream that is cut off stays plain.
    assert!(whole(make(BASE, &new[..8000])));
}
