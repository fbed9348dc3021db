//! Which file of a base is an older one of a file. Pure: it goes by paths.

use crate::bundle::places::volume_of;
use crate::types::path::RelPath;

/// How alike two paths of payload are; none when the files have nothing to do with each other. The same path
/// with other bytes is most alike; then a package of the same name and architecture; then a file of the same
/// folder, or of the same component, with the same ending.
pub(in crate::bundle) fn likeness(new: &RelPath, old: &RelPath) -> Option<usize> {
    let (new_rest, old_rest) = (rest(new)?, rest(old)?);
    if new_rest == old_rest {
        return Some(usize::MAX);
    }
    let common = new_rest
        .bytes()
        .zip(old_rest.bytes())
        .take_while(|(new, old)| new == old)
        .count();
    let (new_name, old_name) = (new.file_name(), old.file_name());
    match (package(new_name), package(old_name)) {
        (Some(new), Some(old)) => (new == old).then(|| common.saturating_add(1000)),
        (None, None) => {
            let folder = |text: &str| text.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            let same = folder(new_rest) == folder(old_rest) && ending(new_name) == ending(old_name);
            (same && ending(new_name).is_some()).then_some(common)
        }
        _ => None,
    }
}

/// Name and architecture in `name_version_architecture.deb`.
fn package(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(".deb")?;
    let (name, rest) = stem.split_once('_')?;
    let (_, architecture) = rest.rsplit_once('_')?;
    Some((name, architecture))
}

/// The endings that tell what can be opened.
fn ending(name: &str) -> Option<&'static str> {
    [".tar.gz", ".tgz", ".tar.xz", ".gz", ".xz", ".tar"]
        .into_iter()
        .find(|ending| name.ends_with(ending))
}

/// The path without its volume.
fn rest(path: &RelPath) -> Option<&str> {
    path.below(volume_of(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_told_by_package_folder_and_ending() {
        let of = |new: &str, old: &str| likeness(&new.parse().unwrap(), &old.parse().unwrap());
        let deb = "v1/apt/a/pool/o/openssl_3.0.22_amd64.deb";
        assert!(
            of(deb, "v2/apt/a/pool/o/openssl_3.0.20_amd64.deb")
                > of(deb, "v1/apt/b/pool/o/openssl_3.0.20_amd64.deb")
        );
        assert!(of(deb, "v1/apt/b/pool/o/openssl_3.0.20_amd64.deb").is_some());
        for other in [
            "v1/apt/a/pool/o/openssl-x_3_amd64.deb",
            "v1/apt/a/pool/o/openssl_3_arm64.deb",
            "v1/a",
        ] {
            assert_eq!(of(deb, other), None, "{other}");
        }
        let tar = "v1/files/app/app-1.3.tar.gz";
        assert!(of(tar, "v1/files/app/app-1.2.tar.gz").is_some());
        assert_eq!(of(tar, "v1/files/app/app-1.2.zip"), None);
        assert_eq!(of(tar, "v1/files/other/app-1.2.tar.gz"), None);
        assert_eq!(of("v1/x/Packages.xz", "v3/x/Packages.xz"), Some(usize::MAX));
    }
}
