//! Media taken in one after the other, swapped, lost, damaged; and only the damaged blocks brought again.

use std::fs;
use std::path::{Path, PathBuf};

use haversack::bundle::patch::{Patch, Piece, Recarry};
use haversack::bundle::{header::Sequence, sign, to_sign};
use haversack::event::{Cancel, Silent};
use haversack::gather::{GatherError, Gathered, gather};
use haversack::media::Load;
use haversack::parity::shape::Amount;
use haversack::repair::{Repaired, repair_with};
use haversack::verify::{self, Memory, Options, Survey};

use super::corpus::{edit, snapshot};
use super::volumes::{Shelf, request};

const NAMES: [&str; 5] = ["v1", "v2", "v3", "v4", "v5"];

impl Shelf {
    fn gather(&self, dirs: &[&Path], out: &str) -> Result<Gathered, GatherError> {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        let (memory, options, cancel) = (Memory::none(), Options::default(), Cancel::new());
        let out = self.sandbox.path(out);
        gather(
            &dirs,
            &self.trust,
            &memory,
            &options,
            &out,
            (&Silent, &cancel),
        )
    }

    fn survey(&self, dirs: &[&Path]) -> Survey {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        let (memory, options) = (Memory::none(), Options::default());
        verify::survey(
            &dirs,
            &self.trust,
            &memory,
            &options,
            &Silent,
            &Cancel::new(),
        )
        .unwrap()
    }

    fn repair(&self, dirs: &[&Path], patch: Option<&Path>, to: &str) -> Result<Repaired, String> {
        let patch = patch.map(|path| Patch::open(path).unwrap());
        let target = self.sandbox.path(to);
        repair_with(
            &self.survey(dirs),
            patch.as_ref(),
            &target,
            &Silent,
            &Cancel::new(),
        )
        .map_err(|error| error.id().to_owned())
    }

    /// That a folder has every byte of the bundle that was built.
    #[track_caller]
    fn assert_whole(&self, folder: &str) {
        let status = std::process::Command::new("diff")
            .arg("-r")
            .arg(&self.bundle)
            .arg(self.sandbox.path(folder))
            .status();
        assert!(status.unwrap().success());
    }
}

fn flip(path: &Path, at: usize) {
    edit(
        path.parent().unwrap(),
        path.file_name().unwrap().to_str().unwrap(),
        |mut bytes| {
            bytes[at] ^= 1;
            bytes
        },
    );
}

#[test]
fn one_medium_after_the_other_becomes_the_whole_bundle() {
    type Spoil = (fn(&Path), &'static str);
    let shelf = Shelf::new(None);
    let media: Vec<PathBuf> = NAMES
        .iter()
        .map(|name| shelf.medium(&format!("m-{name}"), &[name]))
        .collect();
    let before: Vec<_> = media.iter().map(|medium| snapshot(medium)).collect();
    let mut have = Vec::new();
    for at in [2, 0, 4, 3] {
        let done = shelf.gather(&[&media[at]], "in").unwrap();
        have.push(NAMES[at]);
        have.sort_unstable();
        assert_eq!(done.have, have);
        assert_eq!((done.id(), done.damaged.is_none()), (Some("E801"), true));
    }
    // The same medium once more: everything is hashed, nothing copied.
    let again = shelf.gather(&[&media[3]], "in").unwrap();
    assert_eq!(
        (again.files_copied, again.absent),
        (0, vec!["v2".to_owned()])
    );
    // A half file of a run that was killed, and a file that was altered since.
    let inside = shelf.sandbox.path("in");
    fs::write(inside.join("v1/.haversack-x.part"), b"half").unwrap();
    fs::remove_file(inside.join("v1/.haversack-x.part")).unwrap();
    let done = shelf.gather(&[&media[1]], "in").unwrap();
    assert_eq!(
        (done.id(), done.absent.len(), done.files_copied),
        (None, 0, 1)
    );
    shelf.assert_whole("in");
    // What was put there before is proved when nothing is to come any more: damaged meanwhile, it must come again.
    let spoils: [Spoil; 3] = [
        (|path| flip(path, 0), "E301"),
        (|path| fs::write(path, b"short").unwrap(), "E302"),
        (
            |path| {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
            },
            "E601",
        ),
    ];
    for (spoil, expected) in spoils {
        let (first, last) = (&media[0], &media[1]);
        let files = haversack::fs::walk(&inside.join("v1")).unwrap().into_iter();
        let longest = files.max_by_key(|file| file.size).unwrap();
        spoil(&inside.join("v1").join(longest.path));
        let done = shelf.gather(&[last], "in").unwrap();
        assert_eq!(
            (done.id(), done.partial),
            (Some(expected), vec!["v1".to_owned()])
        );
        let done = shelf.gather(&[first], "in").unwrap();
        assert_eq!((done.id(), done.files_copied), (None, 1));
        shelf.assert_whole("in");
    }
    fs::write(inside.join("v1/extra"), b"x").unwrap();
    let done = shelf.gather(&[&media[1]], "in").unwrap();
    assert_eq!(done.id(), Some("E305"));
    fs::remove_file(inside.join("v1/extra")).unwrap();
    let after: Vec<_> = media.iter().map(|medium| snapshot(medium)).collect();
    assert_eq!(before, after, "the media are only read");
    // Several drives at once.
    let all: Vec<&Path> = media.iter().map(PathBuf::as_path).collect();
    assert_eq!(shelf.gather(&all, "at-once").unwrap().id(), None);
    shelf.assert_whole("at-once");
}

#[test]
fn a_medium_of_another_bundle_is_named_and_nothing_is_mixed() {
    let shelf = Shelf::new(None);
    let first = shelf.medium("m-v1", &["v1"]);
    shelf.gather(&[&first], "in").unwrap();
    let key = haversack::trust::key::SigningKey::generate().unwrap();
    let (_, trust) = shelf.sandbox.trust("trust-other", &[&key], "");
    let mut wanted = request(&shelf.sandbox, None);
    wanted.marking = "OTHER".parse().unwrap();
    let twin = shelf.sandbox.pack("twin", &wanted).path;
    wanted.sequence = Sequence::new(43).unwrap();
    let next = shelf.sandbox.pack("next", &wanted).path;
    for bundle in [&twin, &next] {
        let _ = sign(bundle, &key).unwrap();
    }
    let before = snapshot(&shelf.sandbox.path("in"));
    let (memory, options, cancel) = (Memory::none(), Options::default(), Cancel::new());
    let into = shelf.sandbox.path("in");
    let refused = gather(
        std::slice::from_ref(&twin),
        &trust,
        &memory,
        &options,
        &into,
        (&Silent, &cancel),
    );
    let refused = refused.unwrap_err();
    assert_eq!(refused.id(), "E313");
    let label = |bundle: &Path| to_sign(bundle).unwrap().identity.label();
    let labels = [label(&shelf.bundle), label(&twin)];
    let text = refused.to_string();
    assert!(labels.iter().all(|label| text.contains(label)), "{text}");
    assert_eq!(snapshot(&into), before);
    let refused = gather(
        std::slice::from_ref(&next),
        &trust,
        &memory,
        &options,
        &into,
        (&Silent, &cancel),
    );
    assert_eq!(refused.unwrap_err().id(), "E314");
    assert_eq!(snapshot(&into), before);
    // Two drives: the same volume of a twin, and the medium of another number.
    let id = |dirs: &[&Path]| {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        let error = verify::open(&dirs, &shelf.trust, &memory, &options).unwrap_err();
        (error.id(), error.to_string())
    };
    let (twins, text) = id(&[&first, &twin]);
    assert_eq!(twins, "E313");
    assert!(text.contains("volume v1 of the bundle"), "{text}");
    fs::remove_dir_all(twin.join("v1")).unwrap();
    assert_eq!(id(&[&first, &twin]).0, "E314");
    assert_eq!(id(&[&first, &next]).0, "E314");
}

#[test]
fn any_one_of_five_media_may_be_lost_when_one_is_spare() {
    let shelf = Shelf::new(Some(Amount {
        percent: None,
        spare_volumes: 1,
    }));
    let names: Vec<String> = haversack::fs::list(&shelf.bundle)
        .unwrap()
        .into_iter()
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.starts_with(['v', 'p']) && shelf.bundle.join(name).is_dir())
        .collect();
    assert!(names.len() >= 5, "{names:?}");
    for lost in &names {
        let left: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| name != lost)
            .collect();
        let media: Vec<PathBuf> = left
            .iter()
            .map(|name| shelf.medium(&format!("{lost}-{name}"), &[name]))
            .collect();
        let dirs: Vec<&Path> = media.iter().map(PathBuf::as_path).collect();
        let survey = shelf.survey(&dirs);
        let report = survey.report();
        assert_eq!(report.absent_volumes, std::slice::from_ref(lost));
        assert!(
            report
                .damage
                .as_ref()
                .is_none_or(|damage| damage.repairable)
        );
        let pieces = survey.recarry().pieces;
        assert_eq!(
            pieces.is_empty(),
            lost.starts_with('p'),
            "parity is made anew"
        );
        let volume_of = |piece: &Piece| match piece {
            Piece::Block(volume, _) => volume.clone(),
            Piece::File(path) => path.to_string(),
        };
        assert!(pieces.keys().all(|piece| volume_of(piece) == *lost));
        let to = format!("whole-{lost}");
        let done = shelf.repair(&dirs, None, &to).unwrap();
        assert_eq!(done.parity_made, lost.starts_with('p'));
        shelf.assert_whole(&to);
    }
}

#[test]
fn a_damaged_medium_is_kept_beside_and_parity_mends_what_was_gathered() {
    let shelf = Shelf::new(Some(Amount {
        percent: Some(10),
        spare_volumes: 0,
    }));
    let names = ["v1", "v2", "v3", "v4", "v5", "p1"];
    for name in names {
        let medium = shelf.medium(&format!("m-{name}"), &[name]);
        if name == "v3" {
            flip(&medium.join("v3/files/many/38.bin"), 60_000);
        }
        let done = shelf.gather(&[&medium], "in").unwrap();
        match name {
            "v3" => {
                assert_eq!(done.id(), Some("E301"));
                assert_eq!(done.partial, ["v3"]);
                assert_eq!(done.damaged, Some(shelf.sandbox.path("in.damaged")));
            }
            "p1" => assert_eq!(
                (done.id(), done.partial),
                (Some("E801"), vec!["v3".to_owned()])
            ),
            _ => assert_eq!(done.id(), Some("E801")),
        }
    }
    let (inside, beside) = (shelf.sandbox.path("in"), shelf.sandbox.path("in.damaged"));
    assert!(!inside.join("v3/files/many/38.bin").exists());
    let done = shelf.repair(&[&inside, &beside], None, "whole").unwrap();
    assert_eq!((done.files_rebuilt.len(), done.blocks_rebuilt), (1, 1));
    shelf.assert_whole("whole");
}

#[test]
fn only_the_damaged_blocks_are_brought_again() {
    let shelf = Shelf::new(Some(Amount {
        percent: Some(1),
        spare_volumes: 0,
    }));
    let all = ["v1", "v2", "v3", "v4", "v5", "p1"];
    let broken = shelf.medium("broken", &all);
    let large = broken.join("v1/files/app/app-1.2.3.tar.gz.000");
    for at in [5, 70_000, 140_000, 800_000] {
        flip(&large, at);
    }
    flip(&broken.join("README.txt"), 3);
    assert_eq!(shelf.repair(&[&broken], None, "whole").unwrap_err(), "E321");
    let list = shelf.survey(&[&broken]).recarry();
    let names: Vec<String> = list.pieces.keys().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "block v1/0",
            "block v1/1",
            "block v1/2",
            "block v1/12",
            "file README.txt"
        ]
    );
    let text = list.render();
    assert!(text.len() < 700, "{text}");
    let load = Load::open(&shelf.bundle).unwrap();
    let patch = shelf.sandbox.path("patch");
    let done = load
        .answer(&Recarry::parse(&text).unwrap(), &patch, &Cancel::new())
        .unwrap();
    assert_eq!((done.blocks, done.files), (4, 1));
    assert!(done.bytes < 5 * 65_536);
    // What is under a name of the patch and has other bytes does not count.
    let (_, digest) = list.pieces.first_key_value().unwrap();
    let good = fs::read(patch.join(digest.to_string())).unwrap();
    fs::write(patch.join(digest.to_string()), vec![7; good.len()]).unwrap();
    let mended = shelf.repair(&[&broken], Some(&patch), "one").unwrap();
    assert_eq!(
        (mended.blocks_patched, mended.blocks_rebuilt),
        (3, 1),
        "parity gives the fourth"
    );
    shelf.assert_whole("one");
    fs::write(patch.join(digest.to_string()), good).unwrap();
    let mended = shelf.repair(&[&broken], Some(&patch), "two").unwrap();
    assert_eq!((mended.blocks_patched, mended.blocks_rebuilt), (4, 0));
    assert_eq!(mended.files_patched.len(), 1);
    shelf.assert_whole("two");
    // Where the bundle is damaged at the builder's too, there is no patch, and not half of one.
    let no = shelf.sandbox.path("no");
    let damaged = Load::open(&broken).unwrap();
    let refused = damaged.answer(&list, &no, &Cancel::new()).unwrap_err();
    assert_eq!(refused.id(), "E301");
    assert!(!no.exists() && !shelf.sandbox.path(".no.part").exists());
    // A list of another bundle.
    let mut other = list.clone();
    other.identity = haversack::types::digest::Digest::of(b"other");
    let refused = load
        .answer(&other, &shelf.sandbox.path("no"), &Cancel::new())
        .unwrap_err();
    assert_eq!(refused.id(), "E314");
    other = list;
    let digest = haversack::types::digest::Digest::of(b"secret");
    other.pieces.insert(
        Piece::File("evidence/manifest.toml".parse().unwrap()),
        digest,
    );
    let refused = load
        .answer(&other, &shelf.sandbox.path("no"), &Cancel::new())
        .unwrap_err();
    assert_eq!(refused.id(), "E289");
}

#[test]
fn without_parity_whole_files_are_brought_again() {
    let shelf = Shelf::new(None);
    let broken = shelf.medium("broken", &NAMES);
    flip(&broken.join("v4/files/many/20.bin"), 9);
    fs::remove_file(broken.join("v5/files/many/2.bin")).unwrap();
    let list = shelf.survey(&[&broken]).recarry();
    let names: Vec<String> = list.pieces.keys().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["file v4/files/many/20.bin", "file v5/files/many/2.bin"]
    );
    let patch = shelf.sandbox.path("patch");
    let load = Load::open(&shelf.bundle).unwrap();
    load.answer(&list, &patch, &Cancel::new()).unwrap();
    assert_eq!(shelf.repair(&[&broken], None, "whole").unwrap_err(), "E322");
    let done = shelf.repair(&[&broken], Some(&patch), "whole").unwrap();
    assert_eq!(done.files_patched.len(), 2);
    shelf.assert_whole("whole");
}
