//! Where uploaded files go: the bucket, or the folder.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::config::Config;
use crate::s3::Bucket;
use crate::sigv4::hex;

/// Where files go.
pub(crate) enum Files {
    Bucket(Bucket),
    Folder(String),
}

impl Files {
    /// The place that the configuration names.
    ///
    /// # Errors
    /// When it is none that the stand-in knows, or a setting is missing.
    pub(crate) fn open(config: &Config) -> Result<Self, Failure> {
        match config.text("FileSettings", "DriverName").as_str() {
            "amazons3" => Ok(Self::Bucket(Bucket::open(config)?)),
            "local" => Ok(Self::Folder(config.text("FileSettings", "Directory"))),
            other => Err(format!("FileSettings.DriverName is {other:?}").into()),
        }
    }

    /// Writes something and reads it back.
    ///
    /// # Errors
    /// When one of the two fails.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Bucket(bucket) => bucket.check(),
            Self::Folder(folder) => writable(Path::new(folder)),
        }
    }

    /// Keeps a file and returns the name that it can be had by.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, content: &[u8]) -> Result<String, Failure> {
        let id = unique()?;
        match self {
            Self::Bucket(bucket) => bucket.put(&format!("uploads/{id}"), content)?,
            Self::Folder(folder) => {
                let path = upload(folder, &id);
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new(folder)))?;
                std::fs::write(&path, content)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        Ok(id)
    }

    /// A file that some server of the deployment kept.
    ///
    /// # Errors
    /// When the name is none of ours, or it cannot be read.
    pub(crate) fn get(&self, id: &str) -> Result<Vec<u8>, Failure> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("no such file".into());
        }
        match self {
            Self::Bucket(bucket) => bucket.get(&format!("uploads/{id}")),
            Self::Folder(folder) => {
                let path = upload(folder, id);
                std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
            }
        }
    }
}

fn upload(folder: &str, id: &str) -> PathBuf {
    Path::new(folder).join("uploads").join(id)
}

/// Whether files can be made in a folder.
///
/// # Errors
/// When they cannot.
pub(crate) fn writable(folder: &Path) -> Result<(), Failure> {
    // All servers of a shared folder check at once.
    let file = folder.join(format!(".stand-in-test-{}", unique()?));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, b"stand-in"))
        .and_then(|()| std::fs::remove_file(&file))
        .map_err(|error| format!("{} cannot be written: {error}", folder.display()).into())
}

/// A name that nobody else has: 26 hex digits.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn unique() -> Result<String, Failure> {
    let mut random = [0_u8; 13];
    getrandom::fill(&mut random).map_err(|error| format!("no randomness: {error}"))?;
    Ok(hex(&random))
}
