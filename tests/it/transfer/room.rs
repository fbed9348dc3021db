//! Media are looked at before the first byte is written to them.

use std::fs;
use std::process::Command;

use super::Desk;

#[test]
fn what_does_not_fit_together_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1 --volume-size 700k");
    fs::create_dir(desk.path("small")).unwrap();
    // Each volume would fit alone.
    for option in ["", "--iso"] {
        let script = "mount -t tmpfs -o size=600k none small && \"$1\" media b --to small $2; code=$?; ls -A small; exit $code";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_haversack"))
            .arg(option)
            .current_dir(desk.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(
            said.contains("error[E602]") && said.contains("nothing was written"),
            "{said}"
        );
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "",
            "nothing is there"
        );
    }
}

#[test]
fn a_spare_does_not_come_to_lie_beside_what_it_protects() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1 --volume-size 700k --spare-volume 1");
    desk.ok("media b --volume 1 --to stick");
    desk.ok("media b --volume 1 --to stick");
    let before = desk.tree("stick");
    for volume in ["p1", "v2"] {
        let said = desk.run(&format!("media b --volume {volume} --to stick"));
        assert_eq!(said.code, 2);
        assert!(
            said.text.contains(&format!(
                "error[E280]: stick/b carries v1 already, and {volume} does not belong beside it\n"
            )) && said.text.contains("--together"),
            "{}",
            said.text
        );
        assert!(before == desk.tree("stick"));
    }
    desk.ok("media b --volume p1 --to stick --together");
    assert!(desk.path("stick/b/p1").is_dir());
    // Without parity there is nothing that a second volume could spoil.
    desk.build("plain", "--sequence 2 --volume-size 700k");
    desk.ok("media plain --volume 1 --to large");
    desk.ok("media plain --volume 2 --to large");
    desk.ok("verify large/plain");
}

#[test]
fn receive_needs_as_much_room_as_it_takes() {
    let desk = Desk::new();
    desk.build("b", "--sequence 1");
    desk.ok("stream b -o b.tar");
    fs::create_dir(desk.path("small")).unwrap();
    let tar = fs::metadata(desk.path("b.tar")).unwrap().len();
    let receive = |room: u64| {
        let script = "mount -t tmpfs -o size=$2 none small && exec \"$1\" receive b.tar -o small/r";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_haversack"))
            .arg(room.to_string())
            .current_dir(desk.path(""))
            .env("HAVERSACK_STATE", desk.path("state"))
            .env("HAVERSACK_TRUST", desk.path("trust"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    };
    // Half as much again is for whole pages of small files.
    let (code, said) = receive(tar + tar / 2);
    assert_eq!(code, 0, "{said}");
    let (code, said) = receive(tar / 2);
    assert!(code == 6 && said.contains("error[E602]"), "{code}: {said}");
}
