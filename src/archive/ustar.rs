//! Strict ustar (POSIX.1-1988): plain files, one way to write each.
//!
//! A header is a function of path and size alone: mode 0644, owner and group 0 without names, time 0, no
//! extension of PAX or GNU. [`read`] accepts exactly the blocks that [`header`] writes, so that two readers
//! cannot understand one differently, and `tar --format=ustar --blocking-factor=1 --numeric-owner --owner=0
//! --group=0 --mode=0644 --mtime=@0` of the same files writes the same bytes. No I/O.

use crate::types::path::RelPath;

/// Size of a header, and what the bytes of each file are filled up to with zeros.
pub const BLOCK: usize = 512;
/// A block of a tar.
pub type Block = [u8; BLOCK];
/// Largest file, in bytes: eleven octal digits.
pub const MAX_SIZE: u64 = 0o77_777_777_777;
/// How many blocks of zeros end the tar.
pub const END_BLOCKS: usize = 2;
/// Longest last part of a name, in bytes.
const NAME: usize = 100;
/// Longest first part of a name, in bytes.
const PREFIX: usize = 155;
/// The fields between size and checksum, and behind it, as far as they are the same in each header.
const TIME: &[u8] = b"00000000000\0";
const MAGIC: &[u8] = b"ustar\x0000";
const NUMBER: &[u8] = b"0000000\0";

/// A path or size that a strict ustar cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitError {
    /// The path cannot be divided at a `/` into 155 and 100 characters.
    #[error("{0}: a tar holds names of 100 characters, and folders of 155 before them")]
    Name(RelPath),
    /// The file is too large.
    #[error("{path}: {size} bytes; a tar holds files below 8 GiB")]
    Size {
        /// The file.
        path: RelPath,
        /// Its size.
        size: u64,
    },
}

/// A file of a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub path: RelPath,
    /// Its size in bytes.
    pub size: u64,
}

/// Whether the path fits.
#[must_use]
pub fn fits(path: &RelPath) -> bool {
    divide(path.as_str()).is_some()
}

/// The header of a file.
///
/// # Errors
/// When path or size do not fit.
pub fn header(path: &RelPath, size: u64) -> Result<Block, UnfitError> {
    let (prefix, name) = divide(path.as_str()).ok_or_else(|| UnfitError::Name(path.clone()))?;
    if size > MAX_SIZE {
        return Err(UnfitError::Size {
            path: path.clone(),
            size,
        });
    }
    let octal = format!("{size:011o}\0");
    // Field after field: name, mode, uid, gid, size, mtime, chksum, typeflag, linkname, magic and version,
    // uname, gname, devmajor, devminor, prefix.
    let fields: [(&[u8], usize); 15] = [
        (name.as_bytes(), NAME),
        (b"0000644\0", 8),
        (NUMBER, 8),
        (NUMBER, 8),
        (octal.as_bytes(), 12),
        (TIME, 12),
        (b"        ", 8),
        (b"0", 1),
        (b"", 100),
        (MAGIC, 8),
        (b"", 32),
        (b"", 32),
        (NUMBER, 8),
        (NUMBER, 8),
        (prefix.as_bytes(), PREFIX),
    ];
    let mut block = [0; BLOCK];
    let mut at = 0_usize;
    for (bytes, width) in fields {
        put(&mut block, at, bytes);
        at = at.saturating_add(width);
    }
    let sum = format!("{:06o}\0", checksum(&block));
    put(&mut block, CHECKSUM, sum.as_bytes());
    Ok(block)
}

/// The file that a header stands for; none for a block of zeros.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(block: &Block) -> Result<Option<Member>, String> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let wrong = |text: &str| Err(text.to_owned());
    if field(block, 257, 6) == b"ustar " {
        return wrong("a header of GNU tar, not ustar");
    }
    if field(block, 257, 8) != MAGIC {
        return wrong("no ustar header");
    }
    let stated = octal(field(block, CHECKSUM, 6));
    if stated != Some(u64::from(checksum(block))) {
        return wrong("a header with a wrong checksum");
    }
    match field(block, 156, 1) {
        b"0" => {}
        b"x" | b"g" => return wrong("a PAX extension"),
        b"L" | b"K" => return wrong("a GNU long name"),
        b"S" => return wrong("a sparse file"),
        b"1" => return wrong("a hard link"),
        b"2" => return wrong("a symbolic link"),
        b"3" | b"4" => return wrong("a device"),
        b"5" => return wrong("a folder, where only files may be"),
        b"6" => return wrong("a pipe"),
        _ => return wrong("an entry of unknown type"),
    }
    let (prefix, name) = (text(field(block, 345, PREFIX)), text(field(block, 0, NAME)));
    let joined = match (prefix, name) {
        (Some(""), Some(name)) => name.to_owned(),
        (Some(prefix), Some(name)) => format!("{prefix}/{name}"),
        _ => return wrong("a name that is not plain ASCII"),
    };
    let path: RelPath = joined
        .parse()
        .map_err(|error| format!("a name that a bundle cannot have: {error}"))?;
    let size = octal(field(block, 124, 11));
    let Some(size) = size else {
        return Err(format!("{path}: a size that is no octal number"));
    };
    match header(&path, size) {
        Ok(only) if only == *block => Ok(Some(Member { path, size })),
        _ => Err(format!(
            "{path}: a header that is not written the one way (mode 0644, owner 0, time 0, no names)"
        )),
    }
}

/// How many zeros fill up the last block of a file of this size.
#[must_use]
pub fn padding(size: u64) -> u64 {
    let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    size.next_multiple_of(block).saturating_sub(size)
}

/// Place of the checksum.
const CHECKSUM: usize = 148;

/// Folders and last part of a path: all in the last where it fits, else as many folders in the first as
/// fit, as GNU tar divides.
fn divide(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME {
        return Some(("", path));
    }
    path.match_indices('/')
        .filter_map(|(at, _)| path.split_at_checked(at))
        .map(|(prefix, rest)| (prefix, rest.trim_start_matches('/')))
        .rfind(|(prefix, _)| prefix.len() <= PREFIX)
        .filter(|(_, name)| name.len() <= NAME)
}

fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn field(block: &Block, at: usize, width: usize) -> &[u8] {
    block.get(at..at.saturating_add(width)).unwrap_or_default()
}

/// Sum of all bytes, those of the checksum taken as spaces.
fn checksum(block: &Block) -> u32 {
    let places = CHECKSUM..CHECKSUM.saturating_add(8);
    block
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if places.contains(&at) { b' ' } else { *byte }))
        .sum()
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0);
    let used = field.get(..end.unwrap_or(field.len()))?;
    std::str::from_utf8(used)
        .ok()
        .filter(|text| text.is_ascii())
}

fn octal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    plain.then(|| u64::from_str_radix(text, 8).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        text.parse().unwrap()
    }

    fn sealed(mut block: Block) -> Block {
        let sum = format!("{:06o}\0 ", checksum(&block));
        put(&mut block, CHECKSUM, sum.as_bytes());
        block
    }

    #[test]
    fn a_path_is_divided_so_that_both_parts_fit_or_is_refused() {
        let (hundred, long) = ("a".repeat(100), "b".repeat(54));
        assert_eq!(divide(&hundred), Some(("", hundred.as_str())));
        let whole = format!("{hundred}/{long}/{hundred}");
        let folders = format!("{hundred}/{long}");
        assert_eq!(divide(&whole), Some((folders.as_str(), hundred.as_str())));
        // 100 + 100 + 38: a division after the first leaves 139, after the second takes 201.
        let unfit = path(&format!("{hundred}/{hundred}/{}", "c".repeat(38)));
        assert!(!fits(&unfit));
        assert_eq!(header(&unfit, 0), Err(UnfitError::Name(unfit.clone())));
        assert_eq!(
            header(&path("a"), MAX_SIZE + 1),
            Err(UnfitError::Size {
                path: path("a"),
                size: MAX_SIZE + 1
            })
        );
        assert!(header(&path("a"), MAX_SIZE).is_ok());
    }

    #[test]
    fn every_changed_byte_of_a_header_is_refused() {
        let block = header(&path("v1/files/app/app.tar.gz"), 12_345).unwrap();
        for at in 0..BLOCK {
            let mut other = block;
            other[at] ^= 1;
            assert!(read(&other).is_err(), "byte {at}");
        }
    }

    /// With a right checksum: what is not the one way is refused field by field.
    #[test]
    fn a_sealed_header_of_another_kind_is_refused_by_name() {
        let good = header(&path("v1/files/app"), 5).unwrap();
        let with = |at: usize, bytes: &[u8]| {
            let mut block = good;
            put(&mut block, at, bytes);
            read(&sealed(block)).unwrap_err()
        };
        for (at, bytes, said) in [
            (156, &b"x"[..], "PAX"),
            (156, b"g", "PAX"),
            (156, b"L", "long name"),
            (156, b"S", "sparse"),
            (156, b"1", "hard link"),
            (156, b"2", "symbolic link"),
            (156, b"3", "device"),
            (156, b"5", "folder"),
            (156, b"6", "pipe"),
            (156, b"\0", "unknown type"),
            (100, b"0000755", "one way"),
            (108, b"0000001", "one way"),
            (124, b"\x80\0\0\0", "octal"),
            (124, b"          5", "octal"),
            (136, b"00000000001", "one way"),
            (157, b"x", "one way"),
            (257, b"ustar  \0", "GNU"),
            (265, b"root", "one way"),
            (345, b"../..", "cannot have"),
            (0, b"/etc/passwd", "cannot have"),
            (0, b"../x\0", "cannot have"),
            (0, b"v1/\xc3\xa4", "ASCII"),
            (500, b"x", "one way"),
            // A name of a prefix that the one way would not have divided off.
            (345, b"v1", "one way"),
        ] {
            assert!(with(at, bytes).contains(said), "{at}: {}", with(at, bytes));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            parts in proptest::collection::vec("[A-Za-z0-9][A-Za-z0-9_+~-]{0,99}", 1..5),
            size in 0..=MAX_SIZE,
        ) {
            let Ok(path) = parts.join("/").parse::<RelPath>() else { return Ok(()) };
            match header(&path, size) {
                Ok(block) => prop_assert_eq!(read(&block), Ok(Some(Member { path, size }))),
                Err(_) => prop_assert!(!fits(&path)),
            }
        }

        #[test]
        fn no_block_makes_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), BLOCK)) {
            let block: Block = bytes.try_into().unwrap();
            let _ = read(&block);
        }
    }
}
