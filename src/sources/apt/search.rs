//! Searches for a set of packages where apt's walk ends in a conflict.
//!
//! A plain backtracking search: needs are met one after the other, in apt's order of preference; what
//! conflicts with the set so far is not taken. Packages of the base stay, or are upgraded when that is
//! what helps. Recommends are left out.

use super::closure::{Because, Outcome};
use super::universe::{Kind, PackageId, Relation, Universe, VersionId};

/// Most choices that are tried.
const MAX_CHOICES: usize = 10_000;

/// A set in which everything asked for is there and nothing is broken, or nothing.
pub(super) fn search(universe: &Universe<'_>, asked: &[VersionId]) -> Option<Outcome> {
    let install: Vec<Option<VersionId>> = universe
        .packages()
        .map(|id| universe.package(id).current)
        .collect();
    let because = vec![None; install.len()];
    let mut search = Search {
        universe,
        install,
        because,
        agenda: Vec::new(),
        choices: 0,
    };
    for version in asked {
        if !search.fits(*version) {
            return None;
        }
        search.take(*version, Because::AskedFor);
    }
    search.go_on(0).then(|| Outcome {
        install: search.install,
        because: search.because,
        removed: Vec::new(),
    })
}

struct Search<'u, 'a> {
    universe: &'u Universe<'a>,
    install: Vec<Option<VersionId>>,
    because: Vec<Option<Because>>,
    /// Needs of what was taken, in order.
    agenda: Vec<(PackageId, VersionId, &'u [Relation<'a>])>,
    choices: usize,
}

impl<'a> Search<'_, 'a> {
    fn go_on(&mut self, mut at: usize) -> bool {
        loop {
            let Some((asking, version, group)) = self.agenda.get(at).copied() else {
                return true;
            };
            let replaced = self.installed(asking) != Some(version);
            if replaced || self.holds(group, asking) {
                at += 1;
                continue;
            }
            let kind = group.first().map_or(Kind::Depends, |one| one.kind);
            for solution in self.solutions(group, asking) {
                self.choices += 1;
                if self.choices > MAX_CHOICES {
                    return false;
                }
                if !self.fits(solution) {
                    continue;
                }
                let package = self.universe.version(solution).package;
                let agenda = self.agenda.len();
                let before = self.installed(package);
                let why = self.because.get(package.index()).copied().flatten();
                self.take(solution, Because::Relation(kind, asking));
                if self.go_on(at + 1) {
                    return true;
                }
                self.agenda.truncate(agenda);
                self.put(package, before, why);
            }
            return false;
        }
    }

    fn installed(&self, id: PackageId) -> Option<VersionId> {
        self.install.get(id.index()).copied().flatten()
    }

    fn put(&mut self, id: PackageId, version: Option<VersionId>, because: Option<Because>) {
        if let Some(place) = self.install.get_mut(id.index()) {
            *place = version;
        }
        if let Some(place) = self.because.get_mut(id.index()) {
            *place = because;
        }
    }

    fn take(&mut self, version: VersionId, because: Because) {
        let package = self.universe.version(version).package;
        self.put(package, Some(version), Some(because));
        for group in self.universe.groups(version) {
            let needed = |one: &Relation<'_>| one.kind.is_critical() && !one.kind.is_negative();
            if group.first().is_some_and(needed) {
                self.agenda.push((package, version, group));
            }
        }
    }

    fn holds(&self, group: &[Relation<'a>], asking: PackageId) -> bool {
        let installed = |id| self.installed(id);
        group.iter().any(|one| {
            let mut found = self.universe.matching(one, asking, &installed);
            found.next().is_some()
        })
    }

    /// Whether a version conflicts with nothing in the set, and nothing in the set with it. A package
    /// that was chosen already is not changed; one of the base may be.
    fn fits(&self, version: VersionId) -> bool {
        let package = self.universe.version(version).package;
        let current = self.universe.package(package).current;
        let present = self.installed(package);
        if present == Some(version) {
            return true;
        }
        if present.is_some() && (present != current || self.universe.package(package).hold) {
            return false;
        }
        let with = |id: PackageId| {
            if id == package {
                Some(version)
            } else {
                self.installed(id)
            }
        };
        let conflicts = |one: VersionId, asking: PackageId, about: Option<VersionId>| {
            self.universe
                .groups(one)
                .flatten()
                .filter(|relation| relation.kind.is_negative())
                .any(|relation| {
                    let mut found = self.universe.matching(relation, asking, &with);
                    found.any(|other| about.is_none_or(|about| about == other))
                })
        };
        !conflicts(version, package, None)
            && !self.install.iter().flatten().any(|other| {
                let asking = self.universe.version(*other).package;
                asking != package && conflicts(*other, asking, Some(version))
            })
    }

    /// Ways to meet a need: for each alternative the package itself, then who provides it; candidates
    /// before other versions.
    fn solutions(&self, group: &[Relation<'a>], asking: PackageId) -> Vec<VersionId> {
        let mut found = Vec::new();
        for one in group {
            let candidate = |id| self.universe.candidate(id);
            let mut here: Vec<VersionId> =
                self.universe.matching(one, asking, &candidate).collect();
            here.sort_by_key(|version| {
                let version = self.universe.version(*version);
                let package = self.universe.package(version.package);
                (
                    version.package != one.target,
                    !package.essential,
                    version.record.priority,
                    std::cmp::Reverse(version.package),
                )
            });
            found.append(&mut here);
        }
        for one in group {
            for version in &self.universe.package(one.target).versions {
                let offered = !self.universe.version(*version).lists.is_empty();
                let wanted = |id| (id == one.target).then_some(*version);
                let fits = self.universe.matching(one, asking, &wanted).next() == Some(*version);
                if offered && fits && !found.contains(version) {
                    found.push(*version);
                }
            }
        }
        found
    }
}
