//! The dossier: the list of files that is approved before a transfer.
//!
//! One row a file: what it is, where it comes from, who vouches for it, what its bytes look like against
//! what its name says, and room for the records of several scan engines. It is a pure function of the
//! bundle (or of the lock, before there is one) and of the policy: two people get the same `body_sha256`.

mod policy;
mod render;
mod typing;

pub use policy::{MAX_POLICY, PolicyProblem, TransferPolicy, Violation};
pub use render::{csv, html, text};
pub use typing::{LOOKED_AT, declared, detected};

use serde::{Deserialize, Serialize};

use crate::bundle::changes::Change;
use crate::bundle::contents::{FileInfo, FileKind};
use crate::bundle::places::{change_of, in_base, in_made, volume_of};
use crate::bundle::{PackRequest, Source};
use crate::event::{Cancel, Observer};
use crate::fs::{self, PathError};
use crate::store::Store;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;
use crate::verify::{Described, TrustSummary, VerifyError};

/// The kind of these reports.
pub const KIND: &str = "dossier";
/// What stands where nobody stated a licence.
pub const NOT_STATED: &str = "not stated";
/// The type of a change.
pub const CHANGE: &str = "change";
/// What stands where the bytes were not at hand.
pub const NOT_READ: &str = "not read";

/// What is to be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dossier {
    /// Name of the bundle.
    pub name: String,
    /// Version of its leading component.
    pub version: String,
    /// Its number; none before it is built.
    pub sequence: Option<u64>,
    /// When it was made; none before it is built.
    pub created: Option<String>,
    /// Its marking; none before it is built.
    pub marking: Option<String>,
    /// What it is for.
    pub target: Target,
    /// SHA-256 of `SHA256SUMS`; none before it is built.
    pub identity: Option<Digest>,
    /// SHA-256 of the lock, when it was made from one.
    pub lock: Option<Digest>,
    /// What is known of the signatures.
    pub signature: String,
    /// Names of the signature files.
    pub signatures: Vec<String>,
    /// How many files there are.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Every file, sorted by path.
    pub files: Vec<Row>,
    /// What the policy forbids; empty without a policy.
    pub violations: Vec<Violation>,
    /// What a person should look at.
    pub attention: Vec<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Where it stands in the bundle.
    pub path: String,
    /// Its volume; none for a file that lies on every medium.
    pub volume: Option<String>,
    /// What it is for: `artifact`, `apt-package`, `evidence`, …
    pub kind: FileKind,
    /// Name of the package or of the components.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Its licence, or `not stated`.
    pub licence: String,
    /// Its size in bytes.
    pub size: u64,
    /// The type that its name promises; none when it promises nothing.
    pub declared: Option<String>,
    /// The type that its first bytes show, or `not read`.
    pub detected: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Where upstream publishes it.
    pub url: Option<String>,
    /// Who vouched for it when the lock was made.
    pub evidence: Vec<String>,
    /// Whether it stands in for the real program.
    pub stand_in: bool,
}

impl Row {
    /// Whether the bytes are of another type than the name promises.
    #[must_use]
    pub fn mismatch(&self) -> bool {
        let declared = self.declared.as_deref();
        declared.is_some_and(|declared| typing::differ(declared, &self.detected))
    }

    fn new(path: &RelPath, info: &FileInfo, sha256: Digest, begin: Option<&[u8]>) -> Self {
        let components: Vec<&str> = info.components.iter().map(Name::as_str).collect();
        let name = info
            .package
            .clone()
            .unwrap_or_else(|| components.join(", "));
        Self {
            path: path.to_string(),
            volume: volume_of(path).map(str::to_owned),
            kind: info.kind,
            name: if name.is_empty() {
                path.file_name().to_owned()
            } else {
                name
            },
            version: info.version.clone(),
            licence: NOT_STATED.to_owned(),
            size: info.size,
            declared: declared(path.file_name()).map(str::to_owned),
            detected: begin.map_or(NOT_READ, detected).to_owned(),
            sha256,
            url: info.url.as_ref().map(ToString::to_string),
            evidence: info.vouched.clone(),
            stand_in: info.stand_in,
        }
    }
}

impl Row {
    /// A change, with what it makes: its evidence is that of the upstream file.
    fn of_change(
        path: &RelPath,
        change: &Change,
        sha256: Digest,
        (makes, info, made): (&RelPath, &FileInfo, Digest),
    ) -> Self {
        let mut row = Self::new(path, info, sha256, None);
        row.size = change.size;
        row.declared = None;
        CHANGE.clone_into(&mut row.detected);
        row.evidence.insert(
            0,
            format!(
                "a change of {} (sha256 {}) that makes {makes}, {} bytes, sha256 {made}",
                change.base.path, change.base.sha256, info.size
            ),
        );
        row
    }
}

/// The row of a change; none for every other file.
fn change_row(
    bundle: &Described,
    path: &RelPath,
    sha256: Digest,
) -> Result<Option<Row>, VerifyError> {
    let change = bundle
        .changes()
        .and_then(|changes| changes.changes.get(path));
    let Some(change) = change else {
        return Ok(None);
    };
    let mut all = bundle.sums().changes();
    let makes = all
        .find(|(_, change)| change == path)
        .map(|(makes, _)| makes);
    let full = bundle.sums().full()?;
    let made = makes.as_ref().and_then(|makes| {
        let info = bundle.contents().files.get(makes)?;
        Some((makes, info, *full.entries().get(makes)?))
    });
    Ok(made.map(|made| Row::of_change(path, change, sha256, made)))
}

impl Dossier {
    /// The dossier of a bundle. Every file that is here is hashed first, so that the types are those of
    /// the bytes whose digests stand beside them.
    ///
    /// # Errors
    /// When a file is not what the list says, or cannot be read.
    pub fn of_bundle(
        bundle: &Described,
        policy: Option<&TransferPolicy>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Self, VerifyError> {
        bundle.prove(observer, cancel)?;
        let mut rows = Vec::new();
        let of_delta = |path: &RelPath| in_base(path).is_some() || in_made(path).is_some();
        // What a delta takes from its base or makes of it is not carried.
        let entries = bundle.sums().entries().iter();
        for (path, digest) in entries.filter(|(path, _)| !of_delta(path)) {
            if let Some(row) = change_row(bundle, path, *digest)? {
                rows.push(row);
                continue;
            }
            // It describes the others, and not itself.
            let own = own_info();
            let info = bundle.contents().files.get(path).unwrap_or(&own);
            let part = part_info(bundle, path, info.size);
            let info = part.as_ref().map_or(info, |(info, _)| info);
            let begin = bundle.begin_of(path, LOOKED_AT)?;
            let mut row = Row::new(path, info, *digest, begin.as_deref());
            if let Some((_, Some(whole))) = &part {
                row.declared = declared(whole).map(str::to_owned);
            }
            if row.kind == own.kind && row.size == 0 {
                row.size = bundle.size_of(path).unwrap_or(0);
            }
            rows.push(row);
        }
        let signature = match bundle.trust() {
            TrustSummary::NotChecked => "not checked: no trust directory was given".to_owned(),
            TrustSummary::Signed { signers } => {
                let names = signers
                    .iter()
                    .map(|one| format!("{} {}", one.key, one.name));
                format!("good, by {}", names.collect::<Vec<_>>().join(", "))
            }
            TrustSummary::Refused { id, reason } => format!("refused [{id}]: {reason}"),
        };
        let header = bundle.sums().header();
        let mut dossier = Self {
            name: header.name.to_string(),
            version: header.version.to_string(),
            sequence: Some(header.sequence.get()),
            created: Some(header.created.to_string()),
            marking: Some(header.marking.to_string()),
            target: bundle.contents().target,
            identity: Some(bundle.identity()),
            lock: None,
            signature,
            signatures: bundle.signatures().to_vec(),
            count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            bytes: rows.iter().fold(0, |sum, row| sum.saturating_add(row.size)),
            files: rows,
            violations: Vec::new(),
            attention: bundle.problems().iter().map(ToString::to_string).collect(),
        };
        if let Some(base) = header.base {
            dossier.attention.push(format!(
                "a delta: with the bundle {} of the other side it makes a bundle of {} files and {} bytes",
                base.label(), header.files, header.bytes
            ));
        }
        dossier.judge(policy);
        Ok(dossier)
    }

    /// The dossier of what is to be packed. The first bytes are read from `store`, where there is one.
    /// With `lock` it is the dossier of that lock: what is only known when the bundle is built is left
    /// out.
    ///
    /// # Errors
    /// When a file of the store cannot be read.
    pub fn of_request(
        request: &PackRequest,
        store: Option<&Store>,
        lock: Option<Digest>,
        policy: Option<&TransferPolicy>,
    ) -> Result<Self, PathError> {
        let mut rows = Vec::new();
        for item in &request.items {
            let digest = item.source.digest();
            let base = request.base.as_ref();
            if base.is_some_and(|base| base.place_of(&item.path, &digest).is_some()) {
                continue;
            }
            if let Some(one) = request.changes.get(&item.path)
                && let Some(path) = change_of(&item.path)
            {
                let made = (&item.path, &item.info, digest);
                rows.push(Row::of_change(
                    &path,
                    &one.change,
                    one.source.digest(),
                    made,
                ));
                continue;
            }
            let begin = match (&item.source, store) {
                (Source::Bytes(bytes), _) => Some(bytes.iter().copied().take(LIMIT).collect()),
                (Source::Stored { digest, .. }, Some(store)) => begin(store, digest)?,
                (Source::Stored { .. }, None) => None,
            };
            rows.push(Row::new(
                &item.path,
                &item.info,
                item.source.digest(),
                begin.as_deref(),
            ));
        }
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        let built = lock.is_none();
        let mut dossier = Self {
            name: request.name.to_string(),
            version: request.version.to_string(),
            sequence: built.then_some(request.sequence.get()),
            created: built.then(|| request.created.to_string()),
            marking: built.then(|| request.marking.to_string()),
            target: request.target,
            identity: None,
            lock,
            signature: "none yet: not built".to_owned(),
            signatures: Vec::new(),
            count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            bytes: rows.iter().fold(0, |sum, row| sum.saturating_add(row.size)),
            files: rows,
            violations: Vec::new(),
            attention: Vec::new(),
        };
        dossier.judge(policy);
        Ok(dossier)
    }

    /// Fills in licences, and what policy and common sense have to say.
    fn judge(&mut self, policy: Option<&TransferPolicy>) {
        let limit = policy.map_or(policy::SCANNER_LIMIT, |policy| policy.scanner_limit);
        if let Some(policy) = policy {
            policy.state_licences(&mut self.files);
            self.violations = policy.violations(self);
        }
        for row in &self.files {
            if row.mismatch() {
                self.attention.push(format!(
                    "{}: named as {}, but its bytes are {}",
                    row.path,
                    row.declared.as_deref().unwrap_or_default(),
                    row.detected
                ));
            }
            if row.size >= limit {
                self.attention.push(format!(
                    "{}: {} bytes; scan engines pass over files of {limit} bytes and more, often without a word",
                    row.path, row.size
                ));
            }
            if row.stand_in {
                self.attention
                    .push(format!("{}: STAND-IN, not the real program", row.path));
            }
        }
    }
}

/// What the part of a cut file is: what the whole is, with the size of the part; and the name of the
/// whole for its first part, whose first bytes are those of the whole.
fn part_info<'a>(
    bundle: &'a Described,
    path: &RelPath,
    size: u64,
) -> Option<(FileInfo, Option<&'a str>)> {
    let mut cut = bundle.contents().cut.iter();
    let (whole, cut) = cut.find(|(_, cut)| cut.parts.contains(path))?;
    let number = cut.parts.iter().position(|part| part == path)?;
    let mut info = cut.info.clone();
    info.size = size;
    info.kind = FileKind::Part;
    info.vouched.push(format!(
        "part {} of {} of a file with the SHA-256 {}",
        number.saturating_add(1),
        cut.parts.len(),
        cut.sha256
    ));
    Some((info, (number == 0).then(|| whole.file_name())))
}

/// [`LOOKED_AT`] as a count.
const LIMIT: usize = 512;

/// The first bytes of a file in the store; `None` when it is not there.
fn begin(store: &Store, digest: &Digest) -> Result<Option<Vec<u8>>, PathError> {
    use std::io::Read as _;
    let path = store.path_of(digest);
    if fs::examine(&path)?.is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = fs::open(&path)?.take(LOOKED_AT).read_to_end(&mut bytes);
    fs::At::at(read, "read", &path)?;
    Ok(Some(bytes))
}

/// What `bundle.json` is, which does not describe itself.
const fn own_info() -> FileInfo {
    FileInfo {
        size: 0,
        kind: FileKind::Document,
        components: Vec::new(),
        version: None,
        package: None,
        stand_in: false,
        url: None,
        vouched: Vec::new(),
    }
}
