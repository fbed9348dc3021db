//! Choosing a version, and filling in placeholders. Pure.

use super::catalogue;

/// A version could not be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum VersionError {
    /// The requirement is no semantic version requirement.
    #[error("`{0}` is neither a version nor a version requirement such as `~11.7`")]
    Requirement(String),
    /// An entry of the list is no semantic version.
    #[error("`{0}` in `versions` is no version of three numbers")]
    Listed(String),
    /// No version of the list meets the requirement.
    #[error("no version meets `{requirement}`; the newest of the list is {newest}")]
    None {
        /// What was asked for.
        requirement: String,
        /// The newest that there is.
        newest: String,
    },
    /// The list is empty.
    #[error("`versions` is an empty list")]
    Empty,
    /// The catalogue does not know the component.
    #[error("the catalogue knows no versions of `{0}`")]
    NoCatalogue(String),
}

/// The newest of `listed` that meets `wanted` (semver.org precedence; requirements as Cargo reads
/// them). A full version of three numbers means exactly that version.
pub(super) fn choose(wanted: &str, listed: &[&str]) -> Result<String, VersionError> {
    let versions = listed
        .iter()
        .map(|text| {
            semver::Version::parse(text)
                .map_err(|_| VersionError::Listed(text.chars().take(80).collect()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    newest(wanted, versions.iter())
}

/// As [`choose`], from the versions of the catalogue.
pub(super) fn choose_from_catalogue(wanted: &str, component: &str) -> Result<String, VersionError> {
    let releases =
        catalogue::of(component).ok_or_else(|| VersionError::NoCatalogue(component.to_owned()))?;
    newest(wanted, releases.versions())
}

fn newest<'v>(
    wanted: &str,
    versions: impl Iterator<Item = &'v semver::Version> + Clone,
) -> Result<String, VersionError> {
    // `11.7.10` as a requirement would mean `^11.7.10`, which 11.10.0 meets.
    let exact = semver::Version::parse(wanted).is_ok();
    let text = if exact {
        format!("={wanted}")
    } else {
        wanted.to_owned()
    };
    let requirement = semver::VersionReq::parse(&text)
        .map_err(|_| VersionError::Requirement(wanted.chars().take(80).collect()))?;
    let newest = versions.clone().max().ok_or(VersionError::Empty)?;
    versions
        .filter(|version| requirement.matches(version))
        .max()
        .map(ToString::to_string)
        .ok_or_else(|| VersionError::None {
            requirement: wanted.to_owned(),
            newest: newest.to_string(),
        })
}

/// A placeholder that is not known, or a brace that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no placeholder here; known are {1}")]
pub(super) struct PlaceholderError(String, String);

/// `text` with `{name}` replaced for every given name.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, PlaceholderError> {
    let unknown = |found: &str| {
        let known: Vec<String> = values
            .iter()
            .map(|(name, _)| format!("{{{name}}}"))
            .collect();
        PlaceholderError(found.chars().take(40).collect(), known.join(", "))
    };
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, tail) = after
            .split_once('}')
            .ok_or_else(|| unknown(&format!("{{{after}")))?;
        let (_, value) = values
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| unknown(&format!("{{{name}}}")))?;
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_newest_that_fits() {
        let listed = ["11.7.9", "11.7.10", "11.10.0", "12.0.0-rc1"];
        for (wanted, chosen) in [
            ("~11.7", "11.7.10"),
            ("11.7.9", "11.7.9"),
            ("^11", "11.10.0"),
            (">=11.7, <11.9", "11.7.10"),
            ("*", "11.10.0"),
        ] {
            assert_eq!(choose(wanted, &listed).as_deref(), Ok(chosen), "{wanted}");
        }
        assert_eq!(
            choose("~11.8", &listed).unwrap_err().to_string(),
            "no version meets `~11.8`; the newest of the list is 12.0.0-rc1"
        );
        assert_eq!(
            choose("x y", &listed),
            Err(VersionError::Requirement("x y".to_owned()))
        );
        assert_eq!(
            choose("1", &["1.0"]),
            Err(VersionError::Listed("1.0".to_owned()))
        );
        assert_eq!(choose("1", &[]), Err(VersionError::Empty));
        assert_eq!(
            choose_from_catalogue("~11.7", "mattermost").as_deref(),
            Ok("11.7.10")
        );
    }

    #[test]
    fn fills_placeholders_once() {
        let values = [("version", "{arch}"), ("arch", "amd64")];
        assert_eq!(
            fill("a{version}b{arch}", &values).as_deref(),
            Ok("a{arch}bamd64")
        );
        assert_eq!(
            fill("a{verison}", &values).unwrap_err().to_string(),
            "`{verison}` is no placeholder here; known are {version}, {arch}"
        );
        assert!(fill("a{version", &values).is_err());
    }
}
