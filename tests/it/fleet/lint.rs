//! The playbooks pass the checkers of Ansible and YAML, and are the same on every stage.

use crate::support::staged::{Staged, run, tool};

#[test]
fn the_playbooks_pass_ansible_lint_yamllint_and_the_syntax_check() {
    let staged = Staged::new();
    // ansible-lint leaves a folder of its own where it works.
    let copy = staged.path("ansible");
    run(tool("cp", "coreutils")
        .arg("-r")
        .arg(staged.out().join("ansible"))
        .arg(&copy));
    run(tool("ansible-lint", "ansible-lint")
        .args(["--offline", "--strict", "--profile", "production"])
        .env("HOME", staged.path(""))
        .current_dir(&copy));
    run(tool("yamllint", "yamllint")
        .args(["--strict", "."])
        .current_dir(&copy));
    run(tool("shellcheck", "shellcheck")
        .arg("receive.sh")
        .current_dir(&copy));
    for playbook in ["site.yml", "verify.yml", "rollback.yml"] {
        run(tool("ansible-playbook", "ansible-core")
            .args(["--syntax-check", playbook])
            .env("HOME", staged.path(""))
            .current_dir(&copy));
    }
}
