//! The repositories that a system's own apt is configured with (sources.list(5)).
//!
//! Read are `/etc/apt/sources.list`, `/etc/apt/sources.list.d/*.list` and `*.sources`; everything else
//! is ignored, as apt does. Only entries of binary packages count.

mod entry;

use std::path::{Path, PathBuf};

use super::RepositorySpec;
use super::error::AptError;
use crate::fs::{self, Kind};
use crate::trust::openpgp::{Keyring, MAX_KEYRING};
use crate::types::fingerprint::Fingerprint;
use crate::types::name::Name;
use crate::types::target::{Distribution, Target};
use crate::types::url::SafeUrl;

use entry::{Entry, SignedBy};

/// Largest sources file, in bytes.
const MAX_SOURCES: u64 = 1 << 20;

/// The repositories of the system whose root folder is `root`, one for each URI: the only one is called
/// `name`, of several each is called `name-` and the last part of its URI.
///
/// Entries for other architectures than the target's are left out. An entry without `Signed-By` is
/// trusted through `/etc/apt/trusted.gpg` and `/etc/apt/trusted.gpg.d`, as apt does.
///
/// # Errors
/// When a file cannot be read or is not written as it must be, the keyring of an entry is not there, no entry is there, or suites are of another distribution than the target's.
pub fn repositories(
    root: &Path,
    name: &Name,
    target: Target,
) -> Result<Vec<RepositorySpec>, AptError> {
    let mut entries = Vec::new();
    for path in sources_files(root)? {
        let text = fs::read_text(&path, MAX_SOURCES)?;
        let place = path.display().to_string();
        let found = if path.extension().is_some_and(|ending| ending == "sources") {
            entry::read_deb822(&text, &place)
        } else {
            entry::read_lines(&text, &place)
        };
        entries.extend(found?);
    }
    entries.retain(|entry| entry.is_for(target.arch.as_str()));
    if entries.is_empty() {
        return Err(AptError::System(format!(
            "the apt sources below {} name no repository for {}",
            root.join("etc/apt").display(),
            target.arch
        )));
    }
    let mut found: Vec<RepositorySpec> = Vec::new();
    for entry in entries {
        check_distribution(&entry, target.distribution)?;
        merge(root, name, &entry, &mut found)?;
    }
    name_all(name, &mut found)?;
    Ok(found)
}

/// The sources files in apt's order: the main one, then the folder's by name.
fn sources_files(root: &Path) -> Result<Vec<PathBuf>, AptError> {
    let apt = root.join("etc/apt");
    let mut found = Vec::new();
    let main = apt.join("sources.list");
    if fs::examine(&main)?.is_some() {
        found.push(main);
    }
    let folder = apt.join("sources.list.d");
    if fs::examine(&folder)?.is_some() {
        found.extend(files_in(&folder, &["list", "sources"])?);
    }
    Ok(found)
}

/// Files with one of these endings directly in a folder, sorted, under names that apt reads.
fn files_in(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, AptError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let mut found = Vec::new();
    for entry in fs::walk(folder)? {
        let (Some(name), Some(ending)) = (entry.path.to_str(), entry.path.extension()) else {
            continue;
        };
        let wanted = endings.iter().any(|one| ending == *one);
        let is_file = matches!(entry.kind, Kind::File | Kind::Symlink);
        if is_file && wanted && name.bytes().all(plain) {
            found.push(folder.join(&entry.path));
        }
    }
    found.sort();
    Ok(found)
}

/// Adds an entry to the repository of its URI.
fn merge(
    root: &Path,
    name: &Name,
    entry: &Entry,
    into: &mut Vec<RepositorySpec>,
) -> Result<(), AptError> {
    let trusted = trusted(root, entry)?;
    for uri in &entry.uris {
        let uri: SafeUrl = uri
            .trim_end_matches('/')
            .parse()
            .map_err(|source| AptError::Url {
                place: entry.place.clone(),
                source,
            })?;
        let Some(known) = into.iter_mut().find(|known| known.uri == uri) else {
            into.push(RepositorySpec {
                name: name.clone(),
                uri,
                suites: entry.suites.clone(),
                components: entry.components.clone(),
                keyring: trusted.keyring.clone(),
                keyring_url: trusted.url.clone(),
                pinned: trusted.pinned.clone(),
                priority: RepositorySpec::DEFAULT_PRIORITY,
            });
            continue;
        };
        let same = known.keyring == trusted.keyring
            && known.pinned == trusted.pinned
            && known.components == entry.components;
        if !same {
            return Err(AptError::System(format!(
                "{}: {uri} is configured twice with different Signed-By or Components; name the repositories in the manifest instead of `from = \"system\"`",
                entry.place
            )));
        }
        for suite in &entry.suites {
            if !known.suites.contains(suite) {
                known.suites.push(suite.clone());
            }
        }
    }
    Ok(())
}

/// What may sign a repository.
struct Trusted {
    keyring: Vec<u8>,
    url: SafeUrl,
    pinned: Vec<Fingerprint>,
}

/// The certificates that an entry trusts, and where they came from.
fn trusted(root: &Path, entry: &Entry) -> Result<Trusted, AptError> {
    let (paths, pinned) = match &entry.signed_by {
        SignedBy::Embedded(key) => {
            return Ok(Trusted {
                keyring: key.clone().into_bytes(),
                url: file_url(Path::new(entry.file()))?,
                pinned: Vec::new(),
            });
        }
        SignedBy::Files(paths) => {
            let paths = paths
                .iter()
                .map(|path| root.join(path.trim_start_matches('/')));
            (paths.collect(), Vec::new())
        }
        SignedBy::System => (system_keyrings(root)?, Vec::new()),
        SignedBy::Fingerprints(pinned) => (system_keyrings(root)?, pinned.clone()),
    };
    let Some(first) = paths.first() else {
        return Err(AptError::System(format!(
            "{}: the entry has no Signed-By, and the system has no trusted keys",
            entry.place
        )));
    };
    Ok(Trusted {
        keyring: read_keyrings(&paths)?,
        url: file_url(first)?,
        pinned,
    })
}

/// The keyrings that apt trusts for every repository. Like apt: files that are no keyring (empty
/// ones, `GnuPG`'s keyboxes) do not count.
fn system_keyrings(root: &Path) -> Result<Vec<PathBuf>, AptError> {
    let mut paths = Vec::new();
    let old = root.join("etc/apt/trusted.gpg");
    if fs::examine(&old)?.is_some() {
        paths.push(old);
    }
    let folder = root.join("etc/apt/trusted.gpg.d");
    if fs::examine(&folder)?.is_some() {
        paths.extend(files_in(&folder, &["gpg", "asc"])?);
    }
    let mut usable = Vec::new();
    for path in paths {
        if Keyring::parse(&read_key_file(&path)?).is_ok() {
            usable.push(path);
        }
    }
    Ok(usable)
}

/// The content of a keyring; several are put together, in binary form.
fn read_keyrings(paths: &[PathBuf]) -> Result<Vec<u8>, AptError> {
    if let [only] = paths {
        return read_key_file(only);
    }
    let mut all: Option<Keyring> = None;
    for path in paths {
        let next = Keyring::parse(&read_key_file(path)?).map_err(|source| AptError::Signature {
            repository: "system".to_owned(),
            what: path.display().to_string(),
            source,
        })?;
        all = Some(match all {
            Some(keyring) => keyring.with(next),
            None => next,
        });
    }
    Ok(all.map(|keyring| keyring.to_binary()).unwrap_or_default())
}

/// Keyrings are often links into other packages, so that links are followed.
fn read_key_file(path: &Path) -> Result<Vec<u8>, AptError> {
    let limit = u64::try_from(MAX_KEYRING).unwrap_or(u64::MAX);
    let real = std::path::absolute(path).and_then(|path| path.canonicalize());
    Ok(fs::read(real.as_deref().unwrap_or(path), limit)?)
}

fn file_url(path: &Path) -> Result<SafeUrl, AptError> {
    let text = format!("file://{}", path.display());
    text.parse().map_err(|source| AptError::Url {
        place: path.display().to_string(),
        source,
    })
}

/// Suites are named after the distribution: one that is named after another one is an accident.
fn check_distribution(entry: &Entry, target: Distribution) -> Result<(), AptError> {
    /// Code names of Debian and Ubuntu, as far as they are not the targets'.
    const OTHERS: [&str; 12] = [
        "buster", "bullseye", "forky", "duke", "sid", "bionic", "focal", "oracular", "plucky",
        "questing", "resolute", "xenial",
    ];
    let Some(codename) = target.codename() else {
        return Err(AptError::System(format!(
            "{}: {target} has no apt repositories",
            entry.place
        )));
    };
    let supported = Distribution::ALL.iter().filter_map(|one| one.codename());
    for suite in &entry.suites {
        let stem = suite.split(['-', '/']).next().unwrap_or(suite);
        let known = supported.clone().chain(OTHERS).any(|name| name == stem);
        if known && stem != codename {
            return Err(AptError::System(format!(
                "{}: suite {suite} is not of {target}, whose suites are named {codename}",
                entry.place
            )));
        }
    }
    Ok(())
}

/// Names repositories after their URIs.
fn name_all(name: &Name, found: &mut [RepositorySpec]) -> Result<(), AptError> {
    if found.len() < 2 {
        return Ok(());
    }
    let mut taken: Vec<String> = Vec::new();
    for one in found {
        let last = one.uri.as_str().trim_end_matches('/').rsplit('/').next();
        let word: String = last
            .unwrap_or_default()
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let word = word.trim_matches('-');
        let base = format!(
            "{name}-{}",
            if word.is_empty() { "repository" } else { word }
        );
        let mut unique = base.clone();
        let mut number = 2;
        while taken.contains(&unique) {
            unique = format!("{base}-{number}");
            number += 1;
        }
        one.name = unique
            .parse()
            .map_err(|error| AptError::System(format!("{}: {error}", one.uri)))?;
        taken.push(unique);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;
    use crate::types::target::Arch;

    const TARGET: Target = Target {
        distribution: Distribution::Debian12,
        arch: Arch::Amd64,
    };

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn read(files: &[(&str, &str)]) -> Result<Vec<RepositorySpec>, AptError> {
        repositories(root(files).path(), &"base".parse().unwrap(), TARGET)
    }

    #[test]
    fn merges_the_suites_of_a_uri_and_names_several() {
        let found = read(&[
            (
                "etc/apt/sources.list.d/debian.sources",
                "Types: deb\n# why\nURIs: http://m.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k/a.gpg\n\n\
                 Types: deb\nURIs: http://m.example/debian-security\nSuites: bookworm-security\nComponents: main\nSigned-By: /k/a.gpg\n",
            ),
            (
                "etc/apt/sources.list.d/more.list",
                "deb [signed-by=/k/a.gpg] http://m.example/debian bookworm-backports main\n\
                 deb [signed-by=/k/a.gpg] http://n.example/debian bookworm main\n\
                 deb [arch=arm64 signed-by=/none] http://o.example/debian bookworm main\n",
            ),
            ("etc/apt/sources.list.d/off.list.disabled", "nonsense"),
            ("k/a.gpg", "key"),
        ])
        .unwrap();
        let shown: Vec<(&str, &str, String)> = found
            .iter()
            .map(|one| (one.name.as_str(), one.uri.as_str(), one.suites.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "base-debian",
                    "http://m.example/debian",
                    "bookworm bookworm-updates bookworm-backports".to_owned()
                ),
                (
                    "base-debian-security",
                    "http://m.example/debian-security",
                    "bookworm-security".to_owned()
                ),
                (
                    "base-debian-2",
                    "http://n.example/debian",
                    "bookworm".to_owned()
                ),
            ]
        );
        assert_eq!(found[0].keyring, b"key");
        assert!(found[0].keyring_url.as_str().ends_with("/k/a.gpg"));
    }

    #[test]
    fn refuses_other_distributions_and_sources_without_keys() {
        let line = |suite: &str| format!("deb http://m.example/debian {suite} main\n");
        for (text, why) in [
            (line("trixie-updates"), "is not of debian-12"),
            (line("bookworm"), "the system has no trusted keys"),
            ("# nothing\n".to_owned(), "name no repository for amd64"),
            (
                "deb [signed-by=/none] http://m.example/debian bookworm main\n".to_owned(),
                "none",
            ),
        ] {
            let error = read(&[("etc/apt/sources.list", &text)]).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn one_repository_keeps_the_name() {
        let text = "deb [signed-by=/k/a.asc] http://m.example/debian stable main\n";
        let found = read(&[("etc/apt/sources.list", text), ("k/a.asc", "key")]).unwrap();
        assert_eq!(found[0].name.as_str(), "base");
        assert_eq!((found.len(), found[0].priority), (1, 500));
    }
}
