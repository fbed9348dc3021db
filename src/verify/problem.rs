//! What can be wrong with the content of an authentic bundle.

use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::bundle::changes::ChangesFormatError;
use crate::bundle::contents::ContentsError;
use crate::types::digest::Digest;

/// One thing that is wrong with a file or folder of a bundle. Paths are shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes are not those that were signed for.
    #[error("{path}: sha256 {found}, listed {expected}")]
    Altered {
        /// The file.
        path: String,
        /// Its digest in the list.
        expected: Digest,
        /// Its digest here.
        found: Digest,
    },
    /// It is shorter than it must be.
    #[error("{path}: {found} bytes, must be {expected}: it was cut off")]
    Truncated {
        /// The file.
        path: String,
        /// Its size in `bundle.json`.
        expected: u64,
        /// Its size here.
        found: u64,
    },
    /// It is longer than it must be.
    #[error("{path}: {found} bytes, must be {expected}: something was added to it")]
    Longer {
        /// The file.
        path: String,
        /// Its size in `bundle.json`.
        expected: u64,
        /// Its size here, or the point where reading stopped.
        found: u64,
    },
    /// It is listed and not here.
    #[error("{path}: listed, but not here")]
    Missing {
        /// The file.
        path: String,
    },
    /// It is here and not listed.
    #[error("{path}: here, but not listed")]
    Extra {
        /// The file.
        path: String,
    },
    /// There is more here than can be looked at.
    #[error("{path}: more files or deeper folders than any bundle has")]
    TooMany {
        /// The folder.
        path: String,
    },
    /// It is a symbolic link, has a second name, or is no file at all.
    #[error("{path}: {what}, where only plain files and folders may be")]
    NotPlain {
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// Its name is not plain ASCII.
    #[error("{path}: not listed, and a name that is not plain ASCII")]
    NotAscii {
        /// The file.
        path: String,
    },
    /// `bundle.json` is wrong, or disagrees with the list.
    #[error(transparent)]
    Contents(ContentsError),
    /// `changes.json` says something that cannot be.
    #[error(transparent)]
    Changes(ChangesFormatError),
    /// Two places hold different bundles.
    #[error("{path}: belongs to the bundle {found}, not to {expected}")]
    OtherBundle {
        /// The place.
        path: String,
        /// Label of the bundle in the first place.
        expected: String,
        /// Label of the bundle here.
        found: String,
    },
    /// Two places hold bundles of one name and number, with the same volume, and different lists.
    #[error(
        "{path}: volume {volume} of the bundle {found}, which claims the same name and number as {expected}"
    )]
    Twin {
        /// The place.
        path: String,
        /// The volume that both hold.
        volume: String,
        /// Label of the bundle in the first place.
        expected: String,
        /// Label of the bundle here.
        found: String,
    },
    /// It could not be read.
    #[error("{path}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl Problem {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Altered { .. } => "E301",
            Self::Truncated { .. } => "E302",
            Self::Longer { .. } => "E303",
            Self::Missing { .. } => "E304",
            Self::Extra { .. } | Self::TooMany { .. } => "E305",
            Self::NotPlain { .. } => "E306",
            Self::NotAscii { .. } => "E309",
            Self::Contents(error) => error.id(),
            Self::Changes(error) => error.id(),
            Self::Twin { .. } => "E313",
            Self::OtherBundle { .. } => "E314",
            Self::Unreadable { .. } => "E601",
        }
    }

    /// The file or folder that is concerned, escaped.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Altered { path, .. }
            | Self::Truncated { path, .. }
            | Self::Longer { path, .. }
            | Self::Missing { path }
            | Self::Extra { path }
            | Self::TooMany { path }
            | Self::NotPlain { path, .. }
            | Self::NotAscii { path }
            | Self::OtherBundle { path, .. }
            | Self::Twin { path, .. }
            | Self::Unreadable { path, .. } => path,
            Self::Contents(_) => crate::bundle::contents::BUNDLE_JSON,
            Self::Changes(_) => crate::bundle::places::CHANGES_JSON,
        }
    }

    /// Whether it is bytes that were lost, and nothing that somebody put there.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Altered { .. }
                | Self::Truncated { .. }
                | Self::Longer { .. }
                | Self::Missing { .. }
                | Self::Unreadable { .. }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Altered { .. }
                | Self::Truncated { .. }
                | Self::Longer { .. }
                | Self::Missing { .. } => {
                    "haversack verify says whether haversack repair mends it, or else what to carry again"
                }
                Self::Extra { .. } | Self::TooMany { .. } | Self::NotAscii { .. } => {
                    "find out who put it there; verify a copy without it"
                }
                Self::NotPlain { .. } => "copy the bundle with plain files only, such as `cp -rL`",
                Self::Contents(_) | Self::Changes(_) => "have the bundle built again with an unmodified haversack",
                Self::OtherBundle { .. } => {
                    "insert the media of one bundle only; when the label on the medium is that of this bundle, its SHA256SUMS is damaged: put the copy from another medium in its place in a copy of that folder, or leave the medium out"
                }
                Self::Twin { .. } => {
                    "compare both labels with the one that the builder gave you, and set the other medium aside"
                }
                Self::Unreadable { .. } => "clean the medium or try another drive, then run again",
            }
            .to_owned(),
        )
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Problem", 4)?;
        body.serialize_field("id", self.id())?;
        body.serialize_field("path", self.path())?;
        body.serialize_field("message", &self.to_string())?;
        body.serialize_field("next", &self.hint())?;
        body.end()
    }
}
