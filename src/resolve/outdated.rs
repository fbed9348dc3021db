//! How far a lock is behind what its publishers have.

use std::path::Path;

use serde::Serialize;

use super::error::ResolveError;
use super::versions::{Shop, locked_version};
use super::{Means, Options, absolute};
use crate::event::{Cancel, Observer};
use crate::lock::Lock;
use crate::manifest::{Artifact, Draft, Manifest, Origin, VersionSource, VersionWish, catalogue};
use crate::sources::apt::{version, versions};
use crate::sources::github;
use crate::sources::http::Web;
use crate::store::Store;
use crate::types::name::Name;
use crate::types::scheme::{Prereleases, Scheme};

/// One component, or one package that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The component.
    pub component: Name,
    /// The package, when it is one; else the file.
    pub what: String,
    /// The version of the lock.
    pub locked: Option<String>,
    /// The newest version that the manifest allows.
    pub allowed: Option<String>,
    /// The newest version of the locked line that the catalogue knows, also where it has no digest of it
    /// and the manifest cannot take it: what `lock` tells of. `None` where it knows no lines.
    pub in_line: Option<String>,
    /// The newest version that there is; `None` where nobody was asked.
    pub newest: Option<String>,
    /// Whether the lock has the newest that is allowed.
    pub state: State,
    /// Whether its source no longer lists the locked version.
    pub withdrawn: bool,
    /// The last day that the publisher supports the locked line, where it is known.
    pub support_ends: Option<String>,
    /// Whether that day has passed.
    pub unsupported: bool,
    /// What the catalogue says against the locked version, and what else to know.
    pub remarks: Vec<String>,
    /// Whether the catalogue refuses the locked version, and the manifest does not accept that.
    pub refused: bool,
}

/// How a lock stands to what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The lock has the newest version that the manifest allows.
    Current,
    /// The manifest allows a newer one.
    Behind,
    /// The lock lacks it.
    NotLocked,
    /// The manifest states one version and no list to compare it with.
    Stated,
}

impl Standing {
    /// Whether somebody should act: a newer version is allowed, the locked one was withdrawn, support
    /// has ended, or the catalogue refuses the version.
    #[must_use]
    pub const fn is_finding(&self) -> bool {
        matches!(self.state, State::Behind) || self.withdrawn || self.unsupported || self.refused
    }
}

/// Compares a lock with what publishers list now. Only indexes and lists are fetched, no payload.
///
/// # Errors
/// When a list or a signed index cannot be had.
pub fn outdated(
    draft: &Draft,
    lock: &Lock,
    folder: &Path,
    (web, store): (&Web, &Store),
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Vec<Standing>, ResolveError> {
    let folder = absolute(folder)?;
    let means = Means::new(&folder, web, store, options, observer, cancel);
    let mut shop = Shop::new(draft, &means, options);
    let today = jiff::tz::Offset::UTC.to_datetime(options.now).date();
    let mut rows = Vec::new();
    for (position, artifact) in draft.outline().artifacts.iter().enumerate() {
        cancel.check()?;
        let mut wishes = draft.wishes().iter();
        let wish = wishes.find(|wish| wish.position == position);
        let row = match wish {
            Some(wish) => wished(wish, artifact, lock, &mut shop)?,
            None => stated(artifact, lock),
        };
        rows.push(with_catalogue(row, artifact, today));
    }
    rows.extend(packages(draft.outline(), lock, &mut shop, &means, today)?);
    Ok(rows)
}

fn row(component: &Name, what: &str, locked: Option<&str>) -> Standing {
    Standing {
        component: component.clone(),
        what: what.to_owned(),
        locked: locked.map(str::to_owned),
        allowed: None,
        in_line: None,
        newest: None,
        state: State::NotLocked,
        withdrawn: false,
        support_ends: None,
        unsupported: false,
        remarks: Vec::new(),
        refused: false,
    }
}

fn wished(
    wish: &VersionWish,
    artifact: &Artifact,
    lock: &Lock,
    shop: &mut Shop<'_>,
) -> Result<Standing, ResolveError> {
    let listed = shop.listed(wish)?;
    let locked = locked_version(wish, lock);
    let file = locked.and_then(|version| wish.place_of(version));
    let file = file.map_or_else(
        || artifact.path.file_name().to_owned(),
        |place| place.file_name().to_owned(),
    );
    let mut found = row(&wish.component, &file, locked);
    let scheme = wish.requirement.scheme();
    let all = listed
        .iter()
        .filter_map(|text| Some((scheme.read(text)?, text)))
        .filter(|(version, _)| version.pre.is_empty() || wish.prereleases == Prereleases::Allow);
    found.newest = all.max().map(|(_, text)| text.clone());
    if wish.source == VersionSource::Catalogue {
        found.newest = newest_of_catalogue(&wish.component).or(found.newest);
    }
    found.allowed = wish.newest(&listed).map(str::to_owned);
    found.state = match (locked, &found.allowed) {
        (None, _) => State::NotLocked,
        (Some(locked), Some(allowed)) if scheme.read(allowed) > scheme.read(locked) => {
            State::Behind
        }
        _ => State::Current,
    };
    found.withdrawn = locked.is_some_and(|locked| {
        let here = scheme.read(locked);
        // A long list ends somewhere: what is older than all of it may only be too old for it.
        let reaches = listed.len() < github::PAGE
            || listed
                .iter()
                .any(|one| scheme.read(one).as_ref() < here.as_ref());
        // An index of packages has only the newest: what it replaced was not withdrawn.
        let index = matches!(
            wish.source,
            VersionSource::Apt { .. } | VersionSource::Rpm { .. }
        );
        let replaced = found.state == State::Behind && index;
        reaches && !replaced && !listed.iter().any(|one| scheme.read(one) == here)
    });
    Ok(found)
}

/// An artifact whose manifest states one version.
fn stated(artifact: &Artifact, lock: &Lock) -> Standing {
    let rows = lock.artifacts.iter();
    let mut locked = rows.filter(|row| row.component == artifact.component);
    let locked = locked.find(|row| row.file.path == artifact.path);
    let locked = locked.map(|row| row.version.as_str());
    let mut found = row(&artifact.component, artifact.path.file_name(), locked);
    found.allowed = Some(artifact.version.clone());
    found.newest = newest_of_catalogue(&artifact.component);
    found.state = if locked.is_some() {
        State::Stated
    } else {
        State::NotLocked
    };
    found
}

fn newest_of_catalogue(component: &Name) -> Option<String> {
    let newest = catalogue::of(component.as_str())?.newest()?;
    Some(newest.to_string())
}

/// What the catalogue knows of a locked version.
fn with_catalogue(mut row: Standing, artifact: &Artifact, today: jiff::civil::Date) -> Standing {
    let Some(locked) = row.locked.clone() else {
        return row;
    };
    if artifact.stand_in {
        row.remarks
            .push("it stands in for the real program".to_owned());
        return row;
    }
    for finding in catalogue::advisories_of(row.component.as_str(), &locked) {
        let mut accepted = artifact.accepted.iter();
        let accepted = accepted.find(|one| one.id == finding.advisory().id);
        row.refused |= accepted.is_none() && finding.refuses();
        let reason = accepted.map_or_else(String::new, |one| format!("; accepted: {}", one.reason));
        row.remarks.push(format!("{finding}{reason}"));
    }
    let known = catalogue::of(row.component.as_str());
    if let (Some(known), Ok(version)) = (known, semver::Version::parse(&locked)) {
        let newest = known.newest_of_line(&version).map(|(newest, _)| newest);
        row.in_line = Some(newest.unwrap_or(&version).to_string());
        if let Some((newer, day)) = known.newer_without_digest(&version) {
            row.remarks.push(format!(
                "{newer} of the same line came out on {day}; the catalogue has no digest of it"
            ));
        }
        let cycle = known.cycle_of(&version);
        ends(
            &mut row,
            cycle.and_then(|cycle| cycle.support_ends.as_ref()),
            today,
        );
    }
    row
}

fn ends(row: &mut Standing, day: Option<&toml::value::Datetime>, today: jiff::civil::Date) {
    row.support_ends = day.map(ToString::to_string);
    row.unsupported = day.and_then(catalogue::day).is_some_and(|day| day < today);
}

/// The packages that the manifest asks for by name.
fn packages(
    manifest: &Manifest,
    lock: &Lock,
    shop: &mut Shop<'_>,
    means: &Means<'_>,
    today: jiff::civil::Date,
) -> Result<Vec<Standing>, ResolveError> {
    let mut rows: Vec<Standing> = Vec::new();
    let Some(apt) = &manifest.apt else {
        return Ok(rows);
    };
    for wanted in &apt.packages {
        for name in &wanted.install {
            let name = name.split('=').next().unwrap_or(name);
            if rows.iter().any(|row| row.what == name) {
                continue;
            }
            let locked = lock.repositories.iter().find_map(|repository| {
                let mut all = repository.packages.iter();
                let package = all.find(|package| package.name == name)?;
                Some((repository, package))
            });
            let version_of = locked.map(|(_, package)| package.version.as_str());
            let mut found = row(&wanted.component, name, version_of);
            if let Some((repository, package)) = locked {
                let mut stated = apt.repositories.iter();
                let source = stated.find(|one| super::recheck::is_of(one, &repository.name));
                // What the machine's own apt knows is asked by `apt list --upgradable`, not here.
                if let Some(source) = source.filter(|one| one.origin != Origin::System) {
                    let request = shop.request(source.name.as_str())?;
                    let (web, store) = (means.web, means.store);
                    let listed =
                        versions(&request, name, web, store, means.observer, means.cancel)?;
                    let lists = listed.iter().any(|one| *one == package.version);
                    let newest = listed.into_iter().max_by(|a, b| version::compare(a, b));
                    let newer =
                        |newest: &String| version::compare(newest, &package.version).is_gt();
                    found.state = if newest.as_ref().is_some_and(newer) {
                        State::Behind
                    } else {
                        State::Current
                    };
                    // An index has only the newest: what it replaced by a newer one was not withdrawn.
                    found.withdrawn = !lists && found.state == State::Current;
                    found.allowed.clone_from(&newest);
                    found.newest = newest;
                } else {
                    found.state = State::Stated;
                }
            }
            let major = name
                .strip_prefix("postgresql-")
                .map(|major| Scheme::Postgresql.read(major));
            if let Some(Some(major)) = major {
                let known = u32::try_from(major.major).ok();
                let known = known.and_then(|major| catalogue::postgresql()?.major(major));
                ends(&mut found, known.map(|known| &known.ends), today);
            }
            rows.push(found);
        }
    }
    Ok(rows)
}
