//! Where a staged tree goes: the folder is locked, and nothing but an earlier tree is replaced.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fs::{self, FolderLock, Kind};
use crate::stage::StageError;
use crate::stage::fleet::ANSIBLE;
use crate::types::name::Name;

/// The plan for programs; it marks a folder as a staged tree.
pub(super) const PLAN_JSON: &str = "plan.json";
/// The plan for people.
pub(super) const PLAN_TXT: &str = "PLAN.txt";
/// What to do on the hosts.
pub(super) const INSTALL_MD: &str = "INSTALL.md";
/// The folder that every later stage keeps.
pub(super) const SECRETS: &str = "secrets";
/// Layout of staged trees that this program writes and replaces.
pub(super) const STAGED: u32 = 1;
/// Longest `plan.json` of an earlier tree, in bytes.
pub(super) const MAX_PLAN: u64 = 16 * 1024 * 1024;
/// Most names at the top of a folder that may be an earlier tree: hosts, secrets and documents.
const MAX_TOP: usize = 4096;

/// What marks a `plan.json` as ours; its other keys are not read.
#[derive(Deserialize)]
pub(super) struct Mark {
    /// Layout of the tree.
    staged: u32,
    /// Its hosts, each of which has a folder.
    hosts: Vec<Name>,
}

/// The output folder, locked against other runs, and where the new tree is built.
pub(super) struct Place {
    out: PathBuf,
    parent: PathBuf,
    building: PathBuf,
    occupied: bool,
    _lock: FolderLock,
}

/// A place that is being built in.
pub(super) struct Building {
    /// The folder to build in.
    pub(super) folder: PathBuf,
    place: Place,
}

impl Place {
    /// Locks the place of the output folder, then looks at what stands there.
    ///
    /// # Errors
    /// When another run holds it, or something else than an earlier tree or an empty folder stands
    /// there.
    pub(super) fn take(out: &Path) -> Result<Self, StageError> {
        let name = out
            .file_name()
            .ok_or_else(|| occupied(out, "a folder with a name of its own is needed"))?;
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent, 0o755)?;
        // Beside the folder, so that it holds while the folder is exchanged and the old one removed.
        let lock = FolderLock::beside(out)?;
        let stands = fs::examine(out)?;
        if let Some(found) = &stands {
            if !found.is_dir() {
                return Err(occupied(out, "it is no folder"));
            }
            examine_tree(out)?;
        }
        Ok(Self {
            building: parent.join(format!(".{}.staging", name.to_string_lossy())),
            out: out.to_owned(),
            parent,
            occupied: stands.is_some(),
            _lock: lock,
        })
    }

    /// Sees to it that so many bytes can be written.
    ///
    /// # Errors
    /// When they do not fit.
    pub(super) fn require_space(&self, bytes: u64) -> Result<(), StageError> {
        // Room for the generated files and the file system's own needs.
        let needed = bytes.saturating_add(16 * 1024 * 1024);
        Ok(fs::check_room(&self.out, &self.parent, needed)?)
    }

    /// Makes the folder to build in, without what an interrupted run left there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn begin(self) -> Result<Building, StageError> {
        fs::remove_dir_all(&self.building)?;
        fs::create_dir_all(&self.building, 0o700)?;
        Ok(Building {
            folder: self.building.clone(),
            place: self,
        })
    }
}

impl Building {
    /// Puts the tree in place. Until then the earlier one stands, after it the new one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn finish(self) -> Result<(), StageError> {
        fs::sync_file_system(&self.folder)?;
        if self.place.occupied {
            fs::exchange(&self.folder, &self.place.out)?;
            fs::remove_dir_all(&self.folder)?;
        } else {
            fs::rename(&self.folder, &self.place.out)?;
        }
        Ok(())
    }
}

fn occupied(out: &Path, reason: impl Into<String>) -> StageError {
    StageError::Occupied {
        path: out.to_owned(),
        reason: reason.into(),
    }
}

/// The hosts of a staged tree, as its `plan.json` names them.
///
/// # Errors
/// When the folder is no staged tree.
pub(super) fn hosts_of(tree: &Path) -> Result<Vec<Name>, StageError> {
    let plan = tree.join(PLAN_JSON);
    if !fs::examine(&plan)?.is_some_and(|found| found.is_file()) {
        return Err(occupied(tree, "it is not empty and has no plan.json"));
    }
    let mark: Option<Mark> = serde_json::from_slice(&fs::read(&plan, MAX_PLAN)?).ok();
    mark.filter(|mark| mark.staged == STAGED)
        .map(|mark| mark.hosts)
        .ok_or_else(|| {
            let reason = format!("its plan.json does not begin with \"staged\": {STAGED}");
            occupied(tree, reason)
        })
}

/// Sees to it that the folder is empty or an earlier tree, and that replacing it loses nothing that
/// somebody put there: `secrets/` is carried over, all else at its top is ours.
fn examine_tree(out: &Path) -> Result<(), StageError> {
    let names = fs::list(out)?;
    if names.is_empty() {
        return Ok(());
    }
    if names.len() > MAX_TOP {
        return Err(occupied(out, "it holds too many names"));
    }
    let hosts = hosts_of(out)?;
    let hosts: BTreeSet<&str> = hosts.iter().map(Name::as_str).collect();
    let is_file = |path: &Path| -> Result<bool, StageError> {
        Ok(fs::examine(path)?.is_some_and(|found| found.is_file()))
    };
    for name in &names {
        let path = out.join(name);
        let is_folder = fs::examine(&path)?.is_some_and(|found| found.is_dir());
        let ours = match name.to_str() {
            Some(PLAN_JSON | PLAN_TXT | INSTALL_MD) => is_file(&path)?,
            Some(SECRETS | ANSIBLE) => is_folder,
            Some(name) => is_folder && hosts.contains(name),
            None => false,
        };
        if !ours {
            let name = name.to_string_lossy().escape_debug().to_string();
            return Err(occupied(out, format!("`{name}` is not part of one")));
        }
    }
    let secrets = out.join(SECRETS);
    if fs::examine(&secrets)?.is_some() {
        let kept = |kind| matches!(kind, Kind::File | Kind::Folder);
        if let Some(odd) = fs::walk(&secrets)?.iter().find(|one| !kept(one.kind)) {
            let name = odd.path.to_string_lossy().escape_debug().to_string();
            let reason = format!("`{SECRETS}/{name}` is neither a plain file nor a folder");
            return Err(occupied(out, reason));
        }
    }
    Ok(())
}
