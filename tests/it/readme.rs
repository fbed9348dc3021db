//! Every command of README.md, run as it stands there.

use std::path::Path;
use std::process::Command;

use crate::support::quickstart::SampleUpstream;

/// The commands of fenced blocks of one kind, in order, that begin with this prompt.
fn commands(readme: &str, kind: &str, prompt: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if let Some(opened) = line.strip_prefix("```") {
            inside = !inside && opened == kind;
        } else if inside && let Some(command) = line.strip_prefix(prompt) {
            found.push(command.to_owned());
        }
    }
    found
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn every_command_of_the_how_tos_works_in_its_order() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let upstream = SampleUpstream::start(&folder.path().join("upstream"));
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["quickstart.toml", "quickstart-deployment.toml"] {
        let shipped = std::fs::read_to_string(project.join("manifests").join(name)).unwrap();
        let here = shipped.replace("127.0.0.1:18765", &upstream.address);
        std::fs::write(folder.path().join(name), here).unwrap();
    }
    let made = Command::new(project.join("scripts/make-test-pki"))
        .args(["pki", "chat.mm.internal", "mm1", "10.20.0.10"])
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());

    let program = Path::new(env!("CARGO_BIN_EXE_haversack")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let all = commands(&readme(), "console", "$ ");
    assert!(all.len() >= 15, "README has {} commands only", all.len());
    for command in all {
        let output = Command::new("bash")
            .args(["-euc", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env(
                "HAVERSACK_STORE",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme-store"),
            )
            .env("HAVERSACK_STATE", folder.path().join("state"))
            .env("HOME", folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "README: {command}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn what_runs_on_the_host_is_what_the_proof_runs() {
    // Root's commands change a host; tests/it/proof.rs runs them in a machine of its own.
    let proof =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/proof.rs"))
            .unwrap();
    let on_host = commands(&readme(), "console", "# ");
    assert!(!on_host.is_empty());
    for command in on_host {
        let script = command.trim_start_matches("sh ");
        assert!(
            proof.contains(script),
            "tests/it/proof.rs does not run `{command}`"
        );
    }
}

#[test]
fn scripts_and_files_that_the_readme_names_exist() {
    let readme = readme();
    let words = readme.split(|c: char| c.is_whitespace() || "`()[],;".contains(c));
    let named: Vec<&str> = words
        .filter(|word| word.starts_with("scripts/") || word.starts_with("manifests/"))
        .collect();
    assert!(named.len() >= 4);
    for name in named {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name.trim_end_matches(['.', ':']));
        assert!(path.exists(), "README names {name}");
    }
}

#[test]
fn the_set_up_lines_name_programs_and_folders_that_the_quickstart_makes() {
    let quickstart =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/quickstart"))
            .unwrap();
    let lines = commands(&readme(), "sh", "");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("scripts/quickstart"))
    );
    assert!(lines.iter().any(|line| line.starts_with("scripts/test")));
    for needed in [
        "--example sample-upstream",
        "\"$dir/upstream\"",
        "\"$dir/pki\"",
        "target/quickstart",
    ] {
        assert!(
            quickstart.contains(needed),
            "scripts/quickstart has no {needed}"
        );
    }
}
