//! Which version each artifact has: chosen from a publisher's list, or kept as it was locked.
//!
//! A version that an earlier lock has is kept as long as the manifest allows it: what is released
//! upstream changes a lock only when a person says so (`--update`). Versions that the catalogue refuses
//! are passed over, unless the manifest accepts the finding or names the version itself.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{Failed, ResolveError, none_of};
use super::evidence::{self, Keys};
use super::recheck::is_place;
use super::{Means, Options, apt, rpm};
use crate::event::{Cancel, Event, Observer};
use crate::lock::Lock;
use crate::manifest::{
    Accepted, Choices, Draft, Manifest, ManifestProblems, VersionSource, VersionWish,
    catalogue::{self, Finding},
};
use crate::sources::apt::{Request, upstream_part, versions};
use crate::sources::github;
use crate::sources::http::Web;
use crate::store::Store;
use crate::types::name::Name;
use crate::types::pattern::MAX_PAGE;
use crate::types::scheme::Prereleases;
use crate::types::url::SafeUrl;

/// Most versions of one list.
const MAX_VERSIONS: usize = 50_000;

/// Chooses the versions of a draft. `folder` is the one that the manifest lies in.
///
/// # Errors
/// When a list of versions cannot be had, none of them is allowed, or the catalogue refuses what the
/// manifest names; all failures at once.
pub fn choose_versions(
    draft: &Draft,
    folder: &Path,
    web: &Web,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Manifest, ResolveError> {
    let folder = super::absolute(folder)?;
    let means = Means::new(&folder, web, store, options, observer, cancel);
    let (manifest, failed) = choose_all(draft, &means, options)?;
    none_of(manifest.artifacts.len(), failed.into_values().collect())?;
    Ok(manifest)
}

/// The manifest with every version that can be chosen, and why the others cannot, by the position of
/// their artifact: these are as in [`Draft::outline`], or versions that are refused.
pub(super) fn choose_all(
    draft: &Draft,
    means: &Means<'_>,
    options: &Options,
) -> Result<(Manifest, BTreeMap<usize, Failed>), ResolveError> {
    let mut shop = Shop::new(draft, means, options);
    let (mut choices, mut failed) = (Choices::new(), BTreeMap::new());
    // The first artifact of a source that cannot be asked: the others need not try.
    let mut silent: BTreeMap<String, String> = BTreeMap::new();
    for wish in draft.wishes() {
        means.cancel.check()?;
        let what = name_of(wish);
        if let Some(kept) = shop.kept(wish) {
            choices.insert(wish.position, kept);
            continue;
        }
        let result = match silent.get(&wish.source.to_string()) {
            Some(first) => Err(ResolveError::Waits {
                on: format!("the versions that {first} needs, too"),
                id: "E222",
            }),
            None => match shop.listed(wish) {
                Ok(listed) => shop.choose(wish, &listed),
                Err(error) => {
                    silent.insert(wish.source.to_string(), what.clone());
                    Err(error)
                }
            },
        };
        match result {
            Ok(version) => {
                choices.insert(wish.position, version);
            }
            Err(error) => {
                failed.insert(wish.position, Failed::new(what, error)?);
            }
        }
    }
    let manifest = draft.choose_some(&choices)?;
    for (position, artifact) in manifest.artifacts.iter().enumerate() {
        if failed.contains_key(&position) {
            continue;
        }
        // A stand-in is not the program that its version is of.
        if artifact.stand_in {
            continue;
        }
        let (component, version) = (&artifact.component, &artifact.version);
        if let Err(error) = refuse(component, version, &artifact.accepted, means.observer) {
            failed.insert(position, Failed::new(artifact.path.to_string(), error)?);
        }
    }
    Ok((manifest, failed))
}

/// What a failure calls an artifact whose version, and so whose path, is not known.
fn name_of(wish: &VersionWish) -> String {
    format!("{} {}", wish.component, wish.requirement)
}

/// The manifest with the versions that a lock has.
///
/// # Errors
/// When the lock has a version that the manifest does not allow, or lacks one.
pub fn as_locked(draft: &Draft, lock: &Lock) -> Result<Manifest, ManifestProblems> {
    let mut choices = Choices::new();
    for wish in draft.wishes() {
        if let Some(locked) = locked_version(wish, lock) {
            choices.insert(wish.position, locked.to_owned());
        }
    }
    draft.choose(&choices)
}

/// The version that a lock has of an artifact.
#[must_use]
pub fn locked_version<'l>(wish: &VersionWish, lock: &'l Lock) -> Option<&'l str> {
    let rows = lock.artifacts.iter();
    let found = rows
        .filter(|row| row.component == wish.component)
        .find(|row| {
            let place = wish.place_of(&row.version);
            place.is_some_and(|place| is_place(&place, &row.file.url))
        });
    found.map(|row| row.version.as_str())
}

/// Asks publishers for their versions.
pub(super) struct Shop<'s> {
    draft: &'s Draft,
    means: &'s Means<'s>,
    options: &'s Options,
    /// Answers by source: several artifacts are of one release.
    seen: BTreeMap<String, Vec<String>>,
    keys: Option<Keys>,
}

impl<'s> Shop<'s> {
    pub(super) const fn new(draft: &'s Draft, means: &'s Means<'s>, options: &'s Options) -> Self {
        Self {
            draft,
            means,
            options,
            seen: BTreeMap::new(),
            keys: None,
        }
    }

    /// The version of the lock before, when it is still allowed and nothing says that it may move.
    fn kept(&self, wish: &VersionWish) -> Option<String> {
        let earlier = &self.options.earlier;
        let lock = earlier.lock.as_ref()?;
        if earlier.update.allows(&wish.component) {
            return None;
        }
        let locked = locked_version(wish, lock)?;
        let known = wish.source.known(&wish.component);
        if !wish.allows(locked)
            || known
                .as_ref()
                .is_some_and(|all| !all.iter().any(|one| one == locked))
        {
            return None;
        }
        if let Some(newest) = known.as_deref().and_then(|all| wish.newest(all))
            && newest != locked
        {
            let text = format!(
                "{} stays at {locked}, as locked; {newest} is allowed, too: --update {} takes it",
                wish.component, wish.component
            );
            self.means.observer.on(&Event::Note { text: &text });
        }
        Some(locked.to_owned())
    }

    /// The versions that a source lists, as upstream writes them.
    pub(super) fn listed(&mut self, wish: &VersionWish) -> Result<Vec<String>, ResolveError> {
        if let Some(known) = wish.source.known(&wish.component) {
            return Ok(known);
        }
        let scheme = wish.requirement.scheme();
        let name = format!("{} {:?} {scheme}", wish.source, wish.prereleases);
        if let Some(seen) = self.seen.get(&name) {
            return Ok(seen.clone());
        }
        let mut all = match &wish.source {
            VersionSource::Github { releases, tag } => self.github(wish, releases, tag)?,
            VersionSource::Listing { url, pattern } => {
                let url = url.clone();
                let what = format!("the versions of {}", wish.component);
                let page = evidence::had_page(url, &what, self.means, MAX_PAGE)?;
                let text = String::from_utf8_lossy(&page);
                let matches = pattern.matches(&text);
                matches.iter().map(|one| one.found.to_owned()).collect()
            }
            VersionSource::Apt {
                repository,
                package,
            } => self.apt(repository.as_str(), package)?,
            VersionSource::Rpm { root, package, key } => {
                let (means, options) = (self.means, self.options);
                let place = (root, package.as_str(), key.as_ref());
                rpm::versions(wish, place, self.keys()?, means, options)?
            }
            VersionSource::Catalogue | VersionSource::Listed(_) => Vec::new(),
        };
        all.retain(|text| scheme.read(text).is_some());
        all.sort();
        all.dedup();
        all.truncate(MAX_VERSIONS);
        self.seen.insert(name, all.clone());
        Ok(all)
    }

    fn github(
        &self,
        wish: &VersionWish,
        releases: &SafeUrl,
        (before, after): &(String, String),
    ) -> Result<Vec<String>, ResolveError> {
        let mut all = Vec::new();
        for page in 1..=github::MAX_PAGES {
            let query = format!("{releases}?per_page={}&page={page}", github::PAGE);
            let url: SafeUrl = query.parse().map_err(|source| ResolveError::Place {
                path: releases.to_string(),
                source,
            })?;
            let what = format!("the releases of {}", wish.component);
            let bytes = evidence::had_document(url, &what, self.means, github::MAX_ANSWER)?;
            let found = github::releases(&bytes).map_err(|source| ResolveError::Versions {
                component: wish.component.clone(),
                from: releases.to_string(),
                source,
            })?;
            let count = found.len();
            let counts = |release: &github::Release| {
                let early = release.prerelease && wish.prereleases == Prereleases::Skip;
                !release.draft && (!early || wish.requirement.is_exact())
            };
            for release in found.iter().filter(|release| counts(release)) {
                let version = release.tag_name.strip_prefix(before.as_str());
                let version = version.and_then(|text| text.strip_suffix(after.as_str()));
                all.extend(version.map(str::to_owned));
            }
            if count < github::PAGE {
                return Ok(all);
            }
        }
        let text = format!(
            "only the newest {} releases of {releases} were read",
            github::PAGE.saturating_mul(github::MAX_PAGES)
        );
        self.means.observer.on(&Event::Note { text: &text });
        Ok(all)
    }

    fn apt(&mut self, repository: &str, package: &str) -> Result<Vec<String>, ResolveError> {
        let request = self.request(repository)?;
        let means = self.means;
        let found = versions(
            &request,
            package,
            means.web,
            means.store,
            means.observer,
            means.cancel,
        )?;
        let upstream = found
            .iter()
            .map(|version| upstream_part(version).to_owned());
        Ok(upstream.collect())
    }

    /// A request about one repository of the manifest.
    pub(super) fn request(&mut self, repository: &str) -> Result<Request, ResolveError> {
        let (outline, options, means) = (self.draft.outline(), self.options, self.means);
        let keys = self.keys()?;
        // That the repository is there was checked with the manifest.
        let mut wish = outline.apt.clone().unwrap_or_else(apt::no_repositories);
        wish.repositories
            .retain(|one| one.name.as_str() == repository);
        wish.packages.clear();
        apt::request(outline, &wish, keys, options, means)
    }

    /// The keys of the manifest that can be had.
    fn keys(&mut self) -> Result<&Keys, ResolveError> {
        if self.keys.is_none() {
            // A key that is needed and that failed is told when it is asked for.
            self.keys = Some(evidence::fetch_keys(self.draft.outline(), self.means)?.0);
        }
        Ok(self.keys.get_or_insert_default())
    }

    fn choose(&self, wish: &VersionWish, listed: &[String]) -> Result<String, ResolveError> {
        let accepted = self.draft.accepted(wish.position);
        let refused = |version: &str| {
            let mut found = catalogue::advisories_of(wish.component.as_str(), version);
            found.find(|one| {
                let id = &one.advisory().id;
                one.refuses() && !accepted.iter().any(|accepted| accepted.id == *id)
            })
        };
        let mut left = listed.to_vec();
        while let Some(newest) = wish.newest(&left) {
            let Some(finding) = refused(newest).filter(|_| !wish.requirement.is_exact()) else {
                return Ok(newest.to_owned());
            };
            let text = format!("{} {newest} is passed over: {finding}", wish.component);
            self.means.observer.on(&Event::Note { text: &text });
            let newest = newest.to_owned();
            left.retain(|one| *one != newest);
        }
        let scheme = wish.requirement.scheme();
        let all = listed
            .iter()
            .filter_map(|text| Some((scheme.read(text)?, text)));
        Err(ResolveError::NoVersion {
            component: wish.component.clone(),
            from: wish.source.to_string(),
            requirement: wish.requirement.to_string(),
            newest: all.max().map_or("none", |(_, text)| text).to_owned(),
        })
    }
}

/// Stops at a version that the catalogue refuses, and warns of what is accepted or only worth a word.
pub(super) fn refuse(
    component: &Name,
    version: &str,
    accepts: &[Accepted],
    observer: &dyn Observer,
) -> Result<(), ResolveError> {
    for finding in catalogue::advisories_of(component.as_str(), version) {
        let advisory = finding.advisory();
        let accepted = accepted_reason(accepts, &advisory.id);
        if accepted.is_none() && finding.refuses() {
            let (component, version) = (component.clone(), version.to_owned());
            let (id, words) = (
                advisory.id.clone(),
                format!("{finding} ({})", advisory.source),
            );
            return Err(match finding {
                Finding::Affected(_) => ResolveError::Refused {
                    component,
                    version,
                    finding: words,
                    id,
                },
                Finding::Unreadable(_) => ResolveError::Unreadable {
                    component,
                    version,
                    finding: words,
                    id,
                    example: advisory.versions.scheme().example_version(),
                },
            });
        }
        let text = format!(
            "{component} {version}: {finding}{}",
            accepted.map_or_else(String::new, |reason| format!("; accepted: {reason}")),
        );
        let id = "W704";
        observer.on(&Event::Warning { id, text: &text });
    }
    Ok(())
}

fn accepted_reason<'a>(accepted: &'a [Accepted], id: &str) -> Option<&'a str> {
    let mut all = accepted.iter();
    all.find(|one| one.id == id).map(|one| one.reason.as_str())
}
