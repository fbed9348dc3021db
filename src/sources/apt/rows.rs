//! The closure as rows of the lock.

use super::RepositorySpec;
use super::error::AptError;
use super::index::Context;
use super::packages::Record;
use super::solve::Chosen;
use crate::lock::{LockedFile, Package, Repository, Suite};

/// The repositories with their indexes and packages, sorted.
pub(super) fn rows(
    context: &Context<'_>,
    suites: Vec<(usize, Suite)>,
    chosen: Vec<Chosen<'_>>,
) -> Result<Vec<Repository>, AptError> {
    let mut rows = Vec::new();
    for repository in &context.request.repositories {
        rows.push(Repository {
            name: repository.name.clone(),
            uri: repository.uri.clone(),
            keyring: keyring(context, repository)?,
            pinned: repository.pinned.clone(),
            suites: Vec::new(),
            packages: Vec::new(),
        });
    }
    for (at, suite) in suites {
        if let Some(row) = rows.get_mut(at) {
            row.suites.push(suite);
        }
    }
    for one in chosen {
        let repository = context.request.repositories.get(one.repository);
        if let (Some(repository), Some(row)) = (repository, rows.get_mut(one.repository)) {
            row.packages.push(package(repository, one)?);
        }
    }
    for row in &mut rows {
        row.suites.sort_by(|a, b| a.suite.cmp(&b.suite));
        row.packages.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn keyring(context: &Context<'_>, repository: &RepositorySpec) -> Result<LockedFile, AptError> {
    // What travels is what apt on the isolated host will trust: never more than what is pinned.
    let bytes = if repository.pinned.is_empty() {
        repository.keyring.clone()
    } else {
        super::keyring_of(repository)?.to_binary()
    };
    // apt tells the two forms apart by the ending (sources.list(5), Signed-By).
    let armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN");
    let ending = if armored { "asc" } else { "gpg" };
    let path = format!("evidence/keys/{}.{ending}", repository.name);
    Ok(LockedFile {
        path: path.parse().map_err(|source| AptError::Path {
            repository: repository.name.to_string(),
            name: path.clone(),
            source,
        })?,
        url: repository.keyring_url.clone(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: context.store.put(&bytes)?,
    })
}

fn package(repository: &RepositorySpec, chosen: Chosen<'_>) -> Result<Package, AptError> {
    let record: Record<'_> = chosen.record;
    let incomplete = |field| AptError::Incomplete {
        repository: repository.name.to_string(),
        package: format!("{} ({})", record.name, record.version),
        field,
    };
    let path = repository.path(record.filename)?;
    let url = repository
        .uri
        .join(record.filename)
        .map_err(|source| AptError::Url {
            place: format!("Filename of {} ({})", record.name, record.version),
            source,
        })?;
    Ok(Package {
        name: record.name.to_owned(),
        version: record.version.to_owned(),
        arch: record.arch.to_owned(),
        file: LockedFile {
            path,
            url,
            size: record.size.parse().map_err(|_| incomplete("Size"))?,
            sha256: record.sha256.parse().map_err(|_| incomplete("SHA256"))?,
        },
        needed_by: chosen.needed_by.into_iter().collect(),
        because: chosen.because,
    })
}
