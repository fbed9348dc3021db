//! Package lists (`Packages`) and dpkg's status file, read without copying.

use super::deb822::{Field, Item, Reader, SyntaxError};

/// Most packages in one list. Debian's largest has 70,000.
pub(crate) const MAX_PACKAGES: usize = 500_000;

/// One package of a list, as far as a closure needs it. Texts are empty where the field is absent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record<'a> {
    /// `Package`.
    pub(crate) name: &'a str,
    /// `Version`.
    pub(crate) version: &'a str,
    /// `Architecture`.
    pub(crate) arch: &'a str,
    /// `Multi-Arch: allowed`: satisfies `name:any`.
    pub(crate) allowed: bool,
    /// `Essential: yes`.
    pub(crate) essential: bool,
    /// `Important: yes` or `Protected: yes`.
    pub(crate) important: bool,
    /// `Priority`: 1 required to 5 extra; 0 when absent.
    pub(crate) priority: u8,
    /// `Source`, with its version in parentheses when that is another.
    pub(crate) source: &'a str,
    /// `Pre-Depends`, `Depends`, `Conflicts`, `Breaks`, `Recommends`, `Suggests`, `Replaces`,
    /// `Enhances`, in this order: the order in which apt looks at them.
    pub(crate) relations: [&'a str; 8],
    /// `Provides`.
    pub(crate) provides: &'a str,
    /// `Filename`.
    pub(crate) filename: &'a str,
    /// `Size`.
    pub(crate) size: &'a str,
    /// `SHA256`.
    pub(crate) sha256: &'a str,
    /// `Status` (in dpkg's status file only).
    pub(crate) status: &'a str,
    /// Line of its first field.
    pub(crate) line: usize,
}

impl<'a> Record<'a> {
    /// Name and version of the source package.
    #[must_use]
    pub(crate) fn source_package(&self) -> (&'a str, &'a str) {
        if self.source.is_empty() {
            return (self.name, self.version);
        }
        match self.source.split_once(' ') {
            Some((name, version)) => {
                let inside = version.trim_ascii().strip_prefix('(');
                let version = inside.and_then(|inside| inside.strip_suffix(')'));
                (name, version.unwrap_or(self.version))
            }
            None => (self.source, self.version),
        }
    }

    fn set(&mut self, field: &Field<'a>) -> Result<(), SyntaxError> {
        // Names are compared without case; none that matters is longer.
        let mut lower = [0; 16];
        let Some(key) = lower.get_mut(..field.name.len()) else {
            return Ok(());
        };
        key.copy_from_slice(field.name);
        key.make_ascii_lowercase();
        let [
            pre_depends,
            depends,
            conflicts,
            breaks,
            recommends,
            suggests,
            replaces,
            enhances,
        ] = &mut self.relations;
        let place = match &*key {
            b"package" => &mut self.name,
            b"version" => &mut self.version,
            b"architecture" => &mut self.arch,
            b"source" => &mut self.source,
            b"pre-depends" => pre_depends,
            b"depends" => depends,
            b"conflicts" => conflicts,
            b"breaks" => breaks,
            b"recommends" => recommends,
            b"suggests" => suggests,
            b"replaces" => replaces,
            b"enhances" => enhances,
            b"provides" => &mut self.provides,
            b"filename" => &mut self.filename,
            b"size" => &mut self.size,
            b"sha256" => &mut self.sha256,
            b"status" => &mut self.status,
            b"multi-arch" => {
                self.allowed = field.value == b"allowed";
                return Ok(());
            }
            b"essential" => {
                self.essential = field.value.eq_ignore_ascii_case(b"yes");
                return Ok(());
            }
            b"important" | b"protected" => {
                self.important |= field.value.eq_ignore_ascii_case(b"yes");
                return Ok(());
            }
            b"priority" => {
                self.priority = priority(field.value);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if !place.is_empty() {
            return Err(SyntaxError {
                line: field.line,
                what: "the field comes twice in one stanza",
            });
        }
        *place = field.text()?;
        Ok(())
    }
}

/// Every package of a list.
///
/// # Errors
/// When the text is no control file, a package has no name or version, or there are more than
/// [`MAX_PACKAGES`].
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Record<'_>>, SyntaxError> {
    let mut reader = Reader::new(text)?;
    let mut found = Vec::new();
    let mut record = Record::default();
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Field(field) => {
                if record.line == 0 {
                    record.line = field.line;
                }
                record.set(&field)?;
            }
            Item::End => {
                let done = std::mem::take(&mut record);
                check(&done)?;
                found.push(done);
                if found.len() > MAX_PACKAGES {
                    return Err(SyntaxError {
                        line: done.line,
                        what: "there are too many packages",
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Names and versions are shown to people and become parts of file names: nothing odd may be in them.
fn check(record: &Record<'_>) -> Result<(), SyntaxError> {
    let wrong = |what| SyntaxError {
        line: record.line,
        what,
    };
    let name = |text: &str| {
        text.len() >= 2
            && text.len() <= 200
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
    };
    if !name(record.name) {
        return Err(wrong("the stanza has no name of a package"));
    }
    let version = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.~:_".contains(&byte);
    if record.version.len() > 200 || !record.version.bytes().all(version) {
        return Err(wrong("the version is none"));
    }
    // dpkg keeps stanzas without version for packages that were removed.
    if record.version.is_empty() && record.status.is_empty() {
        return Err(wrong("the package has no version"));
    }
    Ok(())
}

fn priority(value: &[u8]) -> u8 {
    match value.to_ascii_lowercase().as_slice() {
        b"required" => 1,
        b"important" => 2,
        b"standard" => 3,
        b"optional" => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_closure_needs() {
        let text = b"Package: libfoo1\nSource: foo (1.0)\nVersion: 1.0+b1\nArchitecture: amd64\n\
            Multi-Arch: allowed\nPriority: important\nDEPENDS: libc6 (>= 2),\n zlib1g\nProvides: bar (= 2)\n\
            Filename: pool/f.deb\nSize: 12\nSHA256: aa\nDescription: x\n .\n y\n\n\
            Package: gone\nStatus: deinstall ok config-files\n\n";
        let found = parse(text).unwrap();
        let [first, gone] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(first.source_package(), ("foo", "1.0"));
        assert_eq!(
            (first.name, first.version, first.priority),
            ("libfoo1", "1.0+b1", 2)
        );
        assert_eq!(first.relations[1], "libc6 (>= 2),\n zlib1g");
        assert!(first.allowed && !first.essential);
        assert_eq!(
            (gone.name, gone.status),
            ("gone", "deinstall ok config-files")
        );
    }

    #[test]
    fn refuses_stanzas_that_are_no_packages() {
        for (text, what) in [
            (&b"Version: 1\n"[..], "the stanza has no name of a package"),
            (
                b"Package: ../x\nVersion: 1\n",
                "the stanza has no name of a package",
            ),
            (b"Package: aa\n", "the package has no version"),
            (b"Package: aa\nVersion: 1 2\n", "the version is none"),
            (
                b"Package: aa\nVersion: 1\nVersion: 2\n",
                "the field comes twice in one stanza",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().what, what);
        }
    }
}
