//! A delta from build to the completed bundle: on media, in one file, on paper, and proved before it is carried.

use std::fs;
use std::process::Command;

use haversack::types::digest::Digest;

use super::{Desk, SIZE, copy_tree};
use crate::support::orders::scattered;

/// The full bundle, and a delta on it of which one file of two is new.
fn series(options: &str) -> Desk {
    let desk = Desk::new();
    desk.build("b1", "--sequence 1");
    fs::write(desk.path("f2.bin"), scattered(3, SIZE)).unwrap();
    desk.manifest(2);
    desk.ok("lock m.toml");
    desk.build("D", &format!("--sequence 3 --base b1 {options}"));
    desk.ok("build m.toml -o full --sequence 3");
    desk
}

impl Desk {
    #[track_caller]
    fn verify_sh(&self, bundle: &str) -> Said {
        let output = Command::new("sh")
            .arg(self.path(bundle).join("verify.sh"))
            .arg(self.path("k.pem"))
            .arg(self.path(bundle))
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            text: String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        }
    }
}

use super::Said;

#[test]
fn media_carry_a_delta_and_gather_takes_it_in() {
    let desk = series("--volume-size 500k");
    let chain = desk.ok("inspect D --file v1/files/extra-f2/f2.bin");
    let whole = Digest::of(&fs::read(desk.path("f2.bin")).unwrap());
    let list =
        format!("checked     list                {whole}  v1/files/extra-f2/f2.bin in 2 parts\n");
    assert!(
        chain.contains(&list) && chain.contains("checked     volume              v1 v2\n"),
        "{chain}"
    );
    let chain = desk.ok("inspect D --file v1/files/extra-f1/f1.bin");
    assert!(
        chain.contains("not-checked list")
            && chain.contains("  v1/files/extra-f1/f1.bin (it comes from the base)\n"),
        "{chain}"
    );
    desk.ok("media D --to discs");
    let volumes = fs::read_dir(desk.path("discs")).unwrap().count();
    assert!(volumes > 1, "{volumes}");
    assert!(!desk.path("discs/v1/D/base").exists());
    desk.ok("media D --volume 1 --to stick");
    desk.ok("media D --iso --to images");
    let mut left = volumes;
    for number in 1..=volumes {
        let said = desk.run(&format!("gather discs/v{number}/D -o in"));
        left -= 1;
        assert_eq!(said.code, if left == 0 { 0 } else { 8 }, "{}", said.text);
        if left == 0 {
            assert!(
                said.text
                    .contains("next: this is a delta: haversack receive ")
                    && said.text.contains("/in --base OLD --trust DIR -o NEW"),
                "{}",
                said.text
            );
        }
    }
    desk.ok("receive in --base b1 -o new");
    // The places follow what the media carry; the files are those of the full bundle, byte for byte.
    let payload = |bundle: &str| {
        let mut wholes = std::collections::BTreeMap::<String, Vec<u8>>::new();
        let mut names = desk.names(bundle);
        names.retain(|name| name.starts_with('v') && name != "verify.sh");
        names.sort_by_key(|name| name.split_once('/').unwrap().1.to_owned());
        for name in names {
            let rest = name.split_once('/').unwrap().1;
            let whole = rest.split(".0").next().unwrap().to_owned();
            let bytes = fs::read(desk.path(bundle).join(&name)).unwrap();
            wholes.entry(whole).or_default().extend(bytes);
        }
        wholes
    };
    assert_eq!(payload("full").len(), 2);
    assert!(payload("new") == payload("full"));
    // Identity and signatures are those that the builder gave the bundle that the delta makes.
    assert!(desk.ok("verify new").starts_with("GOOD: d "));
}

#[test]
fn a_delta_is_proved_before_it_is_carried_and_both_tools_say_so() {
    let desk = series("");
    let base = desk.identity("b1");
    let said = desk.run("verify D");
    assert_eq!(said.code, 5, "{}", said.text);
    assert!(
        said.text.starts_with("DELTA, good as carried: d "),
        "{}",
        said.text
    );
    let carried = desk
        .names("D")
        .iter()
        .filter(|name| *name != "SHA256SUMS" && !name.starts_with("sig/"))
        .count();
    assert!(
        said.text.contains(&format!("  delta on  {base}  "))
            && said.text.contains(&format!(
                "{carried} files carried good; 1 to come from the base, 0 to be made by changes"
            )),
        "{}",
        said.text
    );
    let by_hand = desk.verify_sh("D");
    assert_eq!(by_hand.code, 5, "{}", by_hand.text);
    assert!(
        by_hand.text.contains(&format!(
            "DELTA on {base}, good as carried: {carried} files; 1 to come from the base, 0 to be made by changes"
        )),
        "{}",
        by_hand.text
    );
    // What lies in base/ is not looked at by either.
    copy_tree(&desk.path("D"), &desk.path("with"));
    copy_tree(&desk.path("b1"), &desk.path("with/base"));
    assert_eq!(
        (desk.run("verify with").code, desk.verify_sh("with").code),
        (5, 5)
    );
    // A flipped byte, a lost file, one too many: content.
    let payload = desk
        .names("D")
        .into_iter()
        .find(|name| name.starts_with("v1/"))
        .unwrap();
    for (number, spoil) in [0, 1, 2, 3]
        .into_iter()
        .zip(["flip", "lose", "add", "unsign"])
    {
        let name = format!("x{number}");
        copy_tree(&desk.path("D"), &desk.path(&name));
        let file = desk.path(&name).join(&payload);
        let mut wanted = 3;
        match spoil {
            "flip" => {
                let mut bytes = fs::read(&file).unwrap();
                bytes[9] ^= 1;
                fs::write(&file, bytes).unwrap();
            }
            "lose" => fs::remove_file(&file).unwrap(),
            "add" => fs::write(desk.path(&name).join("more"), b"").unwrap(),
            _ => {
                // Signed as a delta only: another's signature stands over what it makes.
                for one in desk.names(&format!("{name}/sig")) {
                    if one.ends_with(".full.sig") {
                        fs::write(desk.path(&name).join("sig").join(one), b"x").unwrap();
                    }
                }
                wanted = 4;
            }
        }
        let (said, by_hand) = (desk.run(&format!("verify {name}")), desk.verify_sh(&name));
        assert_eq!(
            (said.code, by_hand.code),
            (wanted, wanted),
            "{spoil}: {}{}",
            said.text,
            by_hand.text
        );
    }
    // One medium: what comes from the base is not on it.
    desk.ok("media D --to discs");
    assert!(!desk.path("discs/v1/D/base").exists());
    assert_eq!(desk.run("verify discs/v1/D").code, 5);
    let gathered = desk.run("gather discs/v1/D -o in");
    assert!(
        gathered.code == 0 && gathered.text.contains("/in --base OLD"),
        "{}",
        gathered.text
    );
    assert!(desk.run("repair D -o no").text.contains("error[E512]"));
    desk.ok("receive D --base b1 -o new");
    assert!(desk.ok("verify new").starts_with("GOOD: d "));
}

#[test]
fn what_stands_on_the_medium_and_on_paper_of_a_delta_is_true() {
    let desk = series("");
    let base = desk.identity("b1");
    // What a delta completes is the full bundle, so that the papers in it are the same.
    for name in ["README.txt", "label.txt"] {
        let read = |bundle: &str| fs::read_to_string(desk.path(bundle).join(name)).unwrap();
        assert_eq!(read("D"), read("full"), "{name}");
    }
    let readme = fs::read_to_string(desk.path("D/README.txt")).unwrap();
    let sheet = desk.ok("custody export D");
    let check = "grep -Ev '  (base|made)/' SHA256SUMS | sha256sum --strict --quiet -c";
    assert!(readme.contains(check) && sheet.contains(check), "{sheet}");
    assert!(
        desk.ok("custody export D --format html")
            .contains("A delta on the bundle")
    );
    // The commands that stand there.
    let run = |command: &str| {
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(desk.path("D"))
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(run(check), "");
    let listed: usize = run("grep -Ev '  (base|made)/' SHA256SUMS | grep -vc '^#'")
        .parse()
        .unwrap();
    let count: usize = run("find . ! -type d ! -path './sig/*' | wc -l")
        .parse()
        .unwrap();
    assert_eq!(count, listed + 1);
    assert!(sheet.contains(&format!("says: {count}\n")), "{sheet}");
    assert!(
        sheet.contains(&format!(
            "DELTA ON    {}   carries {listed} files",
            base.label()
        )),
        "{sheet}"
    );
    // One file of 300 kB, and the small ones.
    let medium = sheet
        .lines()
        .find(|line| line.contains("medium 1 of 1  v1"))
        .unwrap();
    assert!(medium.contains("     1 files"), "{medium}");
    assert!(
        desk.ok("stream D -o D.tar")
            .contains("haversack receive FILE --base OLD --trust DIR")
    );
    assert!(
        desk.ok("stream D --flat out")
            .contains("haversack receive --flat DIR --base OLD --trust DIR")
    );
}
