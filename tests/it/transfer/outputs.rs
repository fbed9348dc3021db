//! No command writes into a bundle.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Desk, copy_tree};

#[test]
fn no_command_writes_into_a_bundle_whatever_the_path_looks_like() {
    let desk = Desk::new();
    desk.build("x", "--sequence 1 --parity 100%");
    copy_tree(&desk.path("x"), &desk.path("other"));
    fs::write(
        desk.path("L"),
        format!("# haversack-recarry 1\n# bundle {}\n", desk.identity("x")),
    )
    .unwrap();
    symlink("x/v1", desk.path("link")).unwrap();
    fs::write(desk.path("m2.toml"), fs::read(desk.path("m.toml")).unwrap()).unwrap();
    let (before, others) = (desk.tree("x"), desk.tree("other"));
    for line in [
        "media x --to x",
        "media x --to x/v1",
        "media x --to link/../new",
        "media x --to . --volume v1",
        "media x --iso --to x/images",
        "stream x --flat x/out",
        "stream x --flat new/../x/out",
        "stream x -o x/x.tar",
        "stream x -o link/x.tar",
        "receive x -o x/in",
        "receive x -o other/in",
        "receive x -o new --state x/state",
        "patch x --list L -o x/pp",
        "dossier x --output x/dos",
        "custody add x/c.jsonl --of x --actor A --role builder --action built",
        "custody add other/c.jsonl --of x --actor A --role builder --action built",
        "custody export x --output x/sheet.txt",
        "verify x --report x/rep.json",
        "verify x --report x/rep.json --custody x/c.jsonl --actor A",
        "verify x --recarry x/L",
        "receipt x --key k.key -o x/r",
        "repair x -o x/r",
        "gather x -o x/g",
        "gather x -o new/../x/g",
        "stage x -d deployment.toml -o x/staged",
        "keygen x/key",
        "sign x --key k.key --custody x/c.jsonl --actor A",
        "build m.toml -o x/b --sequence 9",
        "build m.toml -o other/b --sequence 9 --base x",
        "build m2.toml --lock x/m.lock --sequence 9 -o b",
        "lock m.toml --lock x/m.lock",
        "init x/site",
    ] {
        let said = desk.run(line);
        assert!(
            said.code == 2 && said.text.contains("error[E290]"),
            "{line}: {}\n{}",
            said.code,
            said.text
        );
        assert!(
            said.text.contains("next: name a") && said.text.contains("nothing was written"),
            "{line}: {}",
            said.text
        );
        assert!(before == desk.tree("x"), "{line}");
        assert!(others == desk.tree("other"), "{line}");
        assert!(!desk.path("new").exists(), "{line}");
    }
    let key = fs::read(desk.path("k.key")).unwrap();
    for line in [
        "receipt x --key k.key -o k.key",
        "custody export x --log c.jsonl --output c.jsonl",
        "verify x --report both --recarry both",
    ] {
        if line.contains("c.jsonl") {
            desk.ok("custody add c.jsonl --of x --actor A --role builder --action built");
        }
        let said = desk.run(line);
        assert!(
            said.code == 2 && said.text.contains("error[E290]"),
            "{line}: {}",
            said.text
        );
    }
    assert!(key == fs::read(desk.path("k.key")).unwrap());
    desk.ok("custody verify c.jsonl");
    assert!(!desk.path("both").exists());
    // Beside it all is as ever.
    desk.ok("media x --to media");
    desk.ok("stream x -o x.tar");
    desk.ok("verify x --report rep.json --recarry list");
    assert!(before == desk.tree("x"));
}

/// Of two bundles with one number nobody here can know which is the builder's: no reason lets one in.
#[test]
fn no_reason_lets_another_bundle_of_the_same_number_in() {
    let desk = Desk::new();
    desk.build("one", "--sequence 7");
    desk.ok("verify one");
    desk.manifest(2);
    desk.ok("lock m.toml");
    desk.build("other", "--sequence 7");
    for line in ["verify other", "verify other --allow-rollback because"] {
        let said = desk.run(line);
        assert!(
            said.code == 5 && said.text.contains("error[E511]"),
            "{line}: {}",
            said.text
        );
    }
}
