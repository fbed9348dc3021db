//! What a file is, by its first bytes and by its name.

/// How many bytes tell the kind: a tar is known by bytes 257 to 262 of its first block.
pub(super) const LOOKED_AT: u64 = 512;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2.
    Bzip2,
    /// zip.
    Zip,
    /// A tar that is not packed (POSIX.1-1988 ustar and later).
    Tar,
    /// A Debian package (deb(5)).
    Deb,
    /// An RPM package.
    Rpm,
    /// A program or library (ELF).
    Elf,
    /// None of these.
    Other,
}

impl Kind {
    /// The kind that first bytes show.
    #[must_use]
    pub fn of_bytes(begin: &[u8]) -> Self {
        const MAGIC: [(&[u8], Kind); 9] = [
            (b"\x1f\x8b", Kind::Gzip),
            (b"\xfd7zXZ\x00", Kind::Xz),
            (b"\x28\xb5\x2f\xfd", Kind::Zstd),
            (b"BZh", Kind::Bzip2),
            (b"PK\x03\x04", Kind::Zip),
            (b"PK\x05\x06", Kind::Zip),
            (b"!<arch>\ndebian-binary", Kind::Deb),
            (b"\xed\xab\xee\xdb", Kind::Rpm),
            (b"\x7fELF", Kind::Elf),
        ];
        let magic = MAGIC.iter().find(|(magic, _)| begin.starts_with(magic));
        match magic {
            Some((_, kind)) => *kind,
            None if begin.get(257..262) == Some(b"ustar") => Self::Tar,
            None => Self::Other,
        }
    }

    /// The kind that a name promises; `None` when its ending promises nothing.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        const ENDINGS: [(&str, Kind); 14] = [
            (".gz", Kind::Gzip),
            (".tgz", Kind::Gzip),
            (".xz", Kind::Xz),
            (".txz", Kind::Xz),
            (".zst", Kind::Zstd),
            (".bz2", Kind::Bzip2),
            (".zip", Kind::Zip),
            (".jar", Kind::Zip),
            (".whl", Kind::Zip),
            (".tar", Kind::Tar),
            (".deb", Kind::Deb),
            (".udeb", Kind::Deb),
            (".rpm", Kind::Rpm),
            (".appimage", Kind::Elf),
        ];
        let name = name.to_ascii_lowercase();
        ENDINGS
            .iter()
            .find(|(ending, _)| name.ends_with(ending))
            .map(|(_, kind)| *kind)
    }

    /// Whether a file whose name promises `self` may be `found`.
    pub(super) fn admits(self, found: Self) -> bool {
        self == found
    }

    /// The kind in words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Deb => "a Debian package",
            Self::Rpm => "an RPM package",
            Self::Elf => "an ELF program",
            Self::Other => "of no known kind",
        }
    }
}

/// `e_machine` of an ELF header (System V gABI, chapter 4); `None` when it is none.
pub(super) fn elf_machine(begin: &[u8]) -> Option<u16> {
    if !begin.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes = <[u8; 2]>::try_from(begin.get(18..20)?).ok()?;
    match begin.get(5)? {
        1 => Some(u16::from_le_bytes(bytes)),
        2 => Some(u16::from_be_bytes(bytes)),
        _ => None,
    }
}

/// A processor in words.
pub(super) fn machine_name(machine: u16) -> String {
    match machine {
        3 => "i386".to_owned(),
        21 => "ppc64".to_owned(),
        22 => "s390x".to_owned(),
        40 => "arm (32-bit)".to_owned(),
        62 => "amd64".to_owned(),
        183 => "arm64".to_owned(),
        243 => "riscv".to_owned(),
        other => format!("processor {other}"),
    }
}
