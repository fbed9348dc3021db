//! The manifest: what a bundle is to hold and who must vouch for it (manifest format 1).
//!
//! A manifest is small TOML that people write. [`Manifest::parse`] checks all of it and reports every
//! problem at once, each with line and column. What it gives is complete: placeholders are filled in,
//! versions are chosen, references are resolved, and every artifact names at least one piece of evidence.
//!
//! ```toml
//! format = 1
//! name = "mattermost-linux"
//! target = { distribution = "debian-12", arch = "amd64" }
//!
//! [[key]]                                    # pinned by fingerprint; `lock` fetches and matches it
//! name = "mattermost-release"
//! openpgp = ["A1B31D46F0F3A10B02CF2D44F8F2C31744774B28"]
//! url = "https://deb.packages.mattermost.com/pubkey.gpg"       # or: path = "keys/release.asc"
//!
//! [[artifact]]
//! component = "mattermost"                   # see `COMPONENTS`
//! version = "~11.7"                          # exact, or a requirement over `versions`
//! versions = "catalogue"                     # or a list of versions
//! url = "https://releases.mattermost.com/{version}/mattermost-{version}-linux-{arch}.tar.gz"
//! mirrors = []                               # more URLs of the same bytes
//! sha256 = "catalogue"                       # a digest, "catalogue", { url = "{url}.sha256" }, or a list of these
//! signature = { openpgp = "{url}.sig", key = "mattermost-release" }   # or a list of signatures
//! expect = "mattermost/bin/mattermost"       # must be inside the archive
//!
//! [[artifact]]
//! component = "push-proxy"
//! version = "6.5.0"
//! url = "file:downloads/push-proxy.tar.gz"   # relative to the folder of the manifest
//! trust = { first-lock = "upstream publishes neither checksum nor signature" }
//!
//! [apt]
//! base = "essential"                         # or "nothing", or { status = "dpkg-status" }
//! recommends = false
//! [[apt.repository]]
//! name = "base"
//! from = "system"                            # or uri, suites, components, key
//! [[apt.packages]]
//! component = "postgresql"
//! install = ["postgresql"]
//! ```
//!
//! Further forms of evidence, each of which may stand beside the others:
//!
//! ```toml
//! sha512 = { url = "{url}.sha512", name = "other-name" }   # or 128 hex digits; name only where it differs
//! # The key is stated itself; the trusted comment must hold `comment`, when it is given.
//! signature = { minisign = "{url}.minisig", key = "RW…", comment = "file:tool-{version}" }
//! ```
//!
//! All of an artifact's evidence must hold. Two pieces that disagree stop the lock.
//!
//! Placeholders are `{version}` and `{arch}`, and in evidence also `{url}`, the URL of the artifact.

mod apt;
mod artifact;
mod canonical;
pub mod catalogue;
mod check;
mod model;
mod problem;
mod tree;
mod version;

pub use check::COMPONENTS;
pub use model::{
    Apt, Artifact, Base, Key, Manifest, Origin, Packages, Recommends, Repository, Source, Wanted,
};
pub use problem::{ManifestProblems, Problem};

/// Longest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 1024 * 1024;

impl Manifest {
    /// Reads a manifest. `file_name` is what messages call it.
    ///
    /// The [`digest`](Manifest::digest) of a manifest is a SHA-256 over its TOML values in canonical
    /// order: comments, white space, the order of keys and the notation of texts do not count.
    ///
    /// # Errors
    /// [`ManifestProblems`] with everything that is wrong, sorted by place.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ManifestProblems> {
        check::parse(text, file_name)
    }
}
