//! Entries of sources files, in both formats of sources.list(5).

use crate::sources::apt::deb822::{Field, Item, Reader};
use crate::sources::apt::error::AptError;
use crate::types::fingerprint::Fingerprint;

/// One source entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// File and line.
    pub(super) place: String,
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    /// Architectures it is limited to; empty for no limit.
    arches: Vec<String>,
    pub(super) signed_by: SignedBy,
}

/// What an entry trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignedBy {
    /// The system's trusted keys.
    System,
    /// Those of the system's trusted keys that have these fingerprints.
    Fingerprints(Vec<Fingerprint>),
    /// Keyring files.
    Files(Vec<String>),
    /// A key that stands in the entry itself, armored.
    Embedded(String),
}

impl Entry {
    /// Whether it is for hosts of this architecture.
    pub(super) fn is_for(&self, arch: &str) -> bool {
        self.arches.is_empty() || self.arches.iter().any(|one| one == arch)
    }

    /// The file it stands in.
    pub(super) fn file(&self) -> &str {
        self.place
            .rsplit_once(':')
            .map_or(&self.place, |(file, _)| file)
    }

    fn check(self) -> Result<Self, AptError> {
        let wrong = |what: &str| Err(AptError::System(format!("{}: {what}", self.place)));
        if self.uris.is_empty() || self.suites.is_empty() {
            return wrong("the entry lacks URIs or Suites");
        }
        if self.suites.iter().any(|suite| suite.ends_with('/')) {
            return wrong(
                "a repository without suites (its suite ends in `/`) is not supported; ask its maker for one with dists/",
            );
        }
        if self.components.is_empty() {
            return wrong("the entry lacks Components");
        }
        Ok(self)
    }
}

/// The entries of a `.sources` file. Disabled ones and those of source packages are left out.
pub(super) fn read_deb822(text: &str, place: &str) -> Result<Vec<Entry>, AptError> {
    let syntax = |source| AptError::Syntax {
        place: place.to_owned(),
        source,
    };
    let mut reader = Reader::new(text.as_bytes()).map_err(syntax)?;
    let (mut found, mut fields): (Vec<Entry>, Vec<Field<'_>>) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next_item().map_err(syntax)? {
        match item {
            Item::Field(field) => {
                field.text().map_err(syntax)?;
                fields.push(field);
            }
            Item::End => {
                found.extend(stanza(&std::mem::take(&mut fields), place)?);
            }
        }
    }
    Ok(found)
}

fn stanza(fields: &[Field<'_>], place: &str) -> Result<Option<Entry>, AptError> {
    let field = |name: &str| fields.iter().find(|field| field.is(name));
    let words = |name: &str| -> Vec<String> {
        let lines = field(name).into_iter().flat_map(Field::lines);
        let text = lines.map(|line| String::from_utf8_lossy(line).into_owned());
        let text: Vec<String> = text.collect();
        let words = text.join(" ");
        words.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let off = |value: &str| ["no", "false", "0", "off", "without", "disable"].contains(&value);
    let disabled = words("Enabled")
        .iter()
        .any(|value| off(&value.to_ascii_lowercase()));
    if disabled || !words("Types").iter().any(|one| one == "deb") {
        return Ok(None);
    }
    let line = fields.first().map_or(1, |field| field.line);
    let place = format!("{place}:{line}");
    let signed_by = match field("Signed-By") {
        None => SignedBy::System,
        Some(value) => {
            let lines: Vec<String> = value
                .lines()
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            signed_by(&lines, &place)?
        }
    };
    let entry = Entry {
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        arches: words("Architectures"),
        signed_by,
        place,
    };
    entry.check().map(Some)
}

fn signed_by(lines: &[String], place: &str) -> Result<SignedBy, AptError> {
    if lines.iter().any(|line| line.starts_with("-----BEGIN")) {
        // A line with a dot stands for an empty one (deb822(5)).
        let lines = lines.iter().map(|line| if line == "." { "" } else { line });
        let key: Vec<&str> = lines.skip_while(|line| line.is_empty()).collect();
        return Ok(SignedBy::Embedded(key.join("\n") + "\n"));
    }
    let words: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split([' ', '\t', ',']))
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return Ok(SignedBy::System);
    }
    if words.iter().all(|word| word.starts_with('/')) {
        return Ok(SignedBy::Files(
            words.into_iter().map(str::to_owned).collect(),
        ));
    }
    // A `!` asks for the very subkey; the certificate is what is pinned here.
    let fingerprints = words.iter().map(|word| word.trim_end_matches('!').parse());
    fingerprints
        .collect::<Result<Vec<Fingerprint>, _>>()
        .map(SignedBy::Fingerprints)
        .map_err(|error| AptError::System(format!("{place}: Signed-By: {error}")))
}

/// The entries of a `.list` file.
pub(super) fn read_lines(text: &str, place: &str) -> Result<Vec<Entry>, AptError> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim_ascii();
        let Some(rest) = line
            .strip_prefix("deb")
            .filter(|rest| rest.starts_with([' ', '\t', '[']))
        else {
            continue;
        };
        let place = format!("{place}:{}", number + 1);
        let mut rest = rest.trim_ascii_start();
        let mut options = "";
        if let Some(inside) = rest.strip_prefix('[') {
            (options, rest) = inside.split_once(']').ok_or_else(|| {
                AptError::System(format!("{place}: the options do not end with `]`"))
            })?;
        }
        let mut words = rest.split_ascii_whitespace().map(str::to_owned);
        let uri = words.next().unwrap_or_default();
        if uri.starts_with("cdrom:") {
            continue;
        }
        let option = |wanted: &str| -> Vec<String> {
            options
                .split_ascii_whitespace()
                .filter_map(|one| one.split_once('='))
                .filter(|(name, _)| name.trim_end_matches('+') == wanted)
                .flat_map(|(_, value)| value.split(','))
                .map(str::to_owned)
                .collect()
        };
        let entry = Entry {
            uris: Some(uri)
                .filter(|uri| !uri.is_empty())
                .into_iter()
                .collect(),
            suites: words.next().into_iter().collect(),
            components: words.collect(),
            arches: option("arch"),
            signed_by: signed_by(&option("signed-by"), &place)?,
            place,
        };
        found.push(entry.check()?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stanzas_with_comments_inside() {
        let text = "Types: deb deb-src\n# an older place\nURIs: http://a.example/debian http://b.example/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\n  contrib\nSigned-By: /k/a.gpg\n\n\
            Types: deb\nURIs: http://c.example\nSuites: s\nComponents: m\nEnabled: no\n\n\
            Types: deb-src\nURIs: http://d.example\nSuites: s\nComponents: m\n\n\
            Types: deb\nURIs: http://e.example\nSuites: s\nComponents: m\nArchitectures: arm64\nSigned-By:\n \
            -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let found = read_deb822(text, "x.sources").unwrap();
        let [first, last] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            first.uris,
            ["http://a.example/debian", "http://b.example/debian"]
        );
        assert_eq!(first.components, ["main", "contrib"]);
        assert_eq!(
            first.signed_by,
            SignedBy::Files(vec!["/k/a.gpg".to_owned()])
        );
        assert_eq!(first.place, "x.sources:1");
        assert!(!last.is_for("amd64") && last.is_for("arm64"));
        let key =
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(last.signed_by, SignedBy::Embedded(key.to_owned()));
    }

    #[test]
    fn reads_lines_with_options() {
        let text = "# deb http://old.example s m\ndeb [arch=amd64,arm64 signed-by=/k/a.asc] http://a.example/x noble main universe # why\n\
            deb-src http://a.example/x noble main\ndeb http://b.example noble main\ndeb cdrom:[Debian]/ bookworm main\n";
        let found = read_lines(text, "x.list").unwrap();
        let [first, second] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (first.place.as_str(), first.suites.as_slice()),
            ("x.list:2", &["noble".to_owned()][..])
        );
        assert_eq!(first.components, ["main", "universe"]);
        assert!(first.is_for("arm64") && !first.is_for("i386"));
        assert_eq!(
            first.signed_by,
            SignedBy::Files(vec!["/k/a.asc".to_owned()])
        );
        assert_eq!(second.signed_by, SignedBy::System);
        assert!(second.is_for("i386"));
    }

    #[test]
    fn refuses_entries_that_name_no_suite() {
        for (text, why) in [
            ("deb http://a.example", "lacks URIs or Suites"),
            ("deb http://a.example ./", "ends in `/`"),
            ("deb http://a.example s", "lacks Components"),
            ("deb [signed-by=1234 http://a.example s m", "do not end"),
            ("deb [signed-by=1234] http://a.example s m", "Signed-By"),
        ] {
            let error = read_lines(text, "x.list").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
