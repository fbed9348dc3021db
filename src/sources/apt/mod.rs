//! Debian package repositories: signed indexes, and the closure of packages that hosts need.
//!
//! What is trusted, in this order: the certificates of the repository's keyring, the suite's index they
//! signed, the package lists whose SHA-256 it gives, the packages whose SHA-256 the lists give. Nothing
//! is read before what vouches for it was checked. Packages are not fetched here.
//!
//! [`resolve`] chooses like apt does, and then proves the choice in a separate pass that shares no code
//! with the walk that made it.

mod check;
mod closure;
mod deb822;
mod error;
mod explain;
mod index;
mod packages;
mod recheck;
mod relation;
mod release;
mod rows;
mod search;
mod solve;
pub mod system;
mod universe;
pub mod version;
mod versions;

pub use deb822::SyntaxError;
pub use error::AptError;
pub use index::{MAX_LIST, MAX_PACKED};
pub use recheck::recheck;
pub use versions::{upstream_part, versions};

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{Cancel, Observer};
use crate::lock::Repository;
use crate::pool;
use crate::sources::documents::Documents;
use crate::store::Store;
use crate::trust::openpgp::Keyring;
use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Arch;
use crate::types::url::SafeUrl;

/// A repository to take packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySpec {
    /// Name; its files stand below `apt/<name>/` in the bundle.
    pub name: Name,
    /// Its root.
    pub uri: SafeUrl,
    /// Its suites, in the order of the source entry.
    pub suites: Vec<String>,
    /// The components of every suite.
    pub components: Vec<String>,
    /// The certificates that may sign it, binary or armored.
    pub keyring: Vec<u8>,
    /// Where the keyring came from.
    pub keyring_url: SafeUrl,
    /// The certificates of the keyring that are trusted; all of them when this is empty.
    pub pinned: Vec<Fingerprint>,
    /// Higher is preferred, whatever the version; apt's default is 500 (`apt_preferences(5)`).
    pub priority: i32,
}

impl RepositorySpec {
    /// What apt gives a repository without a preference.
    pub const DEFAULT_PRIORITY: i32 = 500;

    /// The place of one of its files in the bundle.
    fn path(&self, name: &str) -> Result<RelPath, AptError> {
        let name = name.strip_prefix("./").unwrap_or(name);
        let path = format!("apt/{}/{name}", self.name);
        path.parse().map_err(|source| AptError::Path {
            repository: self.name.to_string(),
            name: name
                .chars()
                .take(240)
                .flat_map(char::escape_default)
                .collect(),
            source,
        })
    }
}

/// Packages that a component needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The component of the manifest.
    pub component: Name,
    /// Names of packages; `name=version` asks for one version.
    pub packages: Vec<String>,
}

/// What the hosts have already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Nothing,
    /// The packages marked `Essential: yes`, and their closure.
    Essential,
    /// What this dpkg status file says (`/var/lib/dpkg/status`).
    Status(Vec<u8>),
}

/// What to do with an index whose `Valid-Until` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredIndex {
    /// Stop: an old index may hide that updates exist.
    Refuse,
    /// Go on, and note it.
    Accept,
}

/// What to resolve.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where packages may come from, in order of preference between equals.
    pub repositories: Vec<RepositorySpec>,
    /// Architecture of the hosts.
    pub arch: Arch,
    /// What is asked for.
    pub wanted: Vec<Wanted>,
    /// Whether recommended packages are taken along.
    pub recommends: bool,
    /// What the hosts have.
    pub base: Base,
    /// The time that signatures and indexes are checked at.
    pub now: Timestamp,
    /// What to do with an index that has run out.
    pub expired: ExpiredIndex,
    /// Indexes of an earlier lock: an older one than these is a replay, and refused.
    pub seen: Vec<Seen>,
}

/// An index that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Name of the repository.
    pub repository: Name,
    /// The suite.
    pub suite: String,
    /// `Date` of its Release file, as upstream writes it.
    pub date: String,
}

/// A closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The repositories with their indexes and the packages of the closure, sorted by name.
    pub repositories: Vec<Repository>,
    /// What a person should know about it, one sentence each.
    pub notes: Vec<String>,
}

/// The closure of what is asked for, from signed metadata only.
///
/// Indexes and keyrings are put into the store; package lists that are there already are not fetched
/// again. Packages are not fetched.
///
/// # Errors
/// When an index cannot be had or is not proven, or when no set of packages satisfies the request: then
/// [`AptError::Unsatisfiable`] names the chains that cannot be met.
pub fn resolve(
    request: &Request,
    documents: &dyn Documents,
    store: &Store,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Resolved, AptError> {
    let context = index::Context {
        request,
        documents,
        store,
        observer,
        cancel,
    };
    let mut keyrings = Vec::new();
    for repository in &request.repositories {
        keyrings.push(keyring_of(repository)?);
    }
    let mut tasks = Vec::new();
    for (at, (repository, keyring)) in request.repositories.iter().zip(&keyrings).enumerate() {
        for suite in &repository.suites {
            tasks.push((at, repository, keyring, suite));
        }
    }
    let indexes = pool::try_map(&tasks, pool::cores(), |(_, repository, keyring, suite)| {
        index::fetch(&context, repository, keyring, suite)
    })?;
    cancel.check()?;

    let mut lists = Vec::new();
    for ((at, repository, ..), index) in tasks.iter().zip(&indexes) {
        for (url, text) in &index.lists {
            lists.push(List {
                repository: *at,
                priority: repository.priority,
                url,
                text,
            });
        }
    }
    let parsed = pool::try_map(&lists, pool::cores(), |list| {
        packages::parse(list.text).map_err(|source| AptError::Syntax {
            place: list.url.to_string(),
            source,
        })
    })?;
    cancel.check()?;
    let mut notes: Vec<String> = indexes.iter().flat_map(|one| one.notes.clone()).collect();
    let chosen = solve::solve(request, &lists, &parsed, &mut notes)?;
    cancel.check()?;
    let suites = tasks.iter().zip(indexes.iter());
    let suites = suites.map(|((at, ..), index)| (*at, index.lock.clone()));
    let repositories = rows::rows(&context, suites.collect(), chosen)?;
    Ok(Resolved {
        repositories,
        notes,
    })
}

/// The files that the index of a suite (`Release`) vouches for: path, digest and bytes of each.
///
/// # Errors
/// In words, when the text is no index.
pub fn files_in_index(text: &str) -> Result<BTreeMap<String, (Digest, u64)>, String> {
    let release = release::Release::parse(text)?;
    release.made()?;
    release.valid_until()?;
    Ok(release.files)
}

/// The certificates that may sign a repository.
fn keyring_of(repository: &RepositorySpec) -> Result<Keyring, AptError> {
    let refused = |source| AptError::Signature {
        repository: repository.name.to_string(),
        what: format!("the keyring {}", repository.keyring_url),
        source,
    };
    let keyring = Keyring::parse(&repository.keyring).map_err(refused)?;
    if repository.pinned.is_empty() {
        return Ok(keyring);
    }
    keyring.only(&repository.pinned).map_err(refused)
}

/// A package list that was checked.
struct List<'a> {
    /// Which repository it is of.
    repository: usize,
    priority: i32,
    url: &'a SafeUrl,
    text: &'a [u8],
}
