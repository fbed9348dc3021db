//! Which of several solutions apt takes, and what it drops in the end.

use super::{Because, By, Follow, Mode, Walk};
use crate::sources::apt::universe::{PackageId, Relation, VersionId};

impl<'a> Walk<'_, 'a> {
    /// What a package that was asked for needs, when only one package can give it, is as good as asked
    /// for.
    pub(super) fn protect_only_solution(
        &mut self,
        group: &[Relation<'a>],
        id: PackageId,
        depth: usize,
        because: Because,
    ) -> bool {
        let mut solutions = self.solutions(group, id, |walk, id| walk.state(id).candidate);
        solutions.extend(self.solutions(group, id, Walk::current));
        solutions.sort();
        solutions.dedup();
        let [only] = solutions.as_slice() else {
            return true;
        };
        let other = self.universe.version(*only).package;
        if self.state(other).protected {
            return true;
        }
        self.state_mut(other).protected = true;
        self.mark(other, Follow::Yes, depth + 1, By::Walk, because)
    }

    /// Whether an installed package recommended this before and lives without it.
    pub(super) fn is_old_wish(&self, group: &[Relation<'a>], id: PackageId) -> bool {
        let (Some(current), Some(first)) = (self.current(id), group.first()) else {
            return false;
        };
        let mut known = false;
        for old in self.universe.groups(current) {
            let wish = old
                .first()
                .is_some_and(|one| !one.kind.is_critical() && self.important(one.kind));
            if wish && old.iter().any(|one| one.target == first.target) {
                known = true;
                if self.holds(old, id, |id| self.current(id)) {
                    return false;
                }
            }
        }
        known
    }

    /// Every version among those that `chosen` picks that satisfies one of the alternatives, best
    /// first.
    pub(super) fn solutions(
        &self,
        group: &[Relation<'a>],
        asking: PackageId,
        chosen: impl Fn(&Self, PackageId) -> Option<VersionId>,
    ) -> Vec<VersionId> {
        let (mut installed, mut new) = (Vec::new(), Vec::new());
        for one in group {
            let chosen = |id| chosen(self, id);
            let mut found: Vec<VersionId> = self.universe.matching(one, asking, &chosen).collect();
            found.sort_by_cached_key(|version| self.rank(*version, one.target));
            found.dedup();
            for version in found {
                let package = self.universe.version(version).package;
                if self.current(package).is_some() {
                    installed.push(version);
                } else {
                    new.push(version);
                }
            }
        }
        installed.append(&mut new);
        let mut seen = std::collections::HashSet::new();
        let negative = group.first().is_some_and(|one| one.kind.is_negative());
        installed.retain(|version| {
            let package = self.universe.version(*version).package;
            let state = self.state(package);
            let ruled_out = state.protected
                && (state.mode == Mode::Delete
                    || (state.mode == Mode::Keep && self.current(package).is_none()));
            seen.insert(*version) && (negative || !ruled_out)
        });
        installed
    }

    /// Smaller is better.
    pub(super) fn rank(&self, version: VersionId, target: PackageId) -> impl Ord + use<> {
        let found = self.universe.version(version);
        let package = self.universe.package(found.package);
        (
            !self.state(found.package).protected,
            package.current.is_none(),
            found.package != target,
            !package.essential,
            !package.important,
            found.record.priority,
            std::cmp::Reverse(found.package),
        )
    }

    /// Takes out what was chosen on the way and is needed by nothing that is left.
    pub(super) fn drop_unneeded(&mut self, asked: &[VersionId]) {
        let universe = self.universe;
        let mut needed = vec![false; self.states.len()];
        let roots = asked
            .iter()
            .map(|version| universe.version(*version).package);
        let mut open: Vec<PackageId> = roots.chain(self.installed.iter().copied()).collect();
        while let Some(id) = open.pop() {
            let Some(flag) = needed.get_mut(id.index()) else {
                continue;
            };
            if std::mem::replace(flag, true) {
                continue;
            }
            let Some(version) = self.state(id).install else {
                continue;
            };
            for one in universe.groups(version).flatten() {
                if !one.kind.is_negative() {
                    let install = |id| self.state(id).install;
                    let found = universe.matching(one, id, &install);
                    open.extend(found.map(|version| universe.version(version).package));
                }
            }
        }
        for (state, needed) in self.states.iter_mut().zip(needed) {
            if !needed && state.mode == Mode::Install {
                state.install = None;
                state.mode = Mode::Keep;
                state.because = None;
            }
        }
    }
}
