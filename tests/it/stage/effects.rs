//! What the staged scripts do to a host's files, in a root folder of its own.

use crate::support::fakeroot::FakeRoot;
use crate::support::staged::Staged;

#[test]
fn what_apt_fails_in_stops_the_install() {
    let root = FakeRoot::new(&Staged::new());
    root.fake(
        "apt-get",
        "echo 'E: Unable to locate package nginx' >&2; echo 'Inst nginx (1.22)'; exit 100",
    );
    let (ok, text) = root.install("", "step_packages");
    assert!(!ok, "{text}");
    assert!(
        text.contains("E: Unable to locate package nginx\n"),
        "{text}"
    );
    assert!(
        text.contains("\nwhy:   apt cannot install ca-certificates curl "),
        "{text}"
    );
    assert!(!text.contains("change:"), "{text}");
    // The same answer with status 0 is taken; then it is the installation that fails.
    root.fake(
        "apt-get",
        "case $* in *--simulate*) echo 'Inst nginx (1.22)' ;; *) exit 100 ;; esac",
    );
    let (ok, text) = root.install("", "step_packages");
    assert!(
        !ok && text.contains("  change: install: nginx \n"),
        "{text}"
    );
    assert!(
        text.contains("\nwhy:   apt could not install the packages;"),
        "{text}"
    );
}
