//! The stand-in archives: the layout of upstream's, always the same bytes for the same program.

use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::Failure;

/// Modification time of every entry: 2026-01-01T00:00:00Z.
const MTIME: u64 = 1_767_225_600;
/// What every readme says.
const NOTE: &str = "This is a stand-in of the Haversack project for its quickstart and tests.\n\
    It is not the program whose name it carries, and holds none of its files.\n";
/// The configuration that the stand-in tarball ships, as the real one ships its defaults.
const DEFAULTS: &str =
    "{\n  \"ServiceSettings\": { \"SiteURL\": \"\", \"ListenAddress\": \":8065\" }\n}\n";
/// The sample configuration of the push proxy's tarball.
const PUSH_SAMPLE: &str = "{\n  \"ListenAddress\": \":8066\",\n  \"ThrottlePerSec\": 300\n}\n";

/// One entry of an archive; a folder when the name ends with `/`.
struct Entry<'a>(&'a str, u32, &'a [u8]);

/// Writes every archive below `dir`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(dir: &Path, program: &[u8]) -> Result<(), Failure> {
    let note = NOTE.as_bytes();
    let mattermost = tar_gz(&[
        Entry("mattermost/", 0o755, b""),
        Entry("mattermost/NOTICE.txt", 0o644, note),
        Entry("mattermost/README.md", 0o644, note),
        Entry("mattermost/bin/", 0o755, b""),
        Entry("mattermost/bin/mattermost", 0o755, program),
        Entry("mattermost/bin/mmctl", 0o755, program),
        Entry("mattermost/client/", 0o755, b""),
        Entry(
            "mattermost/client/root.html",
            0o644,
            b"<!doctype html><title>stand-in</title>\n",
        ),
        Entry("mattermost/config/", 0o755, b""),
        Entry("mattermost/config/config.json", 0o644, DEFAULTS.as_bytes()),
        Entry("mattermost/fonts/", 0o755, b""),
        Entry("mattermost/i18n/", 0o755, b""),
        Entry("mattermost/i18n/en.json", 0o644, b"[]\n"),
        Entry("mattermost/logs/", 0o755, b""),
        Entry("mattermost/prepackaged_plugins/", 0o755, b""),
        Entry("mattermost/templates/", 0o755, b""),
    ])?;
    put(
        dir,
        "mattermost/11.7.10/mattermost-11.7.10-stand-in-linux-amd64.tar.gz",
        &mattermost,
    )?;
    put(
        dir,
        "minio/RELEASE.2025-09-07T16-13-09Z/minio.stand-in.linux-amd64.RELEASE.2025-09-07T16-13-09Z",
        program,
    )?;
    let push = tar_gz(&[
        Entry("mattermost-push-proxy-linux-amd64/", 0o755, b""),
        Entry("mattermost-push-proxy-linux-amd64/LICENSE.txt", 0o644, note),
        Entry("mattermost-push-proxy-linux-amd64/NOTICE.txt", 0o644, note),
        Entry("mattermost-push-proxy-linux-amd64/README.md", 0o644, note),
        Entry("mattermost-push-proxy-linux-amd64/bin/", 0o755, b""),
        Entry(
            "mattermost-push-proxy-linux-amd64/bin/mattermost-push-proxy",
            0o755,
            program,
        ),
        Entry("mattermost-push-proxy-linux-amd64/config/", 0o755, b""),
        Entry(
            "mattermost-push-proxy-linux-amd64/config/build.txt",
            0o644,
            b"stand-in\n",
        ),
        Entry(
            "mattermost-push-proxy-linux-amd64/config/mattermost-push-proxy.sample.json",
            0o644,
            PUSH_SAMPLE.as_bytes(),
        ),
        Entry("mattermost-push-proxy-linux-amd64/logs/", 0o755, b""),
    ])?;
    put(
        dir,
        "push-proxy/v6.5.0/mattermost-push-proxy-stand-in-linux-amd64.tar.gz",
        &push,
    )
}

fn tar_gz(entries: &[Entry<'_>]) -> Result<Vec<u8>, Failure> {
    let gz = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    let mut archive = Builder::new(gz);
    for Entry(path, mode, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(if path.ends_with('/') {
            EntryType::Directory
        } else {
            EntryType::Regular
        });
        header.set_path(path)?;
        header.set_mode(*mode);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(u64::try_from(content.len())?);
        header.set_cksum();
        archive.append(&header, *content)?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// Writes a file whole or not at all; what is there and equal stays as it is.
pub(crate) fn put(dir: &Path, path: &str, content: &[u8]) -> Result<(), Failure> {
    let target = dir.join(path);
    let named = |error: std::io::Error| format!("{}: {error}", target.display());
    if std::fs::read(&target).is_ok_and(|have| have == content) {
        return Ok(());
    }
    let folder = target.parent().unwrap_or(dir);
    std::fs::create_dir_all(folder).map_err(named)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(named)?;
    temporary.write_all(content).map_err(named)?;
    temporary
        .persist(&target)
        .map_err(|error| named(error.error))?;
    Ok(())
}
