//! xz: unpacked within limits, and packed as upstream did it.
//!
//! The bytes depend on the preset, on the integrity check, and on the encoder: the one with blocks, that `dpkg-deb`
//! and `xz -T0` use (blocks of three dictionaries, at least 1 MiB), or the one without, whatever the number of threads.
//! liblzma has given the same bytes for the same settings over many versions; nothing here relies on that.

use std::io::{Read, Write};

use liblzma::read::XzDecoder;
use liblzma::stream::{Check, MtStreamBuilder, PRESET_EXTREME, Stream};
use liblzma::write::XzEncoder;
use serde::{Deserialize, Serialize};

use super::DeltaError;

/// The library that packs, for messages when the two sides disagree.
pub const ENCODER: &str = "liblzma 5.8";
/// Memory that a decoder may take: enough for the highest preset.
const MEMORY: u64 = 80 * 1024 * 1024;
/// Threads that pack; the bytes do not depend on them.
const THREADS: u32 = 2;

/// How an encoder of xz was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 0 to 9.
    pub preset: u8,
    /// The slower form of the preset (`-e`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extreme: bool,
    /// Whether the encoder with blocks was used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
    /// The integrity check.
    pub check: Sum,
}

/// The integrity check of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sum {
    /// None.
    None,
    /// CRC-32.
    Crc32,
    /// CRC-64.
    Crc64,
    /// SHA-256.
    Sha256,
}

impl Settings {
    /// Refuses what no encoder takes.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(self) -> Result<(), DeltaError> {
        if self.preset > 9 {
            return Err(DeltaError::broken("a preset of xz above 9"));
        }
        Ok(())
    }

    fn stream(self) -> Result<Stream, DeltaError> {
        self.check()?;
        let check = match self.check {
            Sum::None => Check::None,
            Sum::Crc32 => Check::Crc32,
            Sum::Crc64 => Check::Crc64,
            Sum::Sha256 => Check::Sha256,
        };
        let extreme = if self.extreme { PRESET_EXTREME } else { 0 };
        let preset = u32::from(self.preset) | extreme;
        let stream = if self.blocks {
            MtStreamBuilder::new()
                .preset(preset)
                .check(check)
                .threads(THREADS)
                .encoder()
        } else {
            Stream::new_easy_encoder(preset, check)
        };
        stream.map_err(|error| DeltaError::Broken(format!("xz: {error}")))
    }

    /// A writer that packs into `to`; call [`XzEncoder::finish`] at the end.
    ///
    /// # Errors
    /// When no encoder can be had.
    pub fn encoder<W: Write>(self, to: W) -> Result<XzEncoder<W>, DeltaError> {
        Ok(XzEncoder::new_stream(to, self.stream()?))
    }
}

/// A reader that unpacks one stream.
///
/// # Errors
/// When no decoder can be had.
pub fn decoder<R: Read>(from: R) -> Result<XzDecoder<R>, DeltaError> {
    let stream = Stream::new_stream_decoder(MEMORY, 0);
    let stream = stream.map_err(|error| DeltaError::Broken(format!("xz: {error}")))?;
    Ok(XzDecoder::new_stream(from, stream))
}

/// Packs what a change consists of.
///
/// # Errors
/// When no encoder can be had.
#[cfg(feature = "connected")]
pub(super) fn pack(bytes: &[u8]) -> Result<Vec<u8>, DeltaError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let settings = Settings {
        preset: 6,
        extreme: true,
        blocks: false,
        check: Sum::Crc32,
    };
    let mut encoder = settings.encoder(Vec::new())?;
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// The settings that gave `packed` of `plain`, if one of those that are in use did.
#[cfg(feature = "connected")]
pub(super) fn settings_of(packed: &[u8], plain: &[u8]) -> Option<Settings> {
    let check = match packed.get(7)? {
        0 => Sum::None,
        1 => Sum::Crc32,
        4 => Sum::Crc64,
        10 => Sum::Sha256,
        _ => return None,
    };
    // Bits 6 and 7 of the flags of a block: its sizes are in its header, as the encoder with blocks writes them.
    let blocks = packed.get(13)? & 0xc0 != 0;
    for (preset, extreme) in [6, 9, 8, 7, 5, 4, 3, 2, 1, 0]
        .into_iter()
        .flat_map(|preset| [(preset, false), (preset, true)])
    {
        let settings = Settings {
            preset,
            extreme,
            blocks,
            check,
        };
        if gives(settings, plain, packed) {
            return Some(settings);
        }
    }
    None
}

#[cfg(feature = "connected")]
fn gives(settings: Settings, plain: &[u8], packed: &[u8]) -> bool {
    let same = Same { left: packed };
    let Ok(mut encoder) = settings.encoder(same) else {
        return false;
    };
    encoder.write_all(plain).is_ok() && encoder.finish().is_ok_and(|same| same.left.is_empty())
}

/// Takes only the bytes that it expects, so that a wrong guess ends early.
#[cfg(feature = "connected")]
struct Same<'a> {
    left: &'a [u8],
}

#[cfg(feature = "connected")]
impl Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.left.strip_prefix(bytes) {
            Some(left) => {
                self.left = left;
                Ok(bytes.len())
            }
            None => Err(std::io::Error::other("other bytes")),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
