//! Which versions of a package a repository has.

use std::collections::BTreeSet;

use super::error::AptError;
use super::{Request, index, keyring_of, packages};
use crate::event::{Cancel, Observer};
use crate::sources::documents::Documents;
use crate::store::Store;

/// The versions of `package` in the repositories of `request`, as dpkg writes them, sorted as text:
/// from signed indexes only, as [`resolve`](super::resolve) reads them.
///
/// # Errors
/// When an index cannot be had or is not proven.
pub fn versions(
    request: &Request,
    package: &str,
    documents: &dyn Documents,
    store: &Store,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<BTreeSet<String>, AptError> {
    let context = index::Context {
        request,
        documents,
        store,
        observer,
        cancel,
    };
    let mut found = BTreeSet::new();
    for repository in &request.repositories {
        let keyring = keyring_of(repository)?;
        for suite in &repository.suites {
            let index = index::fetch(&context, repository, &keyring, suite)?;
            for (url, text) in &index.lists {
                cancel.check()?;
                let records = packages::parse(text).map_err(|source| AptError::Syntax {
                    place: url.to_string(),
                    source,
                })?;
                let named = records.iter().filter(|record| record.name == package);
                found.extend(named.map(|record| record.version.to_owned()));
            }
        }
    }
    Ok(found)
}

/// The upstream part of a package version: without epoch and Debian revision (Debian policy §5.6.12).
#[must_use]
pub fn upstream_part(version: &str) -> &str {
    let rest = version.split_once(':').map_or(version, |(_, rest)| rest);
    rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_epoch_and_revision_away() {
        for (version, upstream) in [
            ("17.11-1.pgdg13+2", "17.11"),
            ("1.30.5-1~trixie", "1.30.5"),
            ("11.10.1-0", "11.10.1"),
            ("1:2.0-rc1-3", "2.0-rc1"),
            ("7", "7"),
        ] {
            assert_eq!(upstream_part(version), upstream, "{version}");
        }
    }
}
