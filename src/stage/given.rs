//! Secrets that the operator brings: a folder of files, each named as its secret.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::fs;
use crate::stage::secrets::SecretError;
use crate::types::secret::Secret;

/// Every secret that may be given, with what it is.
const NAMES: &[(&str, &str)] = &[
    (
        "at-rest-encrypt-key",
        "key of encrypted values in the database",
    ),
    ("db-password", "password of the database user"),
    (
        "db-scram-salt",
        "salt of the verifier of the database password",
    ),
    ("ldap-bind-password", "password of the directory user"),
    ("license", "licence of Mattermost"),
    (
        "minio-root-password",
        "password of the root account of MinIO",
    ),
    ("minio-root-user", "name of the root account of MinIO"),
    ("public-link-salt", "salt of public links"),
    ("replication-password", "password of the replicas"),
    (
        "replication-scram-salt",
        "salt of the verifier of the replicas' password",
    ),
    ("s3-access-key", "access key of the bucket"),
    ("s3-secret-key", "secret key of the bucket"),
    ("smtp-password", "password of the mail user"),
];
/// Most files in the folder.
const MAX_FILES: usize = 64;
/// Longest secret file, in bytes: a licence has some thousand.
pub(super) const MAX_FILE: u64 = 64 * 1024;

/// What the secret `name` is; none for a name that no secret has.
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, what)| *what)
}

/// The secrets in `folder`, by name. What each must look like is checked where it is used.
///
/// # Errors
/// When the folder holds anything but plain files that are named as a secret, only their owner can
/// read, and hold text.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<&'static str, Secret>, SecretError> {
    let names = fs::list(folder)?;
    if names.len() > MAX_FILES {
        return Err(SecretError::Folder {
            path: folder.to_owned(),
            problem: format!("holds more than {MAX_FILES} files"),
        });
    }
    let mut given = BTreeMap::new();
    for file in names {
        let path = folder.join(&file);
        let refuse = |problem: String| SecretError::Folder {
            path: path.clone(),
            problem,
        };
        let known = file
            .to_str()
            .and_then(|file| NAMES.iter().find(|(name, _)| *name == file));
        let Some((name, _)) = known else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(refuse(format!(
                "is no secret that is known; their names are {}",
                names.join(", ")
            )));
        };
        let found = fs::examine(&path)?.ok_or_else(|| refuse("is gone".to_owned()))?;
        if !found.is_file() {
            return Err(refuse("is no plain file".to_owned()));
        }
        if found.permissions().mode() & 0o077 != 0 {
            return Err(refuse(format!(
                "can be read by others (mode {:o}); run: chmod 600 {}",
                found.permissions().mode() & 0o777,
                path.display()
            )));
        }
        given.insert(*name, text(&path)?);
    }
    Ok(given)
}

/// The text of a secret file, without the line break at its end.
///
/// # Errors
/// When it cannot be read or is no text.
pub(super) fn text(path: &Path) -> Result<Secret, SecretError> {
    let bytes = fs::read(path, MAX_FILE)?;
    let text = String::from_utf8(bytes).map_err(|_| SecretError::Folder {
        path: path.to_owned(),
        problem: "is not text".to_owned(),
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, mode) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    #[test]
    fn files_named_as_a_secret_are_read_without_their_line_break() {
        let folder = folder(&[("smtp-password", "a b'c\n", 0o600)]);
        let given = read(folder.path()).unwrap();
        let found: Vec<_> = given
            .iter()
            .map(|(name, secret)| (*name, secret.reveal()))
            .collect();
        assert_eq!(found, [("smtp-password", "a b'c")]);
    }

    #[test]
    fn other_names_and_files_that_others_can_read_are_refused_without_repeating_them() {
        for (name, mode, why) in [
            ("smtp-pasword", 0o600, "is no secret that is known"),
            ("smtp-password", 0o644, "can be read by others (mode 644)"),
        ] {
            let folder = folder(&[(name, "hush-hush", mode)]);
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("hush-hush"), "{error}");
        }
        let folder = folder(&[]);
        std::fs::create_dir(folder.path().join("license")).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("license is no plain file"), "{error}");
    }
}
