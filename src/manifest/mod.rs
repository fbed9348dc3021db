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
//! ```toml
//! # A checksum document that is signed itself: clear-signed, or with `signature` beside it.
//! sha256 = { url = "https://example.org/SHA256SUMS.asc", key = "mattermost-release" }
//! sha256 = { url = "https://example.org/SHA256SUMS", signature = "https://example.org/SHA256SUMS.gpg", key = "…" }
//! # A digest on a page: the text around it. `...` is at most 400 bytes of anything but another digest,
//! # white space any white space. It must match once.
//! sha256 = { page = "https://example.org/notes.html", pattern = "{file}...Checksum: `{sha256}`" }
//! # What GitHub's API states for the asset: a second opinion, never alone (see `trust`).
//! sha256 = { release = "github:OWNER/REPOSITORY", tag = "v{version}" }       # api = "https://…" for another server
//! ```
//!
//! Where versions come from (`lock` asks; reading a manifest never does), and how they are numbered:
//!
//! ```toml
//! version  = "~1.2"                          # a requirement of the scheme, or one version
//! versions = "catalogue"                     # or ["1.2.0", "1.2.1"]
//! versions = "github:OWNER/REPOSITORY"       # tags v1.2.3; else { github = "OWNER/REPOSITORY", tag = "rel-{version}", api = "…" }
//! versions = { listing = "https://example.org/download/", pattern = "tool-{version}.tar.gz" }
//! versions = { apt = "REPOSITORY", package = "tool" }     # of [[apt.repository]]; its signed index is asked
//! # The folder that holds repodata/. `key` must have signed its index; leave it out only where nobody signs:
//! # then newer versions can be kept from you, but the file still needs its own evidence.
//! versions = { rpm = "https://example.org/el9/x86_64/", package = "tool", key = "REPOSITORY-KEY" }
//! scheme   = "semver"                        # or "minio", "postgresql": see `types::scheme`
//! prerelease = true                          # pre-releases count, too
//! # Findings of the catalogue about the version that you live with.
//! accept = { "CVE-2025-62506" = "why this is accepted" }
//! ```
//!
//! Container images, for the architecture of the target (`lock` asks the registry what the tag names):
//!
//! ```toml
//! [[image]]
//! component = "mattermost"
//! version   = "11.6.1"                       # one version; {version} and {arch} are placeholders
//! reference = "docker.io/mattermost/mattermost-enterprise-edition:{version}"   # never latest
//! digest    = "sha256:…"                     # of the index or of the manifest, as published; or a list of both
//! # Where nobody states one: trust = { first-lock = "why this is accepted" }. Also: accept, stand-in, and for a
//! # registry on this very machine plain-http = true.
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
mod draft;
mod evidence;
mod image;
mod model;
mod problem;
mod tree;
mod version;
mod versions;

pub use check::COMPONENTS;
pub use draft::Draft;
pub use model::{
    Accepted, Apt, Artifact, Base, Image, Key, Manifest, Origin, Packages, Recommends, Repository,
    SignedBy, Source, Wanted,
};
pub use problem::{ManifestProblems, Problem};
pub use versions::{Choices, VersionSource, VersionWish};

/// Longest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 1024 * 1024;

impl Manifest {
    /// Reads a manifest. `file_name` is what messages call it.
    ///
    /// The [`digest`](Manifest::digest) of a manifest is a SHA-256 over its TOML values in canonical
    /// order: comments, white space, the order of keys and the notation of texts do not count.
    ///
    /// Of versions to choose from, the newest is taken; those that a publisher lists need
    /// [`Draft`].
    ///
    /// # Errors
    /// [`ManifestProblems`] with everything that is wrong, sorted by place.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ManifestProblems> {
        Draft::parse(text, file_name)?.choose(&Choices::new())
    }
}
