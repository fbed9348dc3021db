//! `[apt]` of a manifest, as a request for a closure.

use std::path::Path;

use super::evidence::Keys;
use super::{Means, Options, ResolveError};
use crate::event::Event;
use crate::fs;
use crate::lock::Repository;
use crate::manifest::{Apt, Base, Manifest, Origin, Recommends};
use crate::sources::apt::{self, ExpiredIndex, RepositorySpec, Request, Wanted};

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
