//! The signed index of a suite: `InRelease`, or `Release` with `Release.gpg`.
//!
//! Fields: <https://wiki.debian.org/DebianRepository/Format>. Only the `SHA256` section is used.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::deb822::{Item, Reader};
use crate::types::digest::Digest;

/// Most files that one index may list. Debian's largest lists 2,500.
const MAX_FILES: usize = 100_000;

/// What an index says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) suite: Option<String>,
    pub(super) codename: Option<String>,
    /// `Date`, as written.
    pub(super) date: String,
    /// `Valid-Until`, as written.
    pub(super) valid_until: Option<String>,
    /// `Components`, as written: the security archive prefixes them with `updates/`.
    pub(super) components: Vec<String>,
    /// `Acquire-By-Hash: yes`.
    pub(super) by_hash: bool,
    /// `Architectures` names `all`, and packages of it stand in a list of their own.
    pub(super) separate_all: bool,
    /// Digest and size of each file it vouches for.
    pub(super) files: BTreeMap<String, (Digest, u64)>,
}

impl Release {
    /// Reads the signed text.
    ///
    /// # Errors
    /// In words, when it is no index.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut release = Self::default();
        let (mut ended, mut all, mut all_inside) = (false, false, false);
        while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
            let Item::Field(field) = item else {
                ended = true;
                continue;
            };
            if ended {
                return Err("it holds more than one stanza".to_owned());
            }
            let value = field.text().map_err(|error| error.to_string())?;
            let yes = value.eq_ignore_ascii_case("yes");
            match field.name.to_ascii_lowercase().as_slice() {
                b"suite" => release.suite = Some(value.to_owned()),
                b"codename" => release.codename = Some(value.to_owned()),
                b"date" => value.clone_into(&mut release.date),
                b"valid-until" => release.valid_until = Some(value.to_owned()),
                b"components" => release.components = words(value),
                b"acquire-by-hash" => release.by_hash = yes,
                b"architectures" => all = words(value).iter().any(|one| one == "all"),
                b"no-support-for-architecture-all" => all_inside = value == "Packages",
                b"sha256" => release.files = files(value)?,
                _ => {}
            }
        }
        release.separate_all = all && !all_inside;
        if release.files.is_empty() {
            return Err("it has no SHA256 section; weaker hashes are not used".to_owned());
        }
        if release.date.is_empty() {
            return Err("it has no Date".to_owned());
        }
        time(&release.date)?;
        Ok(release)
    }

    /// Until when it is valid.
    ///
    /// # Errors
    /// In words, when the date cannot be read.
    pub(super) fn valid_until(&self) -> Result<Option<Timestamp>, String> {
        self.valid_until.as_deref().map(time).transpose()
    }

    /// Whether this is the index of the suite `asked`, by `Suite` or `Codename`, as apt decides it
    /// (`metaIndex::CheckDist`): the part after the last `/` of an old security suite
    /// (`stretch/updates`) does not count, and may as well be written with `-`.
    ///
    /// Stricter than apt in one case: the updates of a release carry its code name too
    /// (`Suite: noble-updates`, `Codename: noble`) and are not the index of the release.
    pub(super) fn is_of(&self, asked: &str) -> bool {
        let (stem, dashed) = match asked.strip_suffix("/updates") {
            Some(stem) => (stem, format!("{stem}-updates")),
            None => (asked, asked.to_owned()),
        };
        let slashed = asked
            .strip_suffix("-updates")
            .map(|stem| format!("{stem}/updates"));
        let spellings = [Some(asked), Some(stem), Some(&dashed), slashed.as_deref()];
        let fits = |name: Option<&str>| name.is_some() && spellings.contains(&name);
        if fits(self.suite.as_deref()) {
            return true;
        }
        let codename = self.codename.as_deref();
        let pocket = self.suite.as_deref().zip(codename);
        let is_pocket = pocket.is_some_and(|(suite, codename)| {
            let rest = suite.strip_prefix(codename);
            rest.is_some_and(|rest| rest.starts_with('-'))
        });
        fits(codename) && !(is_pocket && stem == asked)
    }

    /// When it was made.
    ///
    /// # Errors
    /// In words, when the date cannot be read.
    pub(super) fn made(&self) -> Result<Timestamp, String> {
        time(&self.date)
    }

    /// The folder of a component as configured. The security archive says `updates/main` where both
    /// its users and its folders say `main`; what is in the list decides.
    pub(super) fn folder(&self, component: &str, arch: &str) -> Option<String> {
        let plain = component.rsplit('/').next().unwrap_or(component);
        [component, plain]
            .into_iter()
            .map(str::to_owned)
            .find(|one| {
                ["xz", "gz"].iter().any(|ending| {
                    let path = format!("{one}/binary-{arch}/Packages.{ending}");
                    self.files.contains_key(&path)
                })
            })
    }
}

fn words(value: &str) -> Vec<String> {
    value.split_ascii_whitespace().map(str::to_owned).collect()
}

fn files(value: &str) -> Result<BTreeMap<String, (Digest, u64)>, String> {
    let mut found = BTreeMap::new();
    for line in value.lines() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut parts = line.split_ascii_whitespace();
        let row = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(digest), Some(size), Some(path), None) = row else {
            return Err(format!(
                "its SHA256 section has the line `{}`",
                shorten(line)
            ));
        };
        let digest = digest
            .parse()
            .map_err(|_| format!("its SHA256 section has the line `{}`", shorten(line)))?;
        let size = size
            .parse()
            .map_err(|_| format!("its SHA256 section has the line `{}`", shorten(line)))?;
        let known = found.insert(path.to_owned(), (digest, size));
        if known.is_some_and(|known| known != (digest, size)) {
            return Err(format!("it vouches for two different `{}`", shorten(path)));
        }
        if found.len() > MAX_FILES {
            return Err(format!("it lists more than {MAX_FILES} files"));
        }
    }
    Ok(found)
}

fn shorten(text: &str) -> String {
    text.chars()
        .take(160)
        .flat_map(char::escape_default)
        .collect()
}

/// Dates are those of RFC 5322, with `UTC` or `GMT` for the zone.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let plain = text
        .strip_suffix("UTC")
        .or_else(|| text.strip_suffix("GMT"))
        .or_else(|| text.strip_suffix('Z'));
    let text = plain.map_or_else(|| text.to_owned(), |plain| format!("{plain}+0000"));
    jiff::fmt::rfc2822::parse(&text)
        .map(|zoned| zoned.timestamp())
        .map_err(|error| format!("`{}` is no date: {error}", shorten(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn security() -> String {
        format!(
            "Origin: Debian\nSuite: oldstable-security\nCodename: bookworm-security\n\
             Date: Sat, 21 Nov 2026 00:53:02 UTC\nValid-Until: Sat, 28 Nov 2026 00:53:02 UTC\n\
             Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
             Architectures: all amd64 arm64\nComponents: updates/main updates/contrib\n\
             MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages.xz\n\
             SHA256:\n {DIGEST} 0 main/binary-amd64/Packages.xz\n {DIGEST}        0 main/source/Sources.xz\n"
        )
    }

    #[test]
    fn reads_the_security_archive() {
        let release = Release::parse(&security()).unwrap();
        assert_eq!(release.codename.as_deref(), Some("bookworm-security"));
        assert!(release.by_hash && !release.separate_all);
        assert_eq!(release.files.len(), 2);
        assert_eq!(release.folder("main", "amd64").as_deref(), Some("main"));
        assert_eq!(
            release.folder("updates/main", "amd64").as_deref(),
            Some("main")
        );
        assert_eq!(release.folder("contrib", "amd64"), None);
        assert_eq!(
            release.valid_until().unwrap().unwrap().to_string(),
            "2026-11-28T00:53:02Z"
        );
    }

    #[test]
    fn knows_its_suite_by_every_spelling_and_no_other() {
        // `Suite` and `Codename` as the publishers write them, what is asked for, and the answer.
        for (suite, codename, asked, expected) in [
            ("oldstable", "bookworm", "bookworm", true),
            ("oldstable", "bookworm", "oldstable", true),
            ("oldstable", "bookworm", "trixie", false),
            ("oldstable", "bookworm", "bookworm-updates", false),
            ("oldstable", "bookworm", "", false),
            (
                "oldstable-updates",
                "bookworm-updates",
                "bookworm-updates",
                true,
            ),
            ("oldstable-updates", "bookworm-updates", "bookworm", false),
            (
                "oldstable-security",
                "bookworm-security",
                "bookworm-security",
                true,
            ),
            ("oldstable-security", "bookworm-security", "bookworm", false),
            ("oldoldstable", "buster", "buster/updates", true),
            ("oldoldstable", "buster/updates", "buster-updates", true),
            (
                "oldoldstable-updates",
                "buster-updates",
                "buster/updates",
                true,
            ),
            ("oldoldstable", "buster", "stretch/updates", false),
            ("noble", "noble", "noble", true),
            ("noble-updates", "noble", "noble-updates", true),
            ("noble-updates", "noble", "noble", false),
            ("noble-security", "noble", "noble-updates", false),
            ("bookworm-pgdg", "bookworm-pgdg", "bookworm-pgdg", true),
            ("stable", "bookworm", "bookworm", true),
        ] {
            let release = Release {
                suite: Some(suite.to_owned()),
                codename: Some(codename.to_owned()),
                ..Release::default()
            };
            let text = format!("{suite}, {codename}: {asked}");
            assert_eq!(release.is_of(asked), expected, "{text}");
        }
        assert!(!Release::default().is_of("bookworm"));
    }

    #[test]
    fn refuses_what_is_no_index() {
        let good = security();
        for (bad, why) in [
            (good.replace("SHA256:", "SHA1:"), "no SHA256 section"),
            (good.replace("Date: Sat, 21", "Date: Xyz, 99"), "is no date"),
            (
                good.replace(" 0 main/binary", " x main/binary"),
                "has the line",
            ),
            (format!("{good}\nOrigin: other\n"), "more than one stanza"),
            (
                format!("{good} {DIGEST} 1 main/source/Sources.xz\n"),
                "two different",
            ),
        ] {
            let error = Release::parse(&bad).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
