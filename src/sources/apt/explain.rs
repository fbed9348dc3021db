//! Says why there is no set of packages.

use std::collections::{BTreeSet, HashSet};

use super::universe::{Relation, Universe, VersionId};

/// Longest chain that is shown, in packages.
const MAX_CHAIN: usize = 24;
/// Most chains and problems that are shown.
const MAX_SHOWN: usize = 10;

/// For each package asked for the chain to what nobody offers; when every single need could be met, the
/// conflicts that the walk ended in.
pub(super) fn explain(
    universe: &Universe<'_>,
    asked: &[VersionId],
    problems: Vec<String>,
) -> Vec<String> {
    let hopeless = hopeless(universe, asked);
    let mut chains: Vec<String> = Vec::new();
    for version in asked {
        if hopeless.contains(version) {
            chains.push(chain(universe, *version, &hopeless));
        }
    }
    if chains.is_empty() {
        chains = problems;
    }
    chains.truncate(MAX_SHOWN);
    chains
}

/// Versions that cannot be installed whatever else is: a need of theirs has no solution that can.
fn hopeless(universe: &Universe<'_>, asked: &[VersionId]) -> HashSet<VersionId> {
    let mut reachable = BTreeSet::new();
    let mut open = asked.to_vec();
    while let Some(version) = open.pop() {
        if reachable.insert(version) {
            for group in universe.groups(version).filter(|group| is_need(group)) {
                open.extend(solutions(universe, version, group));
            }
        }
    }
    let mut hopeless = HashSet::new();
    loop {
        let before = hopeless.len();
        for version in &reachable {
            let unmet = |group: &[Relation<'_>]| {
                let all = solutions(universe, *version, group);
                all.iter().all(|solution| hopeless.contains(solution))
            };
            let mut needs = universe.groups(*version).filter(|group| is_need(group));
            if !hopeless.contains(version) && needs.any(unmet) {
                hopeless.insert(*version);
            }
        }
        if hopeless.len() == before {
            return hopeless;
        }
    }
}

fn is_need(group: &[Relation<'_>]) -> bool {
    group
        .first()
        .is_some_and(|one| one.kind.is_critical() && !one.kind.is_negative())
}

/// Candidates, and what the base has, that meet a need.
fn solutions(
    universe: &Universe<'_>,
    version: VersionId,
    group: &[Relation<'_>],
) -> Vec<VersionId> {
    let asking = universe.version(version).package;
    let mut found = Vec::new();
    for one in group {
        found.extend(universe.matching(one, asking, &|id| universe.candidate(id)));
        found.extend(universe.matching(one, asking, &|id| universe.package(id).current));
    }
    found
}

/// `a (1) -> b (2) -> c (>= 3): no version is offered`.
fn chain(universe: &Universe<'_>, from: VersionId, hopeless: &HashSet<VersionId>) -> String {
    let mut text = universe.show(from);
    let mut seen = HashSet::from([from]);
    let mut at = from;
    while seen.len() < MAX_CHAIN {
        let unmet = |group: &&[Relation<'_>]| {
            is_need(group)
                && solutions(universe, at, group)
                    .iter()
                    .all(|solution| hopeless.contains(solution))
        };
        let Some(group) = universe.groups(at).find(unmet) else {
            break;
        };
        let next = solutions(universe, at, group)
            .into_iter()
            .find(|solution| !seen.contains(solution));
        if let Some(next) = next {
            text = format!("{text} -> {}", universe.show(next));
            seen.insert(next);
            at = next;
            continue;
        }
        return format!(
            "{text} -> {}: {}",
            show(universe, group),
            offered(universe, group)
        );
    }
    format!("{text} -> …")
}

fn show(universe: &Universe<'_>, group: &[Relation<'_>]) -> String {
    let all: Vec<String> = group
        .iter()
        .map(|one| {
            let name = universe.package(one.target).name;
            match one.version {
                Some((operator, version)) => format!("{name} ({} {version})", operator.as_str()),
                None => name.to_owned(),
            }
        })
        .collect();
    all.join(" | ")
}

fn offered(universe: &Universe<'_>, group: &[Relation<'_>]) -> String {
    let mut all = Vec::new();
    for one in group {
        let package = universe.package(one.target);
        for version in &package.versions {
            all.push(universe.show(*version));
        }
        for (owner, version) in &package.providers {
            let version = version
                .map(|version| format!(" = {version}"))
                .unwrap_or_default();
            all.push(format!(
                "{}{version} of {}",
                package.name,
                universe.show(*owner)
            ));
        }
    }
    if all.is_empty() {
        "no version is offered".to_owned()
    } else {
        all.truncate(MAX_SHOWN);
        format!("no version fits; offered: {}", all.join(", "))
    }
}
