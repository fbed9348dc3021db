//! Deflate (RFC 1951), as it is in gzip: packed again bit for bit, whoever packed it.
//!
//! Encoders of zlib, GNU gzip, Go, pigz and others make different streams of the same bytes. So a stream is not
//! packed by one of them, but by a model of all (`preflate-rs`), and what the model does not foresee goes along as
//! corrections. A stream is treated in chunks: for each, its plain length and the length of its corrections in 4
//! bytes each, least significant first, and the corrections. They are used after their hash was checked.

use std::io::{Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use preflate_rs::RecreateStreamProcessor;

use super::{BUFFER, DeltaError, small, wide};
use crate::event::Cancelled;

/// Most plain bytes of a chunk: what is held in memory.
const CHUNK: usize = 16 * 1024 * 1024;

/// Packs `opened` bytes that come from `from`, with the next chunks of `corrections`.
///
/// # Errors
/// When chunks and bytes do not belong together.
pub(super) fn close(
    (from, opened): (&mut dyn Read, u64),
    corrections: &mut dyn Read,
    to: &mut dyn Write,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(), DeltaError> {
    let mut model = RecreateStreamProcessor::new();
    let mut left = opened;
    while left > 0 {
        let (plain, extra) = (number(corrections)?, number(corrections)?);
        if plain > CHUNK || extra > CHUNK || wide(plain) > left || extra == 0 {
            return Err(DeltaError::broken(
                "a chunk of a deflate stream is too long",
            ));
        }
        let mut bytes = vec![0; plain];
        for piece in bytes.chunks_mut(BUFFER) {
            from.read_exact(piece)?;
            told(wide(piece.len()))?;
        }
        let mut correction = vec![0; extra];
        corrections.read_exact(&mut correction)?;
        left = left.saturating_sub(wide(plain));
        let packed = catch_unwind(AssertUnwindSafe(|| {
            let mut bytes = Cursor::new(bytes.as_slice());
            let packed = model.recompress(&mut bytes, &correction);
            packed.map(|(packed, _)| packed)
        }));
        match packed {
            Ok(Ok(packed)) => to.write_all(&packed)?,
            _ => return Err(DeltaError::broken("a deflate stream cannot be packed")),
        }
    }
    Ok(())
}

fn number(from: &mut dyn Read) -> Result<usize, DeltaError> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    small(u64::from(u32::from_le_bytes(bytes)))
}

/// A stream, opened.
#[cfg(feature = "connected")]
pub(super) struct Opened {
    /// Its plain bytes.
    pub(super) plain: Vec<u8>,
    /// Its chunks.
    pub(super) corrections: Vec<u8>,
    /// How many bytes of the packed ones belong to it.
    pub(super) packed: usize,
}

/// Opens the stream at the beginning of `packed`; none when that fails, or makes more than `limit` bytes.
#[cfg(feature = "connected")]
pub(super) fn open(packed: &[u8], limit: u64) -> Option<Opened> {
    use preflate_rs::{PreflateConfig, PreflateStreamProcessor};

    let config = PreflateConfig {
        plain_text_limit: CHUNK,
        verify_compression: false,
        ..PreflateConfig::default()
    };
    let open = || {
        let mut model = PreflateStreamProcessor::new(&config);
        let mut found = Opened {
            plain: Vec::new(),
            corrections: Vec::new(),
            packed: 0,
        };
        while !model.is_done() {
            let chunk = model.decompress(packed.get(found.packed..)?).ok()?;
            let plain = model.plain_text().text();
            found.plain.extend_from_slice(plain);
            found.packed = found.packed.checked_add(chunk.compressed_size)?;
            for length in [plain.len(), chunk.corrections.len()] {
                found
                    .corrections
                    .extend(u32::try_from(length).ok()?.to_le_bytes());
            }
            found.corrections.extend(chunk.corrections);
            if wide(found.plain.len()) > limit || chunk.compressed_size == 0 {
                return None;
            }
            model.shrink_to_dictionary();
        }
        Some(found)
    };
    catch_unwind(AssertUnwindSafe(open)).ok().flatten()
}
