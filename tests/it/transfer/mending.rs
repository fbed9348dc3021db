//! What is lost is told as it is, and the step that is named next ends with a whole bundle.

use std::fs;

use super::{Desk, copy_tree};

impl Desk {
    /// A copy of the bundle `b` to damage.
    fn copy(&self, name: &str) {
        let _ = fs::remove_dir_all(self.path(name));
        copy_tree(&self.path("b"), &self.path(name));
    }

    fn flip(&self, path: &str) {
        let mut bytes = fs::read(self.path(path)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(self.path(path), bytes).unwrap();
    }

    /// The list, the patch, the repair: the result is the bundle that was built. Gives the lines of the list.
    #[track_caller]
    fn round(&self, damaged: &str, code: i32) -> Vec<String> {
        for left in ["L", "P", "mended"] {
            let _ = fs::remove_file(self.path(left));
            let _ = fs::remove_dir_all(self.path(left));
        }
        let said = self.run(&format!("verify {damaged} --recarry L"));
        assert_eq!(said.code, code, "{}", said.text);
        assert!(
            said.text.contains("haversack patch BUNDLE --list L -o PATCH; then here haversack repair BUNDLE --patch PATCH"),
            "{}",
            said.text
        );
        self.ok("patch b --list L -o P");
        self.ok(&format!("repair {damaged} --patch P -o mended"));
        assert!(self.ok("verify mended").starts_with("GOOD: d "));
        let (whole, mended) = (self.tree("b"), self.tree("mended"));
        assert!(whole.len() == mended.len());
        for ((_, one), (path, other)) in whole.iter().zip(&mended) {
            assert!(one == other, "{}", path.display());
        }
        let list = fs::read_to_string(self.path("L")).unwrap();
        list.lines()
            .skip(2)
            .map(|line| line[66..].to_owned())
            .collect()
    }
}

#[test]
fn a_lost_medium_is_in_the_list_and_the_round_ends_good() {
    let desk = Desk::new();
    desk.build("b", "--sequence 2 --volume-size 700k");
    desk.copy("x");
    let lost: Vec<String> = desk
        .names("x/v2")
        .into_iter()
        .map(|name| format!("file v2/{name}"))
        .collect();
    assert!(!lost.is_empty());
    fs::remove_dir_all(desk.path("x/v2")).unwrap();
    let told = desk.run("verify x");
    assert!(
        told.code == 8
            && told.text.contains("next: insert v2:")
            && told.text.contains("--recarry LIST"),
        "{}",
        told.text
    );
    assert_eq!(desk.round("x", 8), lost);
}

#[test]
fn more_media_lost_than_there_are_spares() {
    let desk = Desk::new();
    desk.build("b", "--sequence 2 --volume-size 700k --spare-volume 1");
    desk.copy("x");
    for volume in ["v1", "v2"] {
        fs::remove_dir_all(desk.path("x").join(volume)).unwrap();
    }
    let list = desk.round("x", 8);
    assert!(
        list.iter().any(|line| line.starts_with("block v1/")),
        "{list:?}"
    );
    assert!(
        list.iter().any(|line| line.starts_with("block v2/")),
        "{list:?}"
    );
    // The spare too: without its list of blocks, whole files are brought.
    desk.copy("x");
    for volume in ["v2", "p1"] {
        fs::remove_dir_all(desk.path("x").join(volume)).unwrap();
    }
    let list = desk.round("x", 8);
    assert!(
        list.iter().all(|line| line.starts_with("file v2/")),
        "{list:?}"
    );
    // Only the spare: nothing has to be brought.
    desk.copy("x");
    fs::remove_dir_all(desk.path("x/p1")).unwrap();
    let _ = fs::remove_file(desk.path("L"));
    let said = desk.run("verify x --recarry L");
    assert_eq!(said.code, 8);
    assert!(
        said.text.contains(
            "  next: nothing has to be brought again, and L is empty; the payload is complete; insert p1, or have the \
             parity made anew: haversack repair BUNDLE --trust DIR -o NEW\n"
        ),
        "{}",
        said.text
    );
    assert!(
        desk.ok("repair x -o anew")
            .contains("  parity    made anew\n")
    );
    assert!(desk.ok("verify anew").starts_with("GOOD: d "));
}

#[test]
fn small_files_are_not_said_to_be_covered_and_come_with_the_patch() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1 --parity 100%");
    for names in [
        &["evidence/manifest.toml"][..],
        &["bundle.json"],
        &["README.txt"],
        &["bundle.json", "label.txt", "p1/parity.000"],
    ] {
        desk.copy("x");
        for name in names {
            desk.flip(&format!("x/{name}"));
        }
        let said = desk.run("verify x");
        assert_eq!(said.code, 3, "{}", said.text);
        assert!(
            !said.text.contains("suffices") && !said.text.contains("lost "),
            "{}",
            said.text
        );
        let small: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !name.starts_with("p1/"))
            .collect();
        assert!(
            said.text.contains(&format!(
                "  small     {}: no parity covers them",
                small.join(" ")
            )),
            "{}",
            said.text
        );
        assert!(
            said.text.contains("next: carry again only what is lost"),
            "{}",
            said.text
        );
        assert!(desk.run("repair x -o no").text.contains("error[E321]"));
        let list = desk.round("x", 3);
        for name in small {
            assert!(list.contains(&format!("file {name}")), "{list:?}");
        }
    }
}

#[test]
fn where_repair_works_at_once_it_is_the_next_step() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1 --parity 100%");
    let payload = format!("v1/{}", desk.names("b/v1")[0]);
    let at_once = |line: &str, repair: &str| {
        let said = desk.run(line);
        assert_eq!(said.code, 3, "{}", said.text);
        assert!(
            said.text.contains(
                "next: what is here gives everything back: haversack repair BUNDLE --trust DIR -o NEW"
            ),
            "{}",
            said.text
        );
        let _ = fs::remove_dir_all(desk.path("mended"));
        desk.ok(repair);
        desk.ok("verify mended");
    };
    for name in ["p1/parity.000", "p1/blocks.sha256", &payload] {
        desk.copy("x");
        desk.flip(&format!("x/{name}"));
        at_once("verify x", "repair x -o mended");
    }
    desk.copy("x");
    let mut longer = fs::read(desk.path("x").join(&payload)).unwrap();
    longer.push(0);
    fs::write(desk.path("x").join(&payload), longer).unwrap();
    at_once("verify x", "repair x -o mended");
    // Without parity, but with a second copy.
    fs::remove_dir_all(desk.path("b")).unwrap();
    desk.build("b", "--sequence 3");
    desk.copy("x");
    desk.flip(&format!("x/{payload}"));
    at_once("verify x b", "repair x b -o mended");
}

#[test]
fn a_damaged_patch_and_that_of_another_bundle_are_named() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1");
    desk.build("other", "--sequence 2");
    let payload = format!("v1/{}", desk.names("b/v1")[0]);
    desk.copy("x");
    desk.flip(&format!("x/{payload}"));
    desk.run("verify x --recarry L");
    desk.ok("patch b --list L -o P");
    let piece = desk.names("P").remove(0);
    desk.flip(&format!("P/{piece}"));
    let said = desk.run("repair x --patch P -o mended");
    assert_eq!(said.code, 3);
    assert!(
        said.text.contains(
            "error[E323]: the patch P does not bring what is lost: 0 of its pieces count, 1 are damaged\n"
        ) && said.text.contains("next: carry the patch over again"),
        "{}",
        said.text
    );
    copy_tree(&desk.path("other"), &desk.path("y"));
    desk.flip("y/README.txt");
    desk.run("verify y --recarry L2");
    desk.ok("patch other --list L2 -o P2");
    let said = desk.run("repair x --patch P2 -o mended");
    assert_eq!(said.code, 3);
    assert!(
        said.text
            .contains("error[E314]: the patch P2 holds nothing of the bundle "),
        "{}",
        said.text
    );
    assert!(!desk.path("mended").exists());
}
