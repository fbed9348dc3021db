//! From package lists to a proven choice of packages.

use std::collections::BTreeSet;
use std::thread;

use super::check;
use super::closure::{Because, Outcome, Recommends, Walk};
use super::error::AptError;
use super::explain;
use super::packages::{self, Record};
use super::relation;
use super::search;
use super::universe::{PackageId, Universe, VersionId};
use super::{Base, List, Request};
use crate::types::name::Name;

/// Stack of the thread that walks: chains of packages can be long.
const STACK: usize = 64 << 20;

/// A package of the closure.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    pub(super) record: Record<'a>,
    /// Which repository it is fetched from.
    pub(super) repository: usize,
    pub(super) needed_by: BTreeSet<Name>,
    pub(super) because: String,
}

/// The packages of the closure, each proven to have what it needs.
pub(super) fn solve<'a>(
    request: &'a Request,
    lists: &[List<'a>],
    parsed: &[Vec<Record<'a>>],
    notes: &mut Vec<String>,
) -> Result<Vec<Chosen<'a>>, AptError> {
    let mut universe = Universe::new(request.arch.as_str());
    for (number, (records, list)) in parsed.iter().zip(lists).enumerate() {
        let added = universe.add_list(records, number, list.priority);
        added.map_err(|(line, error)| relation_error(&list.url.to_string(), line, &error))?;
    }
    if let Base::Status(text) = &request.base {
        let place = "the status file of the base";
        let records = packages::parse(text).map_err(|source| AptError::Syntax {
            place: place.to_owned(),
            source,
        })?;
        let added = universe.add_base(&records);
        added.map_err(|(line, error)| relation_error(place, line, &error))?;
    }
    universe.finish();
    let wanted = wanted(request, &universe, notes)?;
    let all: Vec<VersionId> = wanted.iter().flat_map(|(_, found)| found.clone()).collect();
    let recommends = if request.recommends {
        Recommends::Follow
    } else {
        Recommends::Ignore
    };
    on_big_stack(move || {
        if request.base == Base::Essential {
            let base = essential(request, &universe)?;
            universe.set_base(&base);
        }
        let outcome = choose(request, &universe, &all, recommends, notes)?;
        Ok(rows(&universe, lists, &wanted, &outcome))
    })
}

/// Runs work that goes deep.
fn on_big_stack<T: Send>(work: impl FnOnce() -> Result<T, AptError> + Send) -> Result<T, AptError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("closure".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| {
                std::panic::resume_unwind(panic);
            }),
            Err(error) => Err(AptError::System(format!(
                "no thread can be started: {error}"
            ))),
        }
    })
}

/// The versions that are asked for, by component.
fn wanted<'r>(
    request: &'r Request,
    universe: &Universe<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'r Name, Vec<VersionId>)>, AptError> {
    let mut found = Vec::new();
    for wanted in &request.wanted {
        let mut versions = Vec::new();
        for text in &wanted.packages {
            let version = find(universe, text, notes).map_err(|why| AptError::Unknown {
                package: text
                    .chars()
                    .take(120)
                    .flat_map(char::escape_default)
                    .collect(),
                component: wanted.component.to_string(),
                why,
            })?;
            versions.push(version);
        }
        found.push((&wanted.component, versions));
    }
    Ok(found)
}

/// The version that `name` or `name=version` stands for.
fn find(universe: &Universe<'_>, text: &str, notes: &mut Vec<String>) -> Result<VersionId, String> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let id = universe.find(name).ok_or_else(|| {
        "no repository offers it; check its name, the suites and the architecture".to_owned()
    })?;
    let package = universe.package(id);
    if let Some(version) = version {
        let same = |one: &&VersionId| universe.version(**one).record.version == version;
        return package.versions.iter().find(same).copied().ok_or_else(|| {
            let offered = package.versions.iter();
            let offered: Vec<&str> = offered
                .map(|one| universe.version(*one).record.version)
                .collect();
            format!(
                "this version is not offered, but {}",
                list_or_none(&offered)
            )
        });
    }
    if let Some(candidate) = universe.candidate(id) {
        return Ok(candidate);
    }
    let mut providers: Vec<VersionId> = package
        .providers
        .iter()
        .map(|(owner, _)| *owner)
        .filter(|owner| universe.candidate(universe.version(*owner).package) == Some(*owner))
        .collect();
    providers.sort();
    providers.dedup();
    match providers.as_slice() {
        [] => Err(
            "no repository offers it; check its name, the suites and the architecture".to_owned(),
        ),
        [only] => {
            notes.push(format!(
                "{name} is provided by {} only, which is taken",
                universe.show(*only)
            ));
            Ok(*only)
        }
        several => {
            let names: Vec<&str> = several
                .iter()
                .map(|one| universe.version(*one).record.name)
                .collect();
            Err(format!(
                "it is a name that several packages provide; ask for one of {}",
                names.join(", ")
            ))
        }
    }
}

fn list_or_none(items: &[&str]) -> String {
    if items.is_empty() {
        "no version is".to_owned()
    } else {
        items.join(", ")
    }
}

/// The packages that every system has, and what they need.
fn essential(request: &Request, universe: &Universe<'_>) -> Result<Vec<VersionId>, AptError> {
    let asked: Vec<VersionId> = universe
        .packages()
        .filter_map(|id| universe.candidate(id))
        .filter(|version| universe.version(*version).record.essential)
        .collect();
    let outcome = choose(
        request,
        universe,
        &asked,
        Recommends::Ignore,
        &mut Vec::new(),
    )?;
    Ok(outcome.install.into_iter().flatten().collect())
}

/// Walks like apt; where that ends in a conflict, searches; what comes out is proven.
fn choose(
    request: &Request,
    universe: &Universe<'_>,
    asked: &[VersionId],
    recommends: Recommends,
    notes: &mut Vec<String>,
) -> Result<Outcome, AptError> {
    let outcome = Walk::run(universe, asked, recommends);
    let problems = prove(request, universe, asked, &outcome);
    if problems.is_empty() {
        for id in &outcome.removed {
            notes.push(format!(
                "installing the closure removes {} from the base",
                universe.package(*id).name
            ));
        }
        return Ok(outcome);
    }
    if let Some(outcome) = search::search(universe, asked) {
        let left = prove(request, universe, asked, &outcome);
        if left.is_empty() {
            notes.push(format!(
                "apt's own choice does not work out ({}); another one was found",
                problems.join("; ")
            ));
            return Ok(outcome);
        }
    }
    Err(AptError::Unsatisfiable {
        chains: explain::explain(universe, asked, problems),
    })
}

fn prove(
    request: &Request,
    universe: &Universe<'_>,
    asked: &[VersionId],
    outcome: &Outcome,
) -> Vec<String> {
    let (mut chosen, mut base) = (Vec::new(), Vec::new());
    for version in outcome.install.iter().flatten() {
        let found = universe.version(*version);
        if universe.package(found.package).current == Some(*version) {
            base.push(&found.record);
        } else {
            chosen.push(&found.record);
        }
    }
    let mut problems = check::prove(&chosen, &base, request.arch.as_str());
    for version in asked {
        let package = universe.version(*version).package;
        if outcome.install.get(package.index()) != Some(&Some(*version)) {
            problems.push(format!("{} cannot be installed", universe.show(*version)));
        }
    }
    problems
}

/// What is to be carried: everything that is chosen and not in the base.
fn rows<'a>(
    universe: &Universe<'a>,
    lists: &[List<'_>],
    wanted: &[(&Name, Vec<VersionId>)],
    outcome: &Outcome,
) -> Vec<Chosen<'a>> {
    let mut needed_by: Vec<BTreeSet<Name>> = vec![BTreeSet::new(); outcome.install.len()];
    for (component, versions) in wanted {
        mark_needed(universe, outcome, component, versions, &mut needed_by);
    }
    let mut found = Vec::new();
    for (version, needed_by) in outcome.install.iter().zip(needed_by) {
        let Some(version) = version else { continue };
        let entry = universe.version(*version);
        if universe.package(entry.package).current == Some(*version) {
            continue;
        }
        // Of several repositories with the same bytes the most preferred one, then the first.
        let offering = entry.lists.iter().filter_map(|list| lists.get(*list));
        let best = offering.reduce(|best, next| {
            if next.priority > best.priority {
                next
            } else {
                best
            }
        });
        let Some(list) = best else { continue };
        let because = outcome
            .because
            .get(entry.package.index())
            .copied()
            .flatten();
        let needed_by = if needed_by.is_empty() {
            // Upgraded along with others: everybody gets it.
            wanted
                .iter()
                .map(|(component, _)| (*component).clone())
                .collect()
        } else {
            needed_by
        };
        found.push(Chosen {
            record: entry.record,
            repository: list.repository,
            needed_by,
            because: because_text(universe, because),
        });
    }
    found
}

fn because_text(universe: &Universe<'_>, because: Option<Because>) -> String {
    let name = |id: PackageId| universe.package(id).name;
    match because {
        None | Some(Because::AskedFor) => "asked for".to_owned(),
        Some(Because::Relation(kind, id)) => format!("{} of {}", kind.as_str(), name(id)),
        Some(Because::SameSource(id)) => format!("same source as {}", name(id)),
        Some(Because::UpgradedFor(id)) => format!("upgraded for {}", name(id)),
    }
}

/// Marks everything that can be reached from what a component asked for.
fn mark_needed(
    universe: &Universe<'_>,
    outcome: &Outcome,
    component: &Name,
    versions: &[VersionId],
    needed_by: &mut [BTreeSet<Name>],
) {
    let install = |id: PackageId| outcome.install.get(id.index()).copied().flatten();
    let mut open = versions.to_vec();
    while let Some(version) = open.pop() {
        let package = universe.version(version).package;
        let Some(set) = needed_by.get_mut(package.index()) else {
            continue;
        };
        if !set.insert(component.clone()) {
            continue;
        }
        for one in universe.groups(version).flatten() {
            if !one.kind.is_negative() {
                open.extend(universe.matching(one, package, &install));
            }
        }
    }
}

fn relation_error(place: &str, line: usize, error: &relation::RelationError) -> AptError {
    AptError::Relation {
        place: place.to_owned(),
        line,
        what: error.to_string(),
    }
}
