//! The share of a host in the packages of the bundle: only what its own packages need.
//!
//! Each package of a bundle says which components of the manifest need it, and a component's
//! packages are complete: all dependencies are among them. So the packages of one component that
//! has a wanted package are enough for it.

use std::collections::BTreeSet;

use crate::bundle::contents::{Contents, FileInfo};
use crate::stage::payload::Copy;
use crate::types::name::Name;

/// The components whose packages a host gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Share {
    /// All packages: the bundle does not say what needs one of the wanted ones.
    All,
    /// The packages of these components.
    Of(BTreeSet<Name>),
}

impl Share {
    /// The share of a host that installs `wanted`. As few components as a simple search finds:
    /// first those without a choice, then the first by name.
    pub(super) fn new(contents: &Contents, wanted: &[String]) -> Self {
        let mut chosen: BTreeSet<Name> = BTreeSet::new();
        let mut open: Vec<&FileInfo> = Vec::new();
        for info in contents.files.values() {
            let is_wanted = info
                .package
                .as_ref()
                .is_some_and(|package| wanted.contains(package));
            match info.components.as_slice() {
                _ if !is_wanted => {}
                [] => return Self::All,
                [only] => {
                    chosen.insert(only.clone());
                }
                _ => open.push(info),
            }
        }
        for info in open {
            if !info.components.iter().any(|name| chosen.contains(name)) {
                chosen.extend(info.components.first().cloned());
            }
        }
        Self::Of(chosen)
    }

    /// Whether the host gets a file that a repository holds: every index, and its packages.
    pub(super) fn has(&self, contents: &Contents, copy: &Copy) -> bool {
        let Self::Of(chosen) = self else { return true };
        contents.files.get(&copy.from).is_none_or(|info| {
            info.package.is_none() || info.components.iter().any(|name| chosen.contains(name))
        })
    }
}
