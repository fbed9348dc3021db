//! `version` and `versions`: which version an artifact has, or how it is chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::check::check_key;
use super::model::{Apt, Source};
use super::problem::Problems;
use super::tree::{Placed, Table, absolute_url, as_table, as_text, parse, wrong_type};
use super::{catalogue, version};
use crate::types::name::Name;
use crate::types::pattern::{Pattern, Sought};
use crate::types::scheme::{Prereleases, Requirement, Scheme};
use crate::types::target::Arch;
use crate::types::url::SafeUrl;

/// Where GitHub answers.
const GITHUB_API: &str = "https://api.github.com";
/// Most versions of a list in a manifest.
const MAX_LISTED: usize = 10_000;

/// A version that a manifest leaves to be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionWish {
    /// The place of its artifact among `[[artifact]]`, from 0.
    pub position: usize,
    /// The component of the artifact.
    pub component: Name,
    /// Which versions are allowed.
    pub requirement: Requirement,
    /// Whether pre-releases count.
    pub prereleases: Prereleases,
    /// Where the versions are listed.
    pub source: VersionSource,
    /// `url` or `path` of the artifact, with its placeholders.
    template: String,
    arch: Arch,
}

/// Where versions are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSource {
    /// In the catalogue that ships with the program.
    Catalogue,
    /// In the manifest.
    Listed(Vec<String>),
    /// The releases of a GitHub repository.
    Github {
        /// The list of releases, without paging.
        releases: SafeUrl,
        /// What stands before and behind the version in a tag.
        tag: (String, String),
    },
    /// A page with links, such as the listing of a directory.
    Listing {
        /// The page.
        url: SafeUrl,
        /// How a version stands on it.
        pattern: Pattern,
    },
    /// A package of a repository of the manifest: its upstream version.
    Apt {
        /// Name of the repository.
        repository: Name,
        /// Name of the package.
        package: String,
    },
    /// A package of an rpm repository: its version, without epoch and release.
    Rpm {
        /// The folder that holds `repodata/`.
        root: SafeUrl,
        /// Name of the package.
        package: String,
        /// The key that must have signed the index; without one it is taken unsigned.
        key: Option<Name>,
    },
}

/// The versions that were chosen, by the place of the artifact among `[[artifact]]`, from 0.
pub type Choices = BTreeMap<usize, String>;

impl VersionSource {
    /// The versions, where they need no network.
    #[must_use]
    pub fn known(&self, component: &Name) -> Option<Vec<String>> {
        match self {
            Self::Catalogue => {
                let releases = catalogue::of(component.as_str())?;
                Some(releases.versions().map(ToString::to_string).collect())
            }
            Self::Listed(all) => Some(all.clone()),
            Self::Github { .. } | Self::Listing { .. } | Self::Apt { .. } | Self::Rpm { .. } => {
                None
            }
        }
    }
}

impl std::fmt::Display for VersionSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Catalogue => f.write_str("the catalogue"),
            Self::Listed(_) => f.write_str("the list in the manifest"),
            Self::Github { releases, .. } => releases.fmt(f),
            Self::Listing { url, .. } => url.fmt(f),
            Self::Apt {
                repository,
                package,
            } => write!(f, "package {package} of repository {repository}"),
            Self::Rpm { root, package, .. } => write!(f, "package {package} of {root}"),
        }
    }
}

impl VersionWish {
    /// The architecture that its artifact is for.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// Where the file of a version is.
    #[must_use]
    pub fn place_of(&self, version: &str) -> Option<Source> {
        let values = [("version", version), ("arch", self.arch.as_str())];
        let text = version::fill(&self.template, &values).ok()?;
        match text.strip_prefix("file:") {
            Some(path) if !path.starts_with("//") => Some(Source::Path(path.to_owned())),
            _ => text.parse().ok().map(Source::Url),
        }
    }

    /// The newest of `listed` that is allowed, as upstream writes it.
    #[must_use]
    pub fn newest<'l>(&self, listed: &'l [String]) -> Option<&'l str> {
        let texts = listed.iter().map(String::as_str);
        self.requirement.newest(texts, self.prereleases)
    }

    /// Whether a version is allowed.
    #[must_use]
    pub fn allows(&self, version: &str) -> bool {
        let read = self.requirement.scheme().read(version);
        read.is_some_and(|version| self.requirement.allows(&version, self.prereleases))
    }
}

/// What a pass over a manifest knows of versions, and learns.
#[derive(Debug, Default)]
pub(super) struct Reading<'c> {
    /// What was chosen; `None` while nothing is: open versions are no problem then.
    chosen: Option<&'c Choices>,
    /// Whether versions that were not chosen stay open.
    rest: Rest,
    /// The wishes that were found.
    pub(super) wishes: Vec<VersionWish>,
    repositories: Vec<(Name, Range<usize>)>,
    keys: Vec<Placed<Name>>,
}

/// What becomes of versions that were not chosen and need the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Rest {
    /// They are problems.
    #[default]
    Refuse,
    /// They stay open.
    LeaveOpen,
}

impl<'c> Reading<'c> {
    /// With what was chosen.
    pub(super) fn with(chosen: &'c Choices, rest: Rest) -> Self {
        Self {
            chosen: Some(chosen),
            rest,
            ..Self::default()
        }
    }

    /// Reports repositories that `versions` names and `[apt]` does not.
    pub(super) fn check_repositories(&mut self, apt: Option<&Apt>, problems: &mut Problems<'_>) {
        for (name, at) in self.repositories.drain(..) {
            let mut stated = apt.into_iter().flat_map(|apt| &apt.repositories);
            if !stated.any(|repository| repository.name == name) {
                problems.add(at, format!("there is no [[apt.repository]] `{name}`"));
            }
        }
    }

    /// Reports keys that `versions` names and no `[[key]]` is.
    pub(super) fn check_keys(&mut self, names: &BTreeSet<&Name>, problems: &mut Problems<'_>) {
        for key in self.keys.drain(..) {
            check_key(&key, names, problems);
        }
    }
}

/// The version of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Not known yet.
    Open,
    /// This.
    Version(String),
}

impl Chosen {
    /// A version in any case.
    pub(super) fn text(self) -> String {
        match self {
            Self::Open => "0.0.0".to_owned(),
            Self::Version(version) => version,
        }
    }
}

/// Reads `version`, `versions`, `scheme` and `prerelease` of an artifact.
pub(super) fn read(
    table: &mut Table<'_>,
    (position, arch, component): (usize, Arch, Option<&Name>),
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
) -> Option<Chosen> {
    let wanted = table.require_text("version", problems);
    let listed = table.take("versions");
    let scheme = match table.text("scheme", problems) {
        Some(text) => parse::<Scheme>(&text, problems)?.value,
        None => Scheme::default(),
    };
    let prereleases = if table.flag("prerelease", problems) {
        Prereleases::Allow
    } else {
        Prereleases::Skip
    };
    let wanted = wanted?;
    let Some(listed) = listed else {
        return stated(wanted, problems).map(Chosen::Version);
    };
    let requirement = match scheme.requirement(wanted.value) {
        Ok(requirement) => requirement,
        Err(error) => {
            problems.add(wanted.at, error.to_string());
            return None;
        }
    };
    let source = read_source(listed, scheme, reading, problems)?;
    let component = component?;
    if source == VersionSource::Catalogue && catalogue::of(component.as_str()).is_none() {
        let message = format!("the catalogue knows no versions of `{component}`");
        problems.add(listed.span(), message);
        return None;
    }
    let path = || table.peek("path").map(|path| format!("file:{path}"));
    let template = table.peek("url").map(str::to_owned).or_else(path);
    let wish = VersionWish {
        position,
        component: component.clone(),
        requirement,
        prereleases,
        source,
        template: template.unwrap_or_default(),
        arch,
    };
    let chosen = choose(&wish, (reading.chosen, reading.rest), &wanted.at, problems);
    reading.wishes.push(wish);
    chosen
}

/// One version, as it is stated.
pub(super) fn stated(wanted: Placed<&str>, problems: &mut Problems<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+:~".contains(c);
    if wanted.value.starts_with('~') || !wanted.value.chars().all(plain) {
        problems.add_with_help(
            wanted.at,
            "a version requirement needs `versions`, the versions to choose from",
            "add versions = \"catalogue\" or a list, or state one version",
        );
        return None;
    }
    Some(wanted.value.to_owned())
}

fn choose(
    wish: &VersionWish,
    (chosen, rest): (Option<&Choices>, Rest),
    at: &Range<usize>,
    problems: &mut Problems<'_>,
) -> Option<Chosen> {
    let known = wish.source.known(&wish.component);
    if let Some(version) = chosen.and_then(|chosen| chosen.get(&wish.position)) {
        let listed = known.is_none_or(|known| known.contains(version));
        if listed && wish.allows(version) {
            return Some(Chosen::Version(version.clone()));
        }
        let message = format!(
            "version {} is none that `{}` allows of {}",
            version.escape_debug(),
            wish.requirement,
            wish.source
        );
        problems.add(at.clone(), message);
        return None;
    }
    let Some(known) = known else {
        if chosen.is_none() || rest == Rest::LeaveOpen {
            return Some(Chosen::Open);
        }
        problems.add_with_help(
            at.clone(),
            format!(
                "its version is chosen from {} when the manifest is locked",
                wish.source
            ),
            "run `haversack lock MANIFEST`",
        );
        return None;
    };
    let newest = wish.newest(&known);
    if newest.is_none() {
        let scheme = wish.requirement.scheme();
        let all = known
            .iter()
            .filter_map(|text| Some((scheme.read(text)?, text)));
        let newest = all.max().map_or("none", |(_, text)| text);
        let message = format!(
            "no version meets `{}`; the newest of the list is {newest}",
            wish.requirement
        );
        problems.add(at.clone(), message);
    }
    newest.map(|newest| Chosen::Version(newest.to_owned()))
}

fn read_source(
    listed: &Spanned<DeValue<'_>>,
    scheme: Scheme,
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
) -> Option<VersionSource> {
    if let Some(items) = listed.get_ref().as_array() {
        return read_list(items, listed, scheme, problems);
    }
    if let Some(text) = listed.get_ref().as_str() {
        if text == "catalogue" {
            return Some(VersionSource::Catalogue);
        }
        if text.starts_with("github:") {
            let text = as_text(listed, "versions", problems)?;
            return Some(VersionSource::Github {
                releases: github(&text, None, problems)?,
                tag: default_tag(scheme),
            });
        }
    } else if listed.get_ref().is_table() {
        let table = as_table(listed, "versions", "`versions`", problems)?;
        return read_table(table, scheme, reading, problems);
    }
    let expected = "\"catalogue\", \"github:OWNER/REPOSITORY\", a list of versions, or a table with \
                    github, listing, apt or rpm";
    if listed.get_ref().is_str() {
        problems.add(listed.span(), format!("`versions` must be {expected}"));
    } else {
        wrong_type(listed, "versions", expected, problems);
    }
    None
}

fn read_list<'a>(
    items: &'a [Spanned<DeValue<'a>>],
    list: &Spanned<DeValue<'_>>,
    scheme: Scheme,
    problems: &mut Problems<'_>,
) -> Option<VersionSource> {
    if items.is_empty() || items.len() > MAX_LISTED {
        let message = if items.is_empty() {
            "`versions` is an empty list".to_owned()
        } else {
            format!("`versions` has more than {MAX_LISTED} entries")
        };
        problems.add(list.span(), message);
        return None;
    }
    let mut all = Vec::new();
    let mut right = true;
    for item in items {
        let Some(text) = as_text(item, "versions", problems) else {
            right = false;
            continue;
        };
        if scheme.read(text.value).is_none() {
            let shown: String = text.value.chars().take(80).collect();
            let message = format!("`{shown}` in `versions` is no version of the scheme {scheme}");
            problems.add(text.at, message);
            right = false;
        }
        all.push(text.value.to_owned());
    }
    right.then_some(VersionSource::Listed(all))
}

fn read_table(
    mut table: Table<'_>,
    scheme: Scheme,
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
) -> Option<VersionSource> {
    let at = table.at.clone();
    let source = if let Some(repository) = table.text("github", problems) {
        let api = table.text("api", problems);
        let tag = match table.text("tag", problems) {
            None => Some(default_tag(scheme)),
            Some(text) => read_tag(&text, problems),
        };
        let releases = github(&repository, api, problems);
        releases
            .zip(tag)
            .map(|(releases, tag)| VersionSource::Github { releases, tag })
    } else if let Some(url) = table.text("listing", problems) {
        let pattern = table.require_text("pattern", problems);
        let url = absolute_url(&url, problems);
        pattern.zip(url).and_then(|(text, url)| {
            match Pattern::parse(text.value, Sought::Version, &[]) {
                Ok(pattern) => Some(VersionSource::Listing {
                    url: url.value,
                    pattern,
                }),
                Err(error) => {
                    problems.add(text.at, error.to_string());
                    None
                }
            }
        })
    } else if table.has("apt") {
        let repository = table.require_parsed::<Name>("apt", problems);
        let package = table.require_text("package", problems);
        repository.zip(package).map(|(repository, package)| {
            let named = (repository.value.clone(), repository.at);
            reading.repositories.push(named);
            VersionSource::Apt {
                repository: repository.value,
                package: package.value.to_owned(),
            }
        })
    } else if let Some(root) = table.text("rpm", problems) {
        let package = table.require_text("package", problems);
        let key = table.text("key", problems);
        let key = match key.map(|text| parse::<Name>(&text, problems)) {
            None => None,
            Some(name) => Some(name?),
        };
        reading.keys.extend(key.clone());
        let root = absolute_url(&root, problems);
        root.zip(package).map(|(root, package)| VersionSource::Rpm {
            root: root.value,
            package: package.value.to_owned(),
            key: key.map(|key| key.value),
        })
    } else {
        problems.add(
            at,
            "`versions` needs one of the keys github, listing, apt, rpm",
        );
        return None;
    };
    table.finish(problems);
    source
}

/// Tags of semantic versions begin with `v` in most repositories; others are the version itself.
fn default_tag(scheme: Scheme) -> (String, String) {
    let before = if scheme == Scheme::Semver { "v" } else { "" };
    (before.to_owned(), String::new())
}

fn read_tag(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<(String, String)> {
    let sides = text.value.split_once("{version}");
    let fits = |side: &str| !side.contains(['{', '}']);
    match sides {
        Some((before, after)) if fits(before) && fits(after) => {
            Some((before.to_owned(), after.to_owned()))
        }
        _ => {
            let message = "`tag` must hold {version} once, such as \"v{version}\"";
            problems.add(text.at.clone(), message);
            None
        }
    }
}

/// The list of releases of `OWNER/REPOSITORY`, or `github:OWNER/REPOSITORY`, at `api`.
pub(super) fn github(
    repository: &Placed<&str>,
    api: Option<Placed<&str>>,
    problems: &mut Problems<'_>,
) -> Option<SafeUrl> {
    let text = repository.value;
    let text = text.strip_prefix("github:").unwrap_or(text);
    let word = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !text.is_empty() && text.len() <= 100 && text.chars().all(plain) && !text.starts_with('.')
    };
    let two = text.split_once('/');
    if !two.is_some_and(|(owner, name)| word(owner) && word(name)) {
        problems.add(
            repository.at.clone(),
            "a repository is written OWNER/REPOSITORY, such as \"github:mattermost/rtcd\"",
        );
        return None;
    }
    let base = api.unwrap_or(Placed {
        value: GITHUB_API,
        at: repository.at.clone(),
    });
    let base = absolute_url(&base, problems)?;
    match base.value.join(&format!("repos/{text}/releases")) {
        Ok(url) => Some(url),
        Err(error) => {
            problems.add(base.at, error.to_string());
            None
        }
    }
}
