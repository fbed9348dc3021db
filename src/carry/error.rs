//! Why a bundle was not carried.

use std::path::PathBuf;

use crate::archive::ustar::UnfitError;
use crate::bundle::changes::ENCODER;
use crate::fs::{WorkError, from_work};
use crate::types::count::count;
use crate::types::digest::Digest;
use crate::verify::{Problem, VerifyError};

/// Why a bundle was not carried. Nothing stands at the target.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The single file is not written the one way that is accepted.
    #[error("{}, byte {at}: {problem}", input.display())]
    Form {
        /// The single file.
        input: PathBuf,
        /// Where, in bytes from its beginning.
        at: u64,
        /// What stands there.
        problem: String,
    },
    /// The single file ends too early.
    #[error("{} ends at byte {at}, in {within}", input.display())]
    Ended {
        /// The single file.
        input: PathBuf,
        /// How many bytes there were.
        at: u64,
        /// What had begun.
        within: String,
    },
    /// What was read is no bundle that this network takes in.
    #[error(transparent)]
    Bundle(#[from] VerifyError),
    /// Nobody has signed the bundle, so that nobody could take it in.
    #[error("{} is not signed", path.display())]
    Unsigned {
        /// The bundle.
        path: PathBuf,
    },
    /// A file does not fit into a tar.
    #[error("the bundle cannot be one file")]
    Unfit(#[from] UnfitError),
    /// Volumes are missing.
    #[error("not all of the bundle is here: {}", volumes.join(", "))]
    Absent {
        /// The volumes.
        volumes: Vec<String>,
    },
    /// A drop folder holds bundles of several names.
    #[error("{} holds bundles of several names: {names}", path.display())]
    Several {
        /// The drop folder.
        path: PathBuf,
        /// The names.
        names: String,
    },
    /// A folder that shall be the base of a delta is another bundle.
    #[error("{} is the bundle {found}, and the delta builds on {wanted}", path.display())]
    Base {
        /// The folder.
        path: PathBuf,
        /// Identity of the bundle that the delta builds on.
        wanted: Digest,
        /// What was found there.
        found: String,
    },
    /// Files of the base are missing or altered.
    #[error("{} of the base missing or altered: {}", count(problems.len().try_into().unwrap_or(u64::MAX), "file"), problems.first().map_or(String::new(), ToString::to_string))]
    BaseFiles {
        /// What is wrong, in the order of the list.
        problems: Vec<Problem>,
    },
    /// A change does not make its file.
    #[error(
        "{path}: its change does not make it: {problem} (proved with {theirs}; this is {ENCODER})"
    )]
    Change {
        /// The file.
        path: String,
        /// What came instead.
        problem: String,
        /// What packed it when the builder proved the change.
        theirs: String,
    },
    /// Something stands at the target.
    #[error("{} exists", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The list of this very bundle stands at the target: an earlier run finished it. Its files are not
    /// looked at.
    #[error("{} exists, with the list of this bundle", path.display())]
    Stands {
        /// The target.
        path: PathBuf,
    },
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(CarryError);

impl CarryError {
    /// A stable id for `haversack explain`; its first digit is the exit class.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Form { .. } => "E340",
            Self::Ended { .. } => "E341",
            Self::Bundle(error) => error.id(),
            Self::Unsigned { .. } => "E292",
            Self::Unfit(_) => "E293",
            Self::Absent { .. } => "E801",
            Self::Several { .. } => "E294",
            Self::Base { .. } => "E512",
            Self::BaseFiles { problems } => {
                problems.iter().map(Problem::id).min().unwrap_or("E301")
            }
            Self::Change { .. } => "E342",
            Self::Exists { .. } | Self::Stands { .. } => "E285",
            Self::Work(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Form { .. } => {
                "send it again as `haversack stream` writes it; `haversack receive` keeps files that arrived whole for its next run"
            }
            Self::Ended { .. } => {
                "send it again; `haversack receive` keeps files that arrived whole for its next run"
            }
            Self::Bundle(error) => return error.hint(),
            Self::Unsigned { .. } => "sign it first: haversack sign BUNDLE --key KEY",
            Self::Unfit(_) => {
                "shorten the name in the manifest, or carry the bundle as a folder or on volumes"
            }
            Self::Base { .. } => {
                "name the folder of that bundle with --base, or ask for the full bundle"
            }
            Self::BaseFiles { .. } => {
                "name another copy of the base with --base, or ask for the full bundle (built without --base); what was taken over is kept"
            }
            Self::Change { .. } => {
                "ask for a delta of whole files (haversack build --base DIR --delta file), or use the haversack that built it; what arrived is kept"
            }
            Self::Several { .. } => "use a drop folder for each name, or move the others away",
            Self::Absent { .. } => "name the folders of all volumes",
            Self::Exists { .. } => "name another target, or move that away; it was left as it is",
            Self::Stands { .. } => "prove it with haversack verify; it was left as it is",
            Self::Work(error) => return error.hint(),
        };
        Some(text.to_owned())
    }
}
