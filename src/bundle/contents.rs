//! `bundle.json`: what each file of a bundle is. Parsed only after its hash was checked.
//!
//! It is canonical: JSON with two spaces of indentation, keys of `files` sorted bytewise, and a final
//! line feed. Only that one text of a content is accepted, so that no two readers can understand it
//! differently, and `verify.sh` can read paths and sizes line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::bundle::sums::Sums;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;
use crate::types::url::SafeUrl;

/// Name of this file in a bundle.
pub const BUNDLE_JSON: &str = "bundle.json";
/// Longest `bundle.json`, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The highest format of `bundle.json` that this program knows. Format 2 differs from 1 in that it
/// has `cut`; format 3 has files of the kind `image`, and may have `cut`. Each is written only where it is
/// needed, so that all else stays readable for older readers, and there is one text for each content.
pub const FORMAT: u32 = 3;
/// Most parts of a cut file: `.000` to `.999`.
pub const MAX_PARTS: usize = 1000;

/// How the entry of [`FileInfo::vouched`] begins that says why nobody vouches.
pub const UNVOUCHED: &str = "nobody: ";

/// The content of `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// 3 when there are images, else 2 when a file is cut, else 1.
    pub format: u32,
    /// What the bundle is for.
    pub target: Target,
    /// Every listed file but `bundle.json` itself.
    pub files: BTreeMap<RelPath, FileInfo>,
    /// The files that are larger than a volume, by the path that they would have in the volume of
    /// their first part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<RelPath, CutFile>,
    /// The package repositories in it, sorted by name.
    pub repositories: Vec<RepositoryInfo>,
}

/// A file that lies in parts on several volumes: `<path>.000`, `<path>.001`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutFile {
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// Its parts, in order; each is listed, with its own hash.
    pub parts: Vec<RelPath>,
    /// What the whole file is.
    pub info: FileInfo,
}

/// Why a `bundle.json` is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// The sizes that it states cannot be: nothing is written for them.
    #[error("bundle.json describes more than 2^64 bytes")]
    TooLarge,
    /// It is no JSON of the right shape.
    #[error("bundle.json: {0}")]
    Malformed(String),
    /// It is not written the one way that is accepted.
    #[error("bundle.json is not in its canonical form")]
    NotCanonical,
    /// It says something else than the signed list.
    #[error("bundle.json disagrees with SHA256SUMS: {0}")]
    Disagrees(String),
    /// It is written in a newer format.
    #[error("bundle.json: format {found}, this program knows {FORMAT}")]
    Newer {
        /// The format.
        found: u64,
    },
}

impl ContentsError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NotCanonical | Self::Disagrees(_) => "E311",
            Self::Malformed(_) => "E312",
            Self::Newer { .. } => "E520",
            Self::TooLarge => "E501",
        }
    }
}

impl Contents {
    /// Reads a `bundle.json` whose hash was checked. The depth of its JSON is bounded by its shape:
    /// a key that is not known ends the reading.
    ///
    /// # Errors
    /// When it is malformed, newer, or not canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentsError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        // Unknown keys are skipped here; serde_json refuses to nest deeper than 128 while it does.
        if let Ok(Format { format }) = serde_json::from_slice::<Format>(bytes)
            && format > u64::from(FORMAT)
        {
            return Err(ContentsError::Newer { found: format });
        }
        let contents: Self = serde_json::from_slice(bytes)
            .map_err(|error| ContentsError::Malformed(error.to_string()))?;
        if contents.format != format_of(&contents.files, &contents.cut) {
            return Err(ContentsError::Malformed(
                "`format` must be 3 with images, else 2 with `cut`, and else 1".to_owned(),
            ));
        }
        if contents.render()?.as_bytes() == bytes {
            Ok(contents)
        } else {
            Err(ContentsError::NotCanonical)
        }
    }

    /// The components whose files stand in for the real programs, sorted; a stand-in that belongs to
    /// no component is named by its path. Empty for a bundle of upstream's own files.
    #[must_use]
    pub fn stand_ins(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        let whole = self.cut.iter().map(|(path, cut)| (path, &cut.info));
        let all = self.files.iter().chain(whole);
        for (path, info) in all.filter(|(_, info)| info.stand_in) {
            if info.components.is_empty() {
                found.insert(path.to_string());
            }
            found.extend(info.components.iter().map(ToString::to_string));
        }
        found.into_iter().collect()
    }

    /// The files that nobody upstream vouches for, as `path: reason`, in the order of the bundle.
    #[must_use]
    pub fn unvouched(&self) -> Vec<String> {
        let mut found = Vec::new();
        let cut = self.cut.iter().map(|(path, cut)| (path, &cut.info));
        for (path, info) in self.files.iter().chain(cut) {
            let reasons = info.vouched.iter();
            let reasons = reasons.filter_map(|line| line.strip_prefix(UNVOUCHED));
            found.extend(reasons.map(|reason| format!("{path}: {reason}")));
        }
        found
    }

    /// The canonical text.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's signature has an error.
    pub fn render(&self) -> Result<String, ContentsError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ContentsError::Malformed(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// The same as users of the files see it: each cut file whole, and no parts.
    #[must_use]
    pub fn joined(&self) -> Self {
        let whole = self.files.iter();
        let whole = whole.filter(|(_, info)| info.kind != FileKind::Part);
        let cut = self.cut.iter().map(|(path, cut)| (path, &cut.info));
        Self {
            format: 1,
            target: self.target,
            files: whole
                .chain(cut)
                .map(|(path, info)| (path.clone(), info.clone()))
                .collect(),
            cut: BTreeMap::new(),
            repositories: self.repositories.clone(),
        }
    }

    /// Compares with the signed list, of a delta with that of the full bundle that it makes: the same files,
    /// and together the bytes that its header counts; and holds the cut files against their parts.
    /// `own_size` is the size of `bundle.json` itself.
    ///
    /// # Errors
    /// [`ContentsError::Disagrees`] with the first difference.
    pub fn compare(&self, sums: &Sums, own_size: u64) -> Result<(), ContentsError> {
        let disagrees = |text: String| Err(ContentsError::Disagrees(text));
        let sums = &sums
            .full()
            .map_err(|error| ContentsError::Disagrees(error.to_string()))?;
        let listed: BTreeSet<&RelPath> = sums
            .entries()
            .keys()
            .filter(|path| path.as_str() != BUNDLE_JSON)
            .collect();
        let described: BTreeSet<&RelPath> = self.files.keys().collect();
        if let Some(path) = listed.difference(&described).next() {
            return disagrees(format!("it does not describe {path}"));
        }
        if let Some(path) = described.difference(&listed).next() {
            return disagrees(format!("it describes {path}, which is not listed"));
        }
        let sizes = self.files.values().map(|info| info.size);
        let total = sizes
            .chain([own_size])
            .try_fold(0_u64, u64::checked_add)
            .ok_or(ContentsError::TooLarge)?;
        let header = sums.header().bytes;
        if total != header {
            return disagrees(format!("sizes of {total} bytes, and a header of {header}"));
        }
        self.compare_cut()?;
        let known = |path: &RelPath| self.files.contains_key(path);
        let keyring = self
            .repositories
            .iter()
            .map(|repository| &repository.keyring);
        match keyring.clone().find(|path| !known(path)) {
            Some(path) => disagrees(format!("the keyring {path} is not listed")),
            None => Ok(()),
        }
    }

    /// Each cut file has its parts, numbered through, with its size; each part belongs to one.
    fn compare_cut(&self) -> Result<(), ContentsError> {
        let disagrees = |text: String| Err(ContentsError::Disagrees(text));
        let parts = |(path, info): (&RelPath, &FileInfo)| {
            (info.kind == FileKind::Part).then(|| (path.clone(), info.size))
        };
        let mut parts: BTreeMap<RelPath, u64> = self.files.iter().filter_map(parts).collect();
        let listed: BTreeSet<String> = if self.cut.is_empty() {
            BTreeSet::new()
        } else {
            self.files.keys().map(RelPath::case_folded).collect()
        };
        for (path, cut) in &self.cut {
            if listed.contains(&path.case_folded()) {
                return disagrees(format!("{path} is cut, and listed whole"));
            }
            if !(2..=MAX_PARTS).contains(&cut.parts.len()) || cut.info.kind == FileKind::Part {
                return disagrees(format!("{path} is not cut into 2 to {MAX_PARTS} parts"));
            }
            let mut sum = 0_u64;
            for (number, part) in cut.parts.iter().enumerate() {
                if !is_part(path, number, part) {
                    return disagrees(format!("{part} is not part {number} of {path}"));
                }
                let Some(size) = parts.remove(part) else {
                    return disagrees(format!("the part {part} is no listed part"));
                };
                sum = sum.saturating_add(size);
            }
            if sum != cut.info.size {
                return disagrees(format!(
                    "{path} of {} bytes has parts of {sum}",
                    cut.info.size
                ));
            }
        }
        parts.into_keys().next().map_or(Ok(()), |part| {
            disagrees(format!("{part} is a part of nothing"))
        })
    }
}

/// The format of a content with these files, and these that are cut.
pub(crate) fn format_of(
    files: &BTreeMap<RelPath, FileInfo>,
    cut: &BTreeMap<RelPath, CutFile>,
) -> u32 {
    let whole = cut.values().map(|cut| &cut.info);
    if files
        .values()
        .chain(whole)
        .any(|info| info.kind == FileKind::Image)
    {
        3
    } else if cut.is_empty() {
        1
    } else {
        2
    }
}

/// Whether `part` is the name of this part of a file: in any volume, the first in that of the file.
fn is_part(path: &RelPath, number: usize, part: &RelPath) -> bool {
    let rest = |path: &RelPath| {
        let text = path.as_str();
        text.split_once('/').map(|(_, rest)| rest.to_owned())
    };
    let named = rest(path).is_some_and(|name| rest(part) == Some(format!("{name}.{number:03}")));
    named && part.first().starts_with('v') && (number > 0 || part.first() == path.first())
}

/// What one file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Size in bytes.
    pub size: u64,
    /// What it is for.
    pub kind: FileKind,
    /// The components of the manifest that need it; empty for documents and evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Name>,
    /// Version of the artifact or package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the package, for packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Whether it stands in for the real program, in tests and the quickstart only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stand_in: bool,
    /// Where upstream publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SafeUrl>,
    /// Who vouched for it when the lock was made, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vouched: Vec<String>,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// `README.txt`, `label.txt`, `verify.sh`.
    Document,
    /// Manifest, lock, upstream signatures, keys.
    Evidence,
    /// A single file from an upstream.
    Artifact,
    /// Upstream's signed index of a package repository.
    AptIndex,
    /// A Debian package.
    AptPackage,
    /// A file of the OCI image layout of the bundle.
    Image,
    /// A part of a file that is larger than a volume.
    Part,
    /// Blocks from which damaged payload is repaired, and the hashes of all blocks.
    Parity,
}

/// One package repository in the bundle, at `<volume>/apt/<name>/`, over all volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryInfo {
    /// Its name.
    pub name: Name,
    /// Its root upstream.
    pub uri: SafeUrl,
    /// The keyring that signed it: a path below `evidence/`.
    pub keyring: RelPath,
    /// Its suites.
    pub suites: Vec<SuiteInfo>,
}

/// One suite of a package repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteInfo {
    /// Its folder below `dists/`.
    pub suite: String,
    /// The components used, as a source entry names them.
    pub components: Vec<String>,
    /// `Date` of its Release file.
    pub date: String,
    /// `Valid-Until` of its Release file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::target::{Arch, Distribution};

    fn sample() -> Contents {
        let info = FileInfo {
            size: 3,
            kind: FileKind::Document,
            components: Vec::new(),
            version: None,
            package: None,
            stand_in: false,
            url: None,
            vouched: Vec::new(),
        };
        Contents {
            format: 1,
            target: Target {
                distribution: Distribution::Debian12,
                arch: Arch::Amd64,
            },
            files: BTreeMap::from([("README.txt".parse().unwrap(), info)]),
            cut: BTreeMap::new(),
            repositories: Vec::new(),
        }
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let contents = sample();
        let text = contents.render().unwrap();
        assert_eq!(
            text,
            "{\n  \"format\": 1,\n  \"target\": {\n    \"distribution\": \"debian-12\",\n    \"arch\": \"amd64\"\n  },\n  \"files\": {\n    \"README.txt\": {\n      \"size\": 3,\n      \"kind\": \"document\"\n    }\n  },\n  \"repositories\": []\n}\n"
        );
        assert_eq!(Contents::parse(text.as_bytes()), Ok(contents));
        let id = |text: &str| Contents::parse(text.as_bytes()).unwrap_err().id();
        assert_eq!(id(text.trim_end()), "E311");
        assert_eq!(id(&text.replace("  ", " ")), "E311");
        assert_eq!(
            id(&text.replace("\"size\": 3,", "\"size\": 3, \"size\": 4,")),
            "E312"
        );
        assert_eq!(id(&text.replace("document", "other")), "E312");
        assert_eq!(id(&text.replace("\"size\": 3", "\"size\": 1e999")), "E312");
        assert_eq!(id(&text.replace("\"format\": 1", "\"format\": 2")), "E312");
        assert_eq!(id(&text.replace("\"format\": 1", "\"format\": 3")), "E312");
        assert_eq!(id(&text.replace("\"format\": 1", "\"format\": 4")), "E520");
        assert_eq!(id(&"[".repeat(1 << 20)), "E312");
        assert_eq!(id(&format!("{{\"x\":{}", "[".repeat(1 << 20))), "E312");
    }

    const CUT: &str = r#"{
  "format": 2,
  "target": {
    "distribution": "debian-12",
    "arch": "amd64"
  },
  "files": {
    "v1/files/app/a.tar.000": {
      "size": 5,
      "kind": "part"
    },
    "v2/files/app/a.tar.001": {
      "size": 2,
      "kind": "part"
    }
  },
  "cut": {
    "v1/files/app/a.tar": {
      "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "parts": [
        "v1/files/app/a.tar.000",
        "v2/files/app/a.tar.001"
      ],
      "info": {
        "size": 7,
        "kind": "artifact",
        "components": [
          "app"
        ]
      }
    }
  },
  "repositories": []
}
"#;

    #[test]
    fn format_2_stays_readable_and_its_cut_files_must_be_made_of_their_parts() {
        let contents = Contents::parse(CUT.as_bytes()).unwrap();
        assert_eq!(contents.compare_cut(), Ok(()));
        let joined: Vec<String> = contents
            .joined()
            .files
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(joined, ["v1/files/app/a.tar"]);
        for (from, to) in [
            ("\"size\": 7", "\"size\": 8"),
            ("a.tar.001", "a.tar.002"),
            ("v1/files/app/a.tar\":", "v2/files/app/a.tar\":"),
            ("v2/files/app/a.tar.001\": {", "v2/files/app/a.tar.999\": {"),
            ("\"kind\": \"part\"", "\"kind\": \"evidence\""),
            (",\n        \"v2/files/app/a.tar.001\"", ""),
            (
                "\"v2/files/app/a.tar.001\"\n",
                "\"v1/files/app/a.tar.000\"\n",
            ),
        ] {
            let text = CUT.replacen(from, to, 9);
            assert_ne!(text, CUT, "{from}");
            let error = Contents::parse(text.as_bytes())
                .and_then(|other| other.compare_cut())
                .unwrap_err();
            assert_eq!(error.id(), "E311", "{from}: {error}");
        }
    }
}
