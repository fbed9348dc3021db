//! What must give way, or go along, when a package is installed.

use super::{Because, By, Follow, Mode, Walk};
use crate::sources::apt::universe::{PackageId, Relation, VersionId};

/// What must go, or change, for a package.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    pub(super) upgrade: Vec<PackageId>,
    pub(super) remove: Vec<PackageId>,
}

impl<'a> Walk<'_, 'a> {
    /// Makes room for a package: what it conflicts with is not installed, or upgraded, or removed.
    pub(super) fn give_way(
        &mut self,
        id: PackageId,
        forbidden: &[&[Relation<'a>]],
        depth: usize,
        by: By,
        conflicts: &mut Conflicts,
    ) -> bool {
        let protected = self.state(id).protected;
        let go_on = protected || by == By::User;
        let mut worked = true;
        let mut bad_candidates = Vec::new();
        for group in forbidden {
            let mut try_next = |worked_here: bool| {
                worked &= worked_here;
                worked_here || go_on
            };
            for version in self.solutions(group, id, |walk, id| walk.state(id).candidate) {
                let other = self.universe.version(version).package;
                let state = self.state(other);
                if state.candidate != Some(version) {
                    continue;
                }
                let worked_here = if self.current(other) == Some(version) {
                    self.remove_later(other, depth, protected, conflicts)
                } else if state.mode == Mode::Install && !self.keep(other, depth, By::Walk) {
                    false
                } else if protected {
                    let current = self.current(other);
                    let state = self.state_mut(other);
                    state.candidate = state.install;
                    state.protected |= current.is_none();
                    true
                } else {
                    bad_candidates.push(other);
                    true
                };
                if !try_next(worked_here) {
                    return false;
                }
            }
            for version in self.solutions(group, id, Walk::current) {
                let other = self.universe.version(version).package;
                let candidate = self.state(other).candidate;
                let worked_here = if candidate.is_some()
                    && candidate != Some(version)
                    && !bad_candidates.contains(&other)
                {
                    conflicts.upgrade.push(other);
                    true
                } else if candidate == self.current(other) {
                    true
                } else {
                    self.remove_later(other, depth, protected, conflicts)
                };
                if !try_next(worked_here) {
                    return false;
                }
            }
        }
        worked
    }

    pub(super) fn remove_later(
        &mut self,
        id: PackageId,
        depth: usize,
        protected: bool,
        conflicts: &mut Conflicts,
    ) -> bool {
        if self.state(id).mode == Mode::Delete && !protected {
            return true;
        }
        if protected {
            if self.state(id).mode != Mode::Delete && !self.delete(id, depth + 1) {
                return false;
            }
            let state = self.state_mut(id);
            state.candidate = state.install;
            state.protected = true;
            return true;
        }
        if !self.may_change(Mode::Delete, id, depth, By::Walk) {
            return false;
        }
        conflicts.remove.push(id);
        true
    }

    /// Installed packages that need the version that is to be replaced.
    pub(super) fn upgrade_dependents(
        &self,
        id: PackageId,
        candidate: VersionId,
        upgrade: &mut Vec<PackageId>,
    ) {
        let Some(current) = self.current(id) else {
            return;
        };
        for dependent in &self.installed {
            let Some(version) = self.current(*dependent) else {
                continue;
            };
            if self.state(*dependent).mode == Mode::Install || upgrade.contains(dependent) {
                continue;
            }
            let breaks = self.universe.groups(version).flatten().any(|one| {
                let with = |version| one.accepts_version_of(self.universe, version);
                one.target == id
                    && self.important(one.kind)
                    && !one.kind.is_negative()
                    && with(current)
                    && !with(candidate)
            });
            if breaks {
                upgrade.push(*dependent);
            }
        }
    }

    /// Installed packages of the same source go along.
    pub(super) fn upgrade_same_source(&mut self, id: PackageId, depth: usize) {
        let Some(candidate) = self.state(id).candidate else {
            return;
        };
        let universe = self.universe;
        let source = universe.version(candidate).record.source_package();
        let siblings: Vec<PackageId> = self
            .installed
            .iter()
            .copied()
            .filter(|other| *other != id)
            .filter(|other| {
                let state = self.state(*other);
                state.candidate.is_some_and(|version| {
                    self.current(*other) != Some(version)
                        && !(state.mode == Mode::Install && state.install == Some(version))
                        && universe.version(version).record.source_package() == source
                })
            })
            .collect();
        for follow in [Follow::No, Follow::Yes] {
            for other in &siblings {
                self.mark(*other, follow, depth + 1, By::Walk, Because::SameSource(id));
            }
        }
    }

    pub(super) fn upgrade_or_remove(
        &mut self,
        upgrade: &[PackageId],
        id: PackageId,
        depth: usize,
        protected: bool,
        by: By,
    ) -> bool {
        let mut worked = true;
        for other in upgrade {
            let because = Because::UpgradedFor(id);
            if self.state(*other).mode == Mode::Install
                || self.mark(*other, Follow::Yes, depth + 1, By::Walk, because)
            {
                continue;
            }
            if !self.delete(*other, depth + 1) {
                worked = false;
                if !protected && by == By::Walk {
                    break;
                }
            } else if protected {
                self.state_mut(*other).protected = true;
            }
        }
        worked
    }
}
