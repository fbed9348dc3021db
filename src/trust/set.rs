//! A trust set with a version: who is trusted changes only by those who are trusted now.
//!
//! A trust directory may be *sealed*: `TRUST.sha256` lists its files and gives it a version, in a form
//! that `sha256sum -c TRUST.sha256` checks.
//! ```text
//! # haversack-trust 1
//! # version 2
//! 9f2c…  alice.pem
//! 41d0…  policy.toml
//! ```
//! The next version is a folder of plain files too, with its own list and `sig/<keyid>.sig` over that list,
//! as for a bundle (`openssl dgst -sha384 -verify`). It takes the place of the current one only when
//!
//! - its version is the current one plus 1 (a directory that was never sealed has the version 0), and
//! - keys of the *current* set signed its list: as many as the current threshold asks for, with the
//!   current required roles, and none of them revoked.
//!
//! No clock plays a part: a set never expires. The replaced set is kept in `history/<version>/`, and
//! `updates.log` says what happened when. This is the root rule of The Update Framework (specification
//! 1.0, §5.3), with files that people can read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fs::{self, FolderLock, LockError, PathError};
use crate::trust::directory::{Trust, TrustError};
use crate::trust::judge::{Judgement, Refusal, SignatureFile, Signer, judge};
use crate::trust::key::{KeyId, SignatureError, SigningKey};
use crate::trust::policy::Revoked;
use crate::types::digest::Digest;

/// Name of the list of a sealed set.
pub const LIST: &str = "TRUST.sha256";
/// Longest list, and longest file of a set, in bytes.
const MAX_FILE: u64 = 256 * 1024;
/// Most files of a set.
const MAX_FILES: usize = 256;
/// Longest log of updates, in bytes.
const MAX_LOG: u64 = 4 * 1024 * 1024;
/// First line of a list.
const FIRST: &str = "# haversack-trust 1";
/// Highest version.
const MAX_VERSION: u32 = 999_999;

/// The list of a sealed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedList {
    /// Its version.
    pub version: u32,
    /// Its files.
    pub files: BTreeMap<String, Digest>,
}

/// What an update did.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Updated {
    /// When, as the caller says.
    pub time: String,
    /// The version before.
    pub from: u32,
    /// The version now.
    pub to: u32,
    /// SHA-256 of the new list.
    pub list: Digest,
    /// Whose signatures carried it.
    pub signers: Vec<Signer>,
}

/// Why a set was not sealed, signed or taken over. The current one was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The file system refused.
    #[error("the trust directory cannot be read or written")]
    Io(#[from] PathError),
    /// Another run works on it.
    #[error("the trust directory is in use")]
    Lock(#[source] LockError),
    /// It cannot be used as a trust directory.
    #[error("the trust directory cannot be used")]
    Trust(#[from] TrustError),
    /// The list is malformed.
    #[error("{}: {reason}", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It has no list yet.
    #[error("the trust directory {} is not sealed", .0.display())]
    Unsealed(PathBuf),
    /// It is not signed by whom the current set trusts.
    #[error("the new trust set is not signed by the keys of the current one")]
    Refused(#[from] Refusal),
    /// It is not the next version.
    #[error("version {offered} is offered; version {have} is current, so that only version {} can follow", have.saturating_add(1))]
    Version {
        /// The current version.
        have: u32,
        /// The offered one.
        offered: u32,
    },
    /// A key that the current set revokes would count again.
    #[error("the new trust set no longer revokes a key that the current one does ({0})")]
    Unrevoked(Revoked),
    /// The signature could not be made.
    #[error("the list cannot be signed")]
    Signature(#[from] SignatureError),
}

impl From<LockError> for SetError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Lock(held),
        }
    }
}

impl SetError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Trust(error) => error.id(),
            Self::List { .. } | Self::Unsealed(_) => "E298",
            Self::Refused(refusal) => refusal.id(),
            Self::Version { .. } => "E513",
            Self::Unrevoked(_) => "E514",
            Self::Signature(_) => "E402",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Trust(error) => error.hint(),
            Self::Lock(_) | Self::Signature(_) => None,
            Self::List { .. } => Some(
                "seal the set again with `haversack trust seal`, and have it signed again"
                    .to_owned(),
            ),
            Self::Unsealed(dir) => Some(format!(
                "seal it first, then have holders of current keys sign it: haversack trust seal {} --version N",
                dir.display()
            )),
            Self::Refused(_) => Some(
                "have holders of current keys sign it: haversack trust sign NEW --key K".to_owned(),
            ),
            Self::Unrevoked(_) => Some(
                "keep each [[revoked]] entry of the current set in the new one, seal it and have it signed again; a key that is needed again is made anew"
                    .to_owned(),
            ),
            Self::Version { .. } => Some(
                "take over the versions one after the other; each is signed by the one before"
                    .to_owned(),
            ),
        }
    }
}

/// Whether a file of this name belongs to a set.
#[must_use]
pub fn belongs(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".pem", ".crt", ".toml"].iter().any(|ending| {
        lower
            .strip_suffix(ending)
            .is_some_and(|stem| !stem.is_empty())
    })
}

impl SealedList {
    /// Reads a list. Only the one text of it is read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(FIRST) {
            return Err(format!("the first line must be `{FIRST}`"));
        }
        let version = lines
            .next()
            .and_then(|line| line.strip_prefix("# version "));
        let version = version
            .and_then(|digits| digits.parse::<u32>().ok())
            .filter(|version| (1..=MAX_VERSION).contains(version))
            .ok_or("the second line must be `# version N`")?;
        let mut files = BTreeMap::new();
        for line in lines {
            let (digest, name) = line
                .split_once("  ")
                .ok_or("a line must be a SHA-256, two spaces, and a name")?;
            let digest: Digest = digest.parse().map_err(|_| "a line has no SHA-256")?;
            if !belongs(name) || name.contains('/') {
                return Err(format!("{} does not belong in a set", name.escape_debug()));
            }
            files.insert(name.to_owned(), digest);
        }
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(format!(
                "{} files; 1 to {MAX_FILES} are allowed",
                files.len()
            ));
        }
        let list = Self { version, files };
        if list.render() == text {
            Ok(list)
        } else {
            Err("it is not written the one way that is read (sorted, no repetition)".to_owned())
        }
    }

    /// The text of the list.
    #[must_use]
    pub fn render(&self) -> String {
        let lines = self
            .files
            .iter()
            .map(|(name, digest)| format!("{digest}  {name}\n"));
        format!(
            "{FIRST}\n# version {}\n{}",
            self.version,
            lines.collect::<String>()
        )
    }
}

/// Seals the directory `dir` as this version: writes its list. It must be a trust directory that can
/// be used. Signatures over an earlier list are taken away.
///
/// # Errors
/// When it cannot be used, or written.
pub fn seal(dir: &Path, version: u32) -> Result<(SealedList, Digest), SetError> {
    let path = dir.join(LIST);
    if !(1..=MAX_VERSION).contains(&version) {
        return Err(SetError::List {
            path,
            reason: format!("a version is a number from 1 to {MAX_VERSION}"),
        });
    }
    fs::remove_file(&path)?;
    fs::remove_dir_all(&dir.join("sig"))?;
    let _ = Trust::load(dir)?;
    let list = SealedList {
        version,
        files: files_of(dir)?
            .into_iter()
            .map(|(name, bytes)| (name, Digest::of(&bytes)))
            .collect(),
    };
    let text = list.render();
    fs::write_atomic(&path, text.as_bytes(), 0o644)?;
    Ok((list, Digest::of(text.as_bytes())))
}

/// Signs the list of a sealed set: writes `sig/<keyid>.sig`.
///
/// # Errors
/// When it is not sealed, or its files are not what the list says.
pub fn sign(dir: &Path, key: &SigningKey) -> Result<(PathBuf, KeyId), SetError> {
    let (text, list) = read_list(dir)?;
    hold(dir, &list)?;
    let id = key.verifying_key().key_id();
    let folder = dir.join("sig");
    fs::create_dir_all(&folder, 0o755)?;
    let path = folder.join(format!("{id}.sig"));
    fs::write_atomic(&path, &key.sign(text.as_bytes())?, 0o644)?;
    Ok((path, id))
}

/// Puts the set in `new` in the place of the one in `current`, when the current one's keys signed it and
/// it is the next version. The folder is exchanged in one step.
///
/// # Errors
/// When it may not, or the file system refuses. The current set stays as it is then.
pub fn update(current: &Path, new: &Path, time: &str) -> Result<Updated, SetError> {
    // The folder may be named by a link; what it leads to is exchanged.
    let current = &fs::real_path(current)?;
    let _lock = FolderLock::beside(current)?;
    let mut hidden = OsString::from(".");
    hidden.push(current.file_name().unwrap_or_default());
    hidden.push(".new");
    let beside = current.with_file_name(hidden);
    // Of a run that was killed: the next set, or, after the exchange, the one before; that is in history/.
    fs::remove_dir_all(&beside)?;
    let old = Trust::load(current)?;
    let (text, list) = read_list_raw(new)?;
    // Who says so comes before what is said.
    let Judgement { signers, .. } = judge(&old, text.as_bytes(), &signatures(new)?)?;
    let list = list.map_err(|reason| SetError::List {
        path: new.join(LIST),
        reason,
    })?;
    if Some(list.version) != old.version().checked_add(1) {
        return Err(SetError::Version {
            have: old.version(),
            offered: list.version,
        });
    }
    let files = hold(new, &list)?;
    let done = Updated {
        time: time.to_owned(),
        from: old.version(),
        to: list.version,
        list: Digest::of(text.as_bytes()),
        signers,
    };
    fs::create_dir_all(&beside, 0o755)?;
    write_set(&beside, &text, &files, &signatures(new)?)?;
    keep_history(current, &beside, old.version())?;
    let mut log = read_optional(&current.join("updates.log"), MAX_LOG)?;
    let line = serde_json::to_string(&done).map_err(|error| SetError::List {
        path: current.join("updates.log"),
        reason: error.to_string(),
    })?;
    log.extend(line.as_bytes());
    log.push(b'\n');
    fs::write_atomic(&beside.join("updates.log"), &log, 0o644)?;
    // What will be trusted from now on can be used, and no key counts again.
    let next = Trust::load(&beside)?;
    let mut revoked = old.policy().revoked.iter();
    let back = revoked.find(|one| !next.policy().revoked.iter().any(|other| other.covers(one)));
    if let Some(back) = back {
        let back = back.clone();
        fs::remove_dir_all(&beside)?;
        return Err(SetError::Unrevoked(back));
    }
    fs::sync_folder(&beside)?;
    fs::exchange(&beside, current)?;
    fs::remove_dir_all(&beside)?;
    Ok(done)
}

/// The list of a sealed directory; `None` when it is not sealed.
pub(crate) fn sealed(dir: &Path) -> Result<Option<(String, SealedList)>, SetError> {
    if fs::examine(&dir.join(LIST))?.is_none() {
        return Ok(None);
    }
    read_list(dir).map(Some)
}

fn read_list_raw(dir: &Path) -> Result<(String, Result<SealedList, String>), SetError> {
    let path = dir.join(LIST);
    if fs::examine(&path)?.is_none() && fs::examine(dir)?.is_some() {
        return Err(SetError::Unsealed(dir.to_owned()));
    }
    let text = String::from_utf8(fs::read(&path, MAX_FILE)?);
    let text = text.map_err(|_| SetError::List {
        path,
        reason: "it is no text".to_owned(),
    })?;
    let list = SealedList::parse(&text);
    Ok((text, list))
}

fn read_list(dir: &Path) -> Result<(String, SealedList), SetError> {
    let (text, list) = read_list_raw(dir)?;
    let list = list.map_err(|reason| SetError::List {
        path: dir.join(LIST),
        reason,
    })?;
    Ok((text, list))
}

/// The files of a set that lie in a directory, with their bytes.
fn files_of(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, SetError> {
    let mut found = BTreeMap::new();
    for name in fs::list(dir)? {
        let Some(name) = name.to_str().filter(|name| belongs(name)) else {
            continue;
        };
        if found.len() >= MAX_FILES {
            return Err(SetError::List {
                path: dir.to_owned(),
                reason: format!("more than {MAX_FILES} files"),
            });
        }
        found.insert(name.to_owned(), fs::read(&dir.join(name), MAX_FILE)?);
    }
    Ok(found)
}

/// The files of a set, each with the bytes that the list states, and none besides.
pub(crate) fn hold(dir: &Path, list: &SealedList) -> Result<BTreeMap<String, Vec<u8>>, SetError> {
    let files = files_of(dir)?;
    let wrong = |reason: String| SetError::List {
        path: dir.join(LIST),
        reason,
    };
    for (name, expected) in &list.files {
        match files.get(name) {
            None => return Err(wrong(format!("{name} is listed, but not there"))),
            Some(bytes) if Digest::of(bytes) != *expected => {
                return Err(wrong(format!("{name} is not what the list says")));
            }
            Some(_) => {}
        }
    }
    if let Some(name) = files.keys().find(|name| !list.files.contains_key(*name)) {
        return Err(wrong(format!(
            "{} is there, but not listed",
            name.escape_debug()
        )));
    }
    Ok(files)
}

fn signatures(dir: &Path) -> Result<Vec<SignatureFile>, SetError> {
    let folder = dir.join("sig");
    if fs::examine(&folder)?.is_none() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in fs::list(&folder)?.into_iter().take(MAX_FILES) {
        let Some(name) = name
            .to_str()
            .filter(|name| name.strip_suffix(".sig").is_some())
        else {
            continue;
        };
        found.push(SignatureFile {
            name: name.to_owned(),
            bytes: fs::read(&folder.join(name), MAX_FILE)?,
        });
    }
    Ok(found)
}

fn write_set(
    to: &Path,
    list: &str,
    files: &BTreeMap<String, Vec<u8>>,
    signatures: &[SignatureFile],
) -> Result<(), SetError> {
    for (name, bytes) in files {
        fs::write_atomic(&to.join(name), bytes, 0o644)?;
    }
    fs::write_atomic(&to.join(LIST), list.as_bytes(), 0o644)?;
    fs::create_dir_all(&to.join("sig"), 0o755)?;
    for file in signatures {
        fs::write_atomic(&to.join("sig").join(&file.name), &file.bytes, 0o644)?;
    }
    Ok(())
}

/// Copies the history of the current set, and the set itself, into the history of the next one.
fn keep_history(current: &Path, next: &Path, version: u32) -> Result<(), SetError> {
    let old = current.join("history");
    if fs::examine(&old)?.is_some() {
        for name in fs::list(&old)? {
            copy_folder(&old.join(&name), &next.join("history").join(&name))?;
        }
    }
    let kept = next.join("history").join(version.to_string());
    copy_folder(current, &kept)?;
    let signatures = current.join("sig");
    if fs::examine(&signatures)?.is_some() {
        copy_folder(&signatures, &kept.join("sig"))?;
    }
    Ok(())
}

/// Copies the plain files of a folder, and of a folder `sig` in it.
fn copy_folder(from: &Path, to: &Path) -> Result<(), SetError> {
    fs::create_dir_all(to, 0o755)?;
    for name in fs::list(from)? {
        let source = from.join(&name);
        let Some(found) = fs::examine(&source)? else {
            continue;
        };
        if found.is_dir() && name == "sig" {
            copy_folder(&source, &to.join(&name))?;
        } else if found.is_file() && name != "updates.log" {
            fs::write_atomic(&to.join(&name), &fs::read(&source, MAX_LOG)?, 0o644)?;
        }
    }
    Ok(())
}

fn read_optional(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    if fs::examine(path)?.is_none() {
        return Ok(Vec::new());
    }
    fs::read(path, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_text() {
        let list = SealedList {
            version: 2,
            files: BTreeMap::from([
                ("a.pem".to_owned(), Digest::of(b"a")),
                ("policy.toml".to_owned(), Digest::of(b"p")),
            ]),
        };
        let text = list.render();
        assert_eq!(SealedList::parse(&text), Ok(list));
        let (a, p) = (Digest::of(b"a"), Digest::of(b"p"));
        for bad in [
            "",
            "# haversack-bundle 1\n# version 2\n",
            "# haversack-trust 1\n# version 2\n",
            &format!("# haversack-trust 1\n# version 0\n{a}  a.pem\n"),
            &format!("# haversack-trust 1\n# version 02\n{a}  a.pem\n"),
            &format!("# haversack-trust 1\n# version 2\n{a}  a.pem"),
            &format!("# haversack-trust 1\n# version 2\n{p}  policy.toml\n{a}  a.pem\n"),
            &format!("# haversack-trust 1\n# version 2\n{a}  a.pem\n{a}  a.pem\n"),
            &format!("# haversack-trust 1\n# version 2\n{a}  ../a.pem\n"),
            &format!("# haversack-trust 1\n# version 2\n{a}  run.sh\n"),
        ] {
            assert!(SealedList::parse(bad).is_err(), "{bad}");
        }
    }
}
