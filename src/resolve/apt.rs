//! `[apt]` of a manifest, as a request for a closure.

use std::path::Path;

use super::error::{hint_of_document, id_of_document, is_expired};
use super::evidence::Keys;
use super::{Means, Options, ResolveError};
use crate::event::Event;
use crate::fs;
use crate::lock::Repository;
use crate::manifest::{Apt, Base, Manifest, Origin, Recommends};
use crate::sources::apt::{self, AptError, ExpiredIndex, RepositorySpec, Request, Wanted};

/// Largest dpkg status file, in bytes.
const MAX_STATUS: u64 = 64 << 20;

/// The repositories of a manifest with the closure of what it wants.
pub(super) fn resolve(
    manifest: &Manifest,
    wish: &Apt,
    keys: &Keys,
    options: &Options,
    means: &Means<'_>,
) -> Result<Vec<Repository>, ResolveError> {
    let request = request(manifest, wish, keys, options, means)?;
    if let Some(reason) = &wish.accept_expired {
        let text = format!("expired indexes are accepted: {reason}");
        let id = "W702";
        means.observer.on(&Event::Warning { id, text: &text });
    }
    let resolved = apt::resolve(
        &request,
        means.web,
        means.store,
        means.observer,
        means.cancel,
    )?;
    for note in &resolved.notes {
        means.observer.on(&Event::Note { text: note });
    }
    Ok(resolved.repositories)
}

/// What is asked of the repositories.
pub(super) fn request(
    manifest: &Manifest,
    wish: &Apt,
    keys: &Keys,
    options: &Options,
    means: &Means<'_>,
) -> Result<Request, ResolveError> {
    Ok(Request {
        repositories: repositories(manifest, wish, keys, &options.system_root)?,
        arch: manifest.target.arch,
        wanted: wish
            .packages
            .iter()
            .map(|packages| Wanted {
                component: packages.component.clone(),
                packages: packages.install.clone(),
            })
            .collect(),
        recommends: wish.recommends == Recommends::Include,
        base: match &wish.base {
            Base::Nothing => apt::Base::Nothing,
            Base::Essential => apt::Base::Essential,
            Base::Status(path) => {
                apt::Base::Status(fs::read(&means.folder.join(path), MAX_STATUS)?)
            }
        },
        now: options.now,
        expired: match &wish.accept_expired {
            None => ExpiredIndex::Refuse,
            Some(_) => ExpiredIndex::Accept,
        },
        seen: means.earlier.seen(),
    })
}

/// A wish for nothing.
pub(super) const fn no_repositories() -> Apt {
    Apt {
        base: Base::Nothing,
        recommends: Recommends::Skip,
        accept_expired: None,
        repositories: Vec::new(),
        packages: Vec::new(),
    }
}

fn repositories(
    manifest: &Manifest,
    wish: &Apt,
    keys: &Keys,
    system_root: &Path,
) -> Result<Vec<RepositorySpec>, ResolveError> {
    let mut all = Vec::new();
    for repository in &wish.repositories {
        let priority = repository.priority;
        match &repository.origin {
            Origin::System => {
                let mut found =
                    apt::system::repositories(system_root, &repository.name, manifest.target)?;
                for spec in &mut found {
                    spec.priority = priority.unwrap_or(spec.priority);
                }
                all.append(&mut found);
            }
            Origin::Stated {
                uri,
                suites,
                components,
                key,
            } => {
                let key = keys.get(key)?;
                all.push(RepositorySpec {
                    name: repository.name.clone(),
                    uri: uri.clone(),
                    suites: suites.clone(),
                    components: components.clone(),
                    keyring: key.bytes.clone(),
                    keyring_url: key.file.url.clone(),
                    pinned: key.pinned.clone(),
                    priority: priority.unwrap_or(RepositorySpec::DEFAULT_PRIORITY),
                });
            }
        }
    }
    Ok(all)
}

/// `E414` an index is not proven, `E415` it has run out, `E416` it is of another suite,
/// `E417` it is older than one seen before, `E220` packages cannot be had, `E221` the
/// sources of this system do not fit, `E710` a repository contradicts itself.
pub(super) fn id(error: &AptError) -> &'static str {
    match error {
        AptError::Document(error) => id_of_document(error),
        AptError::Store(_) | AptError::File(_) => "E601",
        AptError::Cancelled(_) => "E130",
        AptError::NoRelease { .. } | AptError::Missing { .. } => "E706",
        AptError::Signature { source, .. } if is_expired(source) => "E407",
        AptError::Signature { .. } => "E414",
        AptError::Expired { .. } => "E415",
        AptError::OtherSuite { .. } => "E416",
        AptError::Older { .. } => "E417",
        AptError::Unknown { .. } | AptError::Unsatisfiable { .. } => "E220",
        AptError::System(_) | AptError::Url { .. } => "E221",
        AptError::Path { .. } => "E310",
        _ => "E710",
    }
}

pub(super) fn hint(error: &AptError) -> Option<String> {
    let text = match error {
        AptError::Older { repository, .. } => {
            return Some(format!(
                "somebody may be keeping you on an old state: use a mirror that is up to date; when the publisher did go back, run `haversack lock MANIFEST --update {repository}`"
            ));
        }
        AptError::OtherSuite { .. } => {
            "the mirror answers with the index of another suite: correct the suite in the manifest, or use another mirror"
        }
        AptError::Document(error) => return hint_of_document(error),
        AptError::NoRelease { .. } | AptError::NoPackages { .. } => {
            "check uri, suites and components of the repository in the manifest"
        }
        AptError::Signature { .. } => {
            "compare the key with the one that the repository's publisher announces; publishers renew and replace keys"
        }
        AptError::Expired { .. } => {
            "use a mirror that is up to date; for an archive that is not updated any more, state accept-expired = \"why\" in [apt]"
        }
        AptError::Missing { .. } | AptError::Mismatch { .. } => {
            "the mirror is being updated or is damaged: run the same command again in some minutes, or use another mirror"
        }
        AptError::Unknown { .. } => {
            "check the name of the package, and that the repository that has it is in the manifest"
        }
        AptError::Unsatisfiable { .. } => {
            "add the repository that has what is missing, or ask for other packages"
        }
        AptError::System(_) | AptError::Syntax { .. } | AptError::Url { .. } => {
            "correct the apt sources of this machine, or state the repository in the manifest in place of from = \"system\""
        }
        _ => return None,
    };
    Some(text.to_owned())
}
