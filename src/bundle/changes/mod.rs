//! `changes.json`: what each change of a delta is. Parsed only after its hash was checked.
//!
//! A delta that carries changes lists it; the full bundle that the delta makes does not have it. Canonical, as
//! `bundle.json`: there is one text of each content.

#[cfg(feature = "connected")]
mod like;
#[cfg(feature = "connected")]
mod make;

#[cfg(feature = "connected")]
pub(in crate::bundle) use like::likeness;
#[cfg(feature = "connected")]
pub use make::{ChangesError, Kept, make};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bundle::contents::Contents;
use crate::bundle::places::{CHANGES_JSON, change_of, volume_of};
use crate::bundle::sums::Sums;
use crate::delta::layout::{self, Part, Use};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// Longest `changes.json`, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// What packs files again here, for messages when another version packs otherwise.
pub const ENCODER: &str = concat!("haversack ", env!("CARGO_PKG_VERSION"), " with liblzma 5.8");
/// Longest name of an encoder.
const MAX_ENCODER: usize = 100;

/// The content of `changes.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// 1.
    pub format: u32,
    /// What packed the files again when the builder proved the changes.
    pub encoder: String,
    /// Every change, by its path.
    pub changes: BTreeMap<RelPath, Change>,
}

/// One change. The path of the file that it makes follows from its own; size and digest of that file are in
/// `bundle.json` and the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Size of the change in bytes.
    pub size: u64,
    /// The file of the base that it changes.
    pub base: BaseFile,
    /// The parts of the file that it makes.
    pub made: Vec<Part>,
}

/// The file that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseFile {
    /// Its path in the base.
    pub path: RelPath,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Why a `changes.json` is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangesFormatError {
    /// It is no JSON of the right shape, or not written the one way.
    #[error("{CHANGES_JSON}: {0}")]
    Malformed(String),
    /// It says something else than the signed list, or than `bundle.json`.
    #[error("{CHANGES_JSON} disagrees with SHA256SUMS: {0}")]
    Disagrees(String),
    /// It is written in a newer format.
    #[error("{CHANGES_JSON}: format {0}, this program knows {FORMAT}")]
    Newer(u64),
}

impl ChangesFormatError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "E312",
            Self::Disagrees(_) => "E311",
            Self::Newer(_) => "E520",
        }
    }
}

impl Changes {
    /// Reads one whose hash was checked.
    ///
    /// # Errors
    /// When it is malformed, newer, or not canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChangesFormatError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let malformed = |text: &str| Err(ChangesFormatError::Malformed(text.to_owned()));
        // Unknown keys are skipped here; serde_json refuses to nest deeper than 128 while it does.
        if let Ok(Format { format }) = serde_json::from_slice::<Format>(bytes)
            && format > u64::from(FORMAT)
        {
            return Err(ChangesFormatError::Newer(format));
        }
        let changes: Self = serde_json::from_slice(bytes)
            .map_err(|error| ChangesFormatError::Malformed(error.to_string()))?;
        let printable = changes
            .encoder
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
        if changes.format != FORMAT || !printable || changes.encoder.len() > MAX_ENCODER {
            return malformed("`format` or `encoder` is none");
        }
        if changes.render()?.as_bytes() != bytes {
            return malformed("not in its canonical form");
        }
        Ok(changes)
    }

    /// The canonical text.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's signature has an error.
    pub fn render(&self) -> Result<String, ChangesFormatError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ChangesFormatError::Malformed(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// Compares with the signed list and with what `bundle.json` says of the files that are made.
    ///
    /// # Errors
    /// With the first difference.
    pub fn compare(&self, sums: &Sums, contents: &Contents) -> Result<(), ChangesFormatError> {
        let disagrees = |text: String| Err(ChangesFormatError::Disagrees(text));
        let mut count = 0_usize;
        for (place, path) in sums.changes() {
            count = count.saturating_add(1);
            let Some(change) = self.changes.get(&path) else {
                return disagrees(format!("it does not describe {path}"));
            };
            let size = contents.files.get(&place).map_or(0, |info| info.size);
            let base = &change.base;
            let in_volume = volume_of(&base.path).is_some_and(|volume| volume.starts_with('v'));
            let checked = layout::check(&base.parts, base.size, Use::Base)
                .and_then(|_| layout::check(&change.made, size, Use::Made));
            match checked {
                Err(error) => return disagrees(format!("{path}: {error}")),
                Ok(_) if !in_volume => return disagrees(format!("{path} changes no payload")),
                Ok(_) => {}
            }
        }
        if count != self.changes.len() {
            return disagrees("it describes changes that are not listed".to_owned());
        }
        Ok(())
    }

    /// The change that makes the file at this place.
    #[must_use]
    pub fn of(&self, place: &RelPath) -> Option<(RelPath, &Change)> {
        let path = change_of(place)?;
        let change = self.changes.get(&path)?;
        Some((path, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{
  "format": 1,
  "encoder": "haversack 0.1.0 with liblzma 5.8",
  "changes": {
    "v1/change/apt/x/pool/a_2_amd64.deb": {
      "size": 300,
      "base": {
        "path": "v1/apt/x/pool/a_1_amd64.deb",
        "sha256": "706b43632242ed3903e418d1bda13bd16e16d3f9f061055ebe05f80254bffc7d",
        "size": 8466,
        "parts": [
          {
            "form": "plain",
            "packed": 10,
            "opened": 10
          },
          {
            "form": "deflate",
            "packed": 8456,
            "opened": 14590
          }
        ]
      },
      "made": [
        {
          "form": {
            "xz": {
              "preset": 6,
              "blocks": true,
              "check": "crc64"
            }
          },
          "packed": 7144,
          "opened": 14602
        }
      ]
    }
  }
}
"#;

    #[test]
    fn format_1_stays_readable_and_only_its_canonical_text_is_read() {
        let changes = Changes::parse(GOLDEN.as_bytes()).unwrap();
        assert_eq!(changes.render().unwrap(), GOLDEN);
        let place = "v1/apt/x/pool/a_2_amd64.deb".parse().unwrap();
        assert_eq!(changes.of(&place).unwrap().1.size, 300);
        let id = |from: &str, to: &str| {
            let text = GOLDEN.replacen(from, to, 1);
            assert_ne!(text, GOLDEN, "{from}");
            Changes::parse(text.as_bytes()).unwrap_err().id()
        };
        assert_eq!(id("\"format\": 1", "\"format\": 2"), "E520");
        assert_eq!(id("\"format\": 1", "\"format\": 0"), "E312");
        assert_eq!(id("\"size\": 300", "\"size\": -1"), "E312");
        assert_eq!(id("  ", " "), "E312");
        assert_eq!(id("deflate", "zip"), "E312");
        assert_eq!(id("haversack 0.1.0", &"x".repeat(101)), "E312");
        assert_eq!(id("haversack 0.1.0", "\\u001b[2J"), "E312");
        assert_eq!(
            id("\"size\": 300", "\"other\": 1,\n      \"size\": 300"),
            "E312"
        );
    }
}
