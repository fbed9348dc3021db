//! An rpm repository as a list of versions of an artifact.

use super::error::{ResolveError, hint_of_document, id_of_document, is_expired};
use super::evidence::Keys;
use super::{Means, Options};
use crate::manifest::VersionWish;
use crate::sources::rpm::{self, Question, RpmError};
use crate::types::name::Name;
use crate::types::scheme::Scheme;
use crate::types::url::SafeUrl;

/// The versions that a repository has of a package, as upstream writes them.
pub(super) fn versions(
    wish: &VersionWish,
    (root, package, key): (&SafeUrl, &str, Option<&Name>),
    keys: &Keys,
    means: &Means<'_>,
    options: &Options,
) -> Result<Vec<String>, ResolveError> {
    let key = key.map(|key| keys.get(key)).transpose()?;
    let question = Question {
        root,
        package,
        arch: wish.arch(),
        signed_by: key.map(|key| (&key.keyring, options.now)),
    };
    let found = rpm::versions(
        &question,
        means.web,
        means.store,
        means.observer,
        means.cancel,
    )?;
    let scheme = wish.requirement.scheme();
    Ok(found.iter().map(|one| upstream(one, scheme)).collect())
}

/// A version in the notation of its publisher: packages write a pre-release `1.2.0~rc1`, since `-` may
/// not be in a version of rpm.
fn upstream(version: &str, scheme: Scheme) -> String {
    match scheme {
        Scheme::Semver => version.replacen('~', "-", 1),
        Scheme::Postgresql => version.replacen('~', "", 1),
        Scheme::Minio => version.to_owned(),
    }
}

impl From<RpmError> for ResolveError {
    fn from(error: RpmError) -> Self {
        match error {
            RpmError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Rpm(Box::new(error)),
        }
    }
}

/// `E222` its packing is not read, `E407` and `E414` the index is not proven, `E706` a document is not
/// there, `E710` the repository contradicts itself.
pub(super) fn id(error: &RpmError) -> &'static str {
    match error {
        RpmError::Document(error) => id_of_document(error),
        RpmError::Store(_) => "E601",
        RpmError::Cancelled(_) => "E130",
        RpmError::NoIndex { .. } | RpmError::NoSignature { .. } | RpmError::Missing { .. } => {
            "E706"
        }
        RpmError::Signature { source, .. } if is_expired(source) => "E407",
        RpmError::Signature { .. } => "E414",
        RpmError::Packing { .. } => "E222",
        _ => "E710",
    }
}

/// The next step.
pub(super) fn hint(error: &RpmError) -> Option<String> {
    let text = match error {
        RpmError::Document(error) => return hint_of_document(error),
        RpmError::NoIndex { .. } => {
            "`rpm` in the manifest must be the folder that holds repodata/, with release and architecture filled in, as in baseurl of the .repo file"
        }
        RpmError::NoSignature { .. } => {
            "ask the publisher or another mirror for it; many publishers sign only the packages: then take `key` out of `versions`, and the evidence of the file itself still has to hold"
        }
        RpmError::Signature { .. } => {
            "compare the key with the one that the repository's publisher announces for this architecture; publishers renew and replace keys"
        }
        RpmError::Missing { .. } | RpmError::Mismatch { .. } | RpmError::Malformed { .. } => {
            "the mirror is being updated or is damaged: run the same command again in some minutes, or use another mirror"
        }
        RpmError::Packing { .. } => {
            "name a mirror that packs with gzip (createrepo_c --general-compress-type=gz), or another source in `versions`, such as listing or github"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pre_releases_are_written_as_their_publisher_does() {
        for (scheme, version, expected) in [
            (Scheme::Semver, "1.2.0~rc.1", "1.2.0-rc.1"),
            (Scheme::Semver, "1.2.0", "1.2.0"),
            (Scheme::Postgresql, "19~beta3", "19beta3"),
            (Scheme::Postgresql, "17.11", "17.11"),
        ] {
            assert_eq!(upstream(version, scheme), expected);
        }
        // A snapshot after a release is no release.
        let snapshot = upstream("1.2.0^git1", Scheme::Semver);
        assert_eq!(Scheme::Semver.read(&snapshot), None);
    }
}
