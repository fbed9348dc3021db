//! Single files that are not what `stream` writes: each is refused, and nothing appears at the target.

use std::path::Path;

use haversack::archive::ustar;
use haversack::trust::key::SigningKey;

use super::{Sent, single};
use crate::support::bundles::Sandbox;

/// Place of each header, and the size of the file behind it.
pub(super) fn places(file: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(Some(member)) = ustar::read(file[at..at + 512].try_into().unwrap()) {
        let size = usize::try_from(member.size).unwrap();
        found.push((at, size));
        at += 512 + size.next_multiple_of(512);
    }
    found
}

/// A tar, taken apart: headers and contents, and what ends it.
#[derive(Clone)]
struct Tar {
    members: Vec<(Vec<u8>, Vec<u8>)>,
    end: Vec<u8>,
}

impl Tar {
    fn of(file: &[u8]) -> Self {
        let places = places(file);
        let members = places.iter().map(|(at, size)| {
            let body = at + 512..at + 512 + size.next_multiple_of(512);
            (file[*at..at + 512].to_vec(), file[body].to_vec())
        });
        Self {
            members: members.collect(),
            end: vec![0; 1024],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let members = self
            .members
            .iter()
            .flat_map(|(header, body)| [header, body]);
        let mut all: Vec<u8> = members.flatten().copied().collect();
        all.extend(&self.end);
        all
    }

    fn index(&self, path: &str) -> usize {
        let found = self.members.iter().position(|(header, _)| {
            let header = header.as_slice().try_into().unwrap();
            ustar::read(header).unwrap().unwrap().path.as_str() == path
        });
        found.unwrap()
    }

    /// Changes header bytes and seals it with a right checksum.
    fn put(&mut self, member: usize, at: usize, bytes: &[u8]) {
        let header = &mut self.members[member].0;
        header[at..at + bytes.len()].copy_from_slice(bytes);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// A header of a member that no bundle has.
fn foreign(path: &str, kind: u8, body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let header = ustar::header(&path.parse().unwrap(), u64::try_from(body.len()).unwrap()).unwrap();
    let mut tar = Tar {
        members: vec![(header.to_vec(), Vec::new())],
        end: Vec::new(),
    };
    tar.put(0, 156, &[kind]);
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(512), 0);
    (tar.members.remove(0).0, body)
}

const APP: &str = "v1/files/app/app-1.2.3.tar.gz";

/// What is done to a good tar, what is said of it, and whether anything was written beside the target.
type Case = (&'static str, fn(&mut Tar), &'static str, bool);

const CASES: &[Case] = &[
    (
        "a PAX header first",
        |tar| tar.members.insert(0, foreign("pax", b'x', b"30 mtime=1\n")),
        "E340",
        false,
    ),
    (
        "a global PAX header first",
        |tar| tar.members.insert(0, foreign("pax", b'g', b"30 mtime=1\n")),
        "E340",
        false,
    ),
    (
        "a PAX size before a file",
        |tar| {
            let at = tar.index(APP);
            tar.members
                .insert(at, foreign("pax", b'x', b"15 size=999999\n"));
        },
        "E340",
        true,
    ),
    (
        "a GNU long name before a file",
        |tar| {
            let at = tar.index(APP);
            tar.members.insert(at, foreign("long", b'L', b"v1/other\0"));
        },
        "E340",
        true,
    ),
    (
        "a sparse file",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"S");
        },
        "E340",
        true,
    ),
    (
        "a symbolic link",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"2");
            tar.put(at, 157, b"/etc/passwd");
        },
        "E340",
        true,
    ),
    (
        "a hard link",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"1");
            tar.put(at, 157, b"SHA256SUMS");
        },
        "E340",
        true,
    ),
    (
        "a device",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"3");
        },
        "E340",
        true,
    ),
    (
        "a pipe",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"6");
        },
        "E340",
        true,
    ),
    (
        "a folder",
        |tar| {
            let at = tar.index(APP);
            tar.members.insert(at, foreign("v1", b'5', b""));
        },
        "E340",
        true,
    ),
    (
        "a file of the old kind",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 156, b"\0");
        },
        "E340",
        true,
    ),
    (
        "a name that leaves the bundle",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 0, b"../../../../tmp/x");
        },
        "E340",
        true,
    ),
    (
        "an absolute name",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 0, b"/");
        },
        "E340",
        true,
    ),
    (
        "a name with a control character",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 0, b"v1\n");
        },
        "E340",
        true,
    ),
    (
        "another mode",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 100, b"0004755");
        },
        "E340",
        true,
    ),
    (
        "an owner",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 265, b"root");
        },
        "E340",
        true,
    ),
    (
        "a time",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 136, b"15000000000");
        },
        "E340",
        true,
    ),
    (
        "a GNU magic",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 257, b"ustar  \0");
        },
        "E340",
        true,
    ),
    (
        "a wrong checksum",
        |tar| {
            let at = tar.index(APP);
            tar.members[at].0[0] ^= 1;
        },
        "E340",
        true,
    ),
    (
        "a size in base 256",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 124, b"\x80\0\0\0\xff\xff\xff\xff");
        },
        "E340",
        true,
    ),
    (
        "the largest size",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 124, b"77777777777");
        },
        "E340",
        true,
    ),
    (
        "a size that is one too small",
        |tar| {
            let at = tar.index(APP);
            tar.put(at, 124, b"00011117577");
        },
        "E340",
        true,
    ),
    (
        "a huge list",
        |tar| tar.put(0, 124, b"77777777777"),
        "E502",
        false,
    ),
    (
        "a huge signature",
        |tar| tar.put(1, 124, b"77777777777"),
        "E502",
        false,
    ),
    (
        "a huge bundle.json",
        |tar| {
            let at = tar.index("bundle.json");
            tar.put(at, 124, b"77777777777");
        },
        "E502",
        false,
    ),
    (
        "bytes in the padding",
        |tar| {
            let at = tar.index("README.txt");
            *tar.members[at].1.last_mut().unwrap() = 1;
        },
        "E340",
        true,
    ),
    (
        "a file twice",
        |tar| {
            let at = tar.index(APP);
            let twin = tar.members[at].clone();
            tar.members.insert(at, twin);
        },
        "E340",
        true,
    ),
    (
        "two files in the other order",
        |tar| {
            let at = tar.index(APP);
            tar.members.swap(at, at - 1);
        },
        "E340",
        true,
    ),
    (
        "a file that is not listed",
        |tar| tar.members.push(foreign("v1/extra", b'0', b"x")),
        "E340",
        true,
    ),
    (
        "a file missing",
        |tar| {
            let at = tar.index(APP);
            tar.members.remove(at);
        },
        "E340",
        true,
    ),
    (
        "the last file missing",
        |tar| {
            tar.members.pop();
        },
        "E340",
        true,
    ),
    (
        "bundle.json in the order of the list",
        |tar| {
            let at = tar.index("bundle.json");
            tar.members.swap(at, at + 1);
        },
        "E340",
        false,
    ),
    (
        "the list second",
        |tar| tar.members.swap(0, 1),
        "E340",
        false,
    ),
    (
        "a list twice",
        |tar| {
            let list = tar.members[0].clone();
            tar.members.insert(1, list);
        },
        "E401",
        false,
    ),
    (
        "signatures after bundle.json",
        |tar| {
            let at = tar.index("bundle.json");
            tar.members[1..=at].rotate_right(1);
        },
        "E401",
        false,
    ),
    (
        "signatures last",
        |tar| {
            let at = tar.index("bundle.json");
            let moved: Vec<_> = tar.members.drain(1..at).collect();
            tar.members.extend(moved);
        },
        "E401",
        false,
    ),
    (
        "no signature",
        |tar| {
            let at = tar.index("bundle.json");
            tar.members.drain(1..at);
        },
        "E401",
        false,
    ),
    (
        "signatures in the other order",
        |tar| tar.members.swap(1, 2),
        "E340",
        false,
    ),
    (
        "a signature twice",
        |tar| {
            let one = tar.members[1].clone();
            tar.members.insert(1, one);
        },
        "E340",
        false,
    ),
    (
        "a script among the signatures",
        |tar| tar.members.insert(1, foreign("sig/a.sh", b'0', b"x")),
        "E340",
        false,
    ),
    (
        "a changed list",
        |tar| {
            let last = tar.members[0]
                .1
                .iter()
                .rposition(|byte| *byte != 0)
                .unwrap();
            tar.members[0].1[last - 1] = b'x';
        },
        "E402",
        false,
    ),
    (
        "a changed bundle.json",
        |tar| {
            let at = tar.index("bundle.json");
            tar.members[at].1[5] ^= 1;
        },
        "E301",
        false,
    ),
    (
        "a changed file",
        |tar| {
            let at = tar.index(APP);
            tar.members[at].1[5] ^= 1;
        },
        "E301",
        true,
    ),
    ("no end", |tar| tar.end.clear(), "E341", true),
    ("half an end", |tar| tar.end.truncate(512), "E341", true),
    (
        "an end that is cut",
        |tar| tar.end.truncate(1023),
        "E341",
        true,
    ),
    (
        "an end that is no end",
        |tar| tar.end[1023] = 1,
        "E340",
        true,
    ),
    (
        "a third block of zeros",
        |tar| tar.end.extend([0; 512]),
        "E340",
        true,
    ),
    (
        "a byte behind the end",
        |tar| tar.end.push(b'x'),
        "E340",
        true,
    ),
    (
        "another tar behind the end",
        |tar| {
            let whole = tar.bytes();
            tar.end.extend(whole);
        },
        "E340",
        true,
    ),
    (
        "an empty file",
        |tar| {
            tar.members.clear();
            tar.end.clear();
        },
        "E341",
        false,
    ),
    ("only an end", |tar| tar.members.clear(), "E340", false),
];

#[test]
fn every_single_file_that_is_not_the_one_way_is_refused() {
    let sent = Sent::new();
    let good = Tar::of(&sent.file);
    assert_eq!(good.bytes(), sent.file);
    let mut wrong = Vec::new();
    for (name, tamper, id, begun) in CASES {
        let mut tar = good.clone();
        tamper(&mut tar);
        let out = sent.sandbox.path("out");
        let part = sent.sandbox.path(".out.part");
        let found = match sent.receive(&tar.bytes(), "out") {
            Ok(_) => "accepted",
            Err(error) => error.id(),
        };
        assert!(!out.exists(), "{name}");
        if (found, part.exists()) != (*id, *begun) {
            wrong.push(format!("{name}: {found}, begun {}", part.exists()));
        }
        let _ = std::fs::remove_dir_all(&part);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    sent.receive(&good.bytes(), "out").unwrap();
}

#[test]
fn no_flipped_byte_outside_the_ssh_signature_is_accepted() {
    let sent = Sent::new();
    let places = places(&sent.file);
    // Every byte of the headers, and some of each file.
    let mut flips: Vec<usize> = Vec::new();
    for (number, (at, size)) in places.iter().enumerate() {
        flips.extend((*at..at + 512).step_by(37));
        // The second signature is the SSH signature, which is not counted: it may be damaged.
        if number != 2 && *size > 0 {
            flips.extend((at + 512..at + 512 + size).step_by(size / 3 + 1));
        }
    }
    flips.extend(sent.file.len() - 1024..sent.file.len());
    for at in flips.into_iter().step_by(3) {
        let mut file = sent.file.clone();
        file[at] ^= 0x40;
        let error = sent.receive(&file, "out").unwrap_err();
        assert!(
            matches!(error.id().as_bytes()[1], b'3' | b'4' | b'5'),
            "{at}: {error}"
        );
        assert!(!sent.sandbox.path("out").exists());
        // What came whole would not be needed again.
        let _ = std::fs::remove_dir_all(sent.sandbox.path(".out.part"));
    }
}

#[test]
fn an_unknown_signer_gets_nothing_written() {
    let sent = Sent::new();
    let other = Sandbox::new();
    let mallory = SigningKey::generate().unwrap();
    let file = single(&other.signed("bundle", &[&mallory]));
    let error = sent.receive(&file, "out").unwrap_err();
    assert_eq!(error.id(), "E401");
    let names = haversack::fs::list(sent.sandbox.folder.path()).unwrap();
    assert_eq!(names, ["bundle", "store", "trust"]);
    assert!(Path::new(&sent.bundle).exists());
}
