//! How publishers number their releases, and which of them a requirement allows.
//!
//! | scheme | a version | a requirement |
//! |---|---|---|
//! | `semver` | `11.7.10` (semver.org 2.0) | `~11.7`, `^11`, `>=11.7, <11.9`, `*` as Cargo reads them; `11.7.10` means exactly that |
//! | `minio` | `RELEASE.2025-09-07T16-13-09Z`: the moment is the order | a release, `*`, or `>`, `>=`, `<`, `<=` before releases, with commas |
//! | `postgresql` | `17.11`, `18`, `19beta3`, `19rc1`; from 10 on a major and a minor | `17` means any 17.x, `17.11` exactly that; else as `semver`, such as `>=17.9, <19` |
//!
//! A number that does not fit its scheme is no version of it: release pages hold other tags, too.

use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version, VersionReq};

/// Longest version and requirement, in bytes.
pub const MAX_VERSION: usize = 100;

/// How a publisher numbers releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scheme {
    /// Semantic versions of three numbers.
    #[default]
    Semver,
    /// `RELEASE.` and a moment.
    Minio,
    /// A major and a minor number.
    Postgresql,
}

/// The text is no scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`scheme` must be \"semver\", \"minio\" or \"postgresql\"")]
pub struct ParseSchemeError;

/// The text is no requirement of its scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither a version nor a requirement of the scheme {scheme}, such as {}", .scheme.example())]
pub struct ParseRequirementError {
    text: String,
    scheme: Scheme,
}

/// Whether a release that is called a pre-release counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prereleases {
    /// It does not, unless it is asked for by its exact name.
    #[default]
    Skip,
    /// It counts where the release that it leads to would.
    Allow,
}

/// Which versions are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    text: String,
    scheme: Scheme,
    /// The one version, when it names one.
    exact: Option<Version>,
    allowed: VersionReq,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Semver, Self::Minio, Self::Postgresql];

    /// Its name in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::Minio => "minio",
            Self::Postgresql => "postgresql",
        }
    }

    /// A version of it.
    #[must_use]
    pub const fn example_version(self) -> &'static str {
        match self {
            Self::Semver => "11.7.10",
            Self::Minio => "RELEASE.2025-09-07T16-13-09Z",
            Self::Postgresql => "17.11",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Semver => "`~11.7`",
            Self::Minio => "`>=RELEASE.2025-09-07T16-13-09Z`",
            Self::Postgresql => "`17` or `>=17.9, <19`",
        }
    }

    /// The place of a version in the order of its scheme, as a semantic version; `None` when the text
    /// is no version of it. Two texts of one place are the same release.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Version> {
        if text.len() > MAX_VERSION {
            return None;
        }
        match self {
            Self::Semver => Version::parse(text).ok(),
            Self::Minio => read_minio(text),
            Self::Postgresql => read_postgresql(text),
        }
    }

    /// Which versions a requirement allows.
    ///
    /// # Errors
    /// When the text is no requirement of this scheme.
    pub fn requirement(self, text: &str) -> Result<Requirement, ParseRequirementError> {
        let refused = || ParseRequirementError {
            text: text.chars().take(80).collect(),
            scheme: self,
        };
        if text.len() > MAX_VERSION {
            return Err(refused());
        }
        let exact = self.exact(text);
        let allowed = match (&exact, self) {
            (Some(version), _) => format!("={version}"),
            (None, Self::Minio) => minio_requirement(text).ok_or_else(refused)?,
            // A major alone is every minor of it.
            (None, Self::Postgresql) if is_number(text) => format!("~{text}"),
            (None, _) => text.to_owned(),
        };
        Ok(Requirement {
            text: text.to_owned(),
            scheme: self,
            exact,
            allowed: VersionReq::parse(&allowed).map_err(|_| refused())?,
        })
    }

    /// The one version that a requirement names.
    fn exact(self, text: &str) -> Option<Version> {
        match self {
            Self::Postgresql if is_number(text) => None,
            _ => self.read(text),
        }
    }
}

impl Requirement {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme that it is of.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it names one version.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// Whether it allows a version.
    #[must_use]
    pub fn allows(&self, version: &Version, prereleases: Prereleases) -> bool {
        if let Some(exact) = &self.exact {
            return exact == version;
        }
        if version.pre.is_empty() || prereleases == Prereleases::Skip {
            return version.pre.is_empty() && self.allowed.matches(version);
        }
        let leads_to = Version {
            pre: Prerelease::EMPTY,
            build: BuildMetadata::EMPTY,
            ..version.clone()
        };
        self.allowed.matches(&leads_to) || self.allowed.matches(version)
    }

    /// The newest of `listed` that it allows; with its text.
    pub fn newest<'l>(
        &self,
        listed: impl IntoIterator<Item = &'l str>,
        prereleases: Prereleases,
    ) -> Option<&'l str> {
        listed
            .into_iter()
            .filter_map(|text| Some((self.scheme.read(text)?, text)))
            .filter(|(version, _)| self.allows(version, prereleases))
            .max()
            .map(|(_, text)| text)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = ParseSchemeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.as_str() == text)
            .ok_or(ParseSchemeError)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `RELEASE.2025-09-07T16-13-09Z` as 20250907.161309.0.
fn read_minio(text: &str) -> Option<Version> {
    let moment = text.strip_prefix("RELEASE.")?.strip_suffix('Z')?;
    let (day, time) = moment.split_once('T')?;
    let digits = |text: &str, lengths: [usize; 3]| {
        let parts: Vec<&str> = text.split('-').collect();
        let fit = parts.len() == 3
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == length && is_number(part));
        fit.then(|| parts.concat().parse::<u64>().ok()).flatten()
    };
    Some(Version::new(
        digits(day, [4, 2, 2])?,
        digits(time, [2, 2, 2])?,
        0,
    ))
}

fn minio_requirement(text: &str) -> Option<String> {
    if text.trim() == "*" {
        return Some("*".to_owned());
    }
    let mut all = Vec::new();
    for one in text.split(',') {
        let one = one.trim();
        let at = one.find(|c| !matches!(c, '<' | '>' | '='))?;
        let (sign, release) = one.split_at_checked(at)?;
        all.push(format!("{sign}{}", read_minio(release.trim())?));
        if sign.is_empty() {
            return None;
        }
    }
    Some(all.join(", "))
}

/// `17.11` as 17.11.0, `19beta3` as 19.0.0-beta.3.
fn read_postgresql(text: &str) -> Option<Version> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (numbers, tail) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let number = |text: &str| is_number(text).then(|| text.parse::<u64>().ok()).flatten();
    let (major, minor) = match numbers.split_once('.') {
        Some((major, minor)) => (number(major)?, number(minor)?),
        None => (number(numbers)?, 0),
    };
    if major < 10 {
        return None;
    }
    let mut version = Version::new(major, minor, 0);
    if !tail.is_empty() {
        let (word, count) = ["beta", "rc"]
            .into_iter()
            .find_map(|word| Some((word, number(tail.strip_prefix(word)?)?)))?;
        version.pre = Prerelease::new(&format!("{word}.{count}")).ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest<'l>(scheme: Scheme, wanted: &str, listed: &[&'l str]) -> Option<&'l str> {
        let requirement = scheme.requirement(wanted).unwrap();
        requirement.newest(listed.iter().copied(), Prereleases::Skip)
    }

    #[test]
    fn the_moment_orders_the_releases_of_minio() {
        let listed = [
            "RELEASE.2025-09-07T16-13-09Z",
            "RELEASE.2025-10-15T17-29-55Z",
            "RELEASE.2025-10-15T17-29-54Z",
            "RELEASE.2025-9-7T16-13-09Z",
            "v1",
        ];
        let of = |wanted| newest(Scheme::Minio, wanted, &listed);
        assert_eq!(of("*"), Some("RELEASE.2025-10-15T17-29-55Z"));
        assert_eq!(
            of("<RELEASE.2025-10-15T17-29-54Z"),
            Some("RELEASE.2025-09-07T16-13-09Z")
        );
        assert_eq!(
            of(">RELEASE.2025-09-07T16-13-09Z, <RELEASE.2025-10-15T17-29-55Z"),
            Some("RELEASE.2025-10-15T17-29-54Z")
        );
        assert_eq!(
            of("RELEASE.2025-09-07T16-13-09Z"),
            Some("RELEASE.2025-09-07T16-13-09Z")
        );
        for refused in ["~11.7", "2025-09", "^RELEASE.2025-09-07T16-13-09Z", "", ">"] {
            assert!(Scheme::Minio.requirement(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_major_of_postgresql_is_every_minor_of_it() {
        let listed = ["17.9", "17.11", "18", "18.6", "19beta3", "19rc1", "9.6.24"];
        let of = |wanted| newest(Scheme::Postgresql, wanted, &listed);
        assert_eq!(of("17"), Some("17.11"));
        assert_eq!(of("17.9"), Some("17.9"));
        assert_eq!(of("18.0"), Some("18"));
        assert_eq!(of("18"), Some("18.6"));
        assert_eq!(of(">=17.10, <18"), Some("17.11"));
        assert_eq!(of("*"), Some("18.6"));
        assert_eq!(of("19beta3"), Some("19beta3"));
        assert_eq!(of("19"), None);
        let any = Scheme::Postgresql.requirement("*").unwrap();
        assert_eq!(any.newest(listed, Prereleases::Allow), Some("19rc1"));
        assert_eq!(Scheme::Postgresql.read("9.6.24"), None);
        assert_eq!(Scheme::Postgresql.read("17.11.1"), None);
        assert_eq!(Scheme::Postgresql.read("17alpha"), None);
    }

    #[test]
    fn a_prerelease_counts_only_when_it_is_asked_for() {
        let listed = ["1.0.0-rc.3", "0.9.0", "2.0.0-beta.1"];
        let of = |wanted, prereleases| {
            let requirement = Scheme::Semver.requirement(wanted).unwrap();
            requirement.newest(listed, prereleases)
        };
        assert_eq!(of("*", Prereleases::Skip), Some("0.9.0"));
        assert_eq!(of("*", Prereleases::Allow), Some("2.0.0-beta.1"));
        assert_eq!(of("<2", Prereleases::Allow), Some("1.0.0-rc.3"));
        assert_eq!(of("^1", Prereleases::Skip), None);
        assert_eq!(of("1.0.0-rc.3", Prereleases::Skip), Some("1.0.0-rc.3"));
    }

    #[test]
    fn three_numbers_are_exactly_that_version() {
        let listed = ["11.7.9", "11.7.10", "11.10.0"];
        assert_eq!(newest(Scheme::Semver, "11.7.9", &listed), Some("11.7.9"));
        assert_eq!(newest(Scheme::Semver, "~11.7", &listed), Some("11.7.10"));
        assert_eq!(
            Scheme::Semver.requirement("x y").unwrap_err().to_string(),
            "`x y` is neither a version nor a requirement of the scheme semver, such as `~11.7`"
        );
        assert_eq!("calver".parse::<Scheme>(), Err(ParseSchemeError));
    }
}
