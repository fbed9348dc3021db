//! Which packages apt would install.
//!
//! The walk decides like apt's own (2.6): packages that were asked for are marked first, then their
//! relations are followed in the order of the index; of several ways to satisfy one, what is installed
//! comes first, then the order of alternatives, then the real package before who provides it, then
//! essential packages, then `Priority`, then the package seen last. A choice that turns out to be
//! impossible is taken back, and the next one is tried. A test compares the outcome with `apt-get`.

mod choice;
mod conflicts;

use conflicts::Conflicts;

use super::universe::{Kind, PackageId, Relation, Universe, VersionId};

/// Longest chain of packages that pull each other in.
const MAX_DEPTH: usize = 1000;
/// Most times that a package may be looked at, all together: a closure of a
/// thousand packages needs ten thousand.
const MAX_STEPS: u64 = 2_000_000;

/// Whether `Recommends` are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recommends {
    Follow,
    Ignore,
}

/// Why a package is in the closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    AskedFor,
    Relation(Kind, PackageId),
    /// It is of the same source as this package, which is upgraded.
    SameSource(PackageId),
    /// Its installed version does not go together with this package.
    UpgradedFor(PackageId),
}

/// What the walk wants of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Keep,
    Install,
    Delete,
}

#[derive(Debug, Clone)]
struct State {
    candidate: Option<VersionId>,
    install: Option<VersionId>,
    mode: Mode,
    protected: bool,
    because: Option<Because>,
}

/// A walk over the universe.
#[derive(Debug)]
pub(super) struct Walk<'u, 'a> {
    universe: &'u Universe<'a>,
    recommends: Recommends,
    states: Vec<State>,
    installed: Vec<PackageId>,
    steps: u64,
}

/// Whether the walk goes on to what a package asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    Yes,
    No,
}

/// Who wants it: only what a user asked for may be marked in spite of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    User,
    Walk,
}

/// What is left of a walk.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What each package has in the end, by package: chosen, or kept from the base.
    pub(super) install: Vec<Option<VersionId>>,
    /// Why each chosen package is there.
    pub(super) because: Vec<Option<Because>>,
    /// Packages of the base that the closure would remove.
    pub(super) removed: Vec<PackageId>,
}

impl<'u, 'a> Walk<'u, 'a> {
    /// The closure of the versions asked for, in the order of asking. It may be broken: check it.
    pub(super) fn run(
        universe: &'u Universe<'a>,
        asked: &[VersionId],
        recommends: Recommends,
    ) -> Outcome {
        let states = universe.packages().map(|id| {
            let current = universe.package(id).current;
            State {
                candidate: universe.candidate(id),
                install: current,
                mode: Mode::Keep,
                protected: false,
                because: None,
            }
        });
        let mut walk = Self {
            universe,
            recommends,
            states: states.collect(),
            installed: universe
                .packages()
                .filter(|id| universe.package(*id).current.is_some())
                .collect(),
            steps: 0,
        };
        for version in asked {
            let package = universe.version(*version).package;
            let state = walk.state_mut(package);
            state.candidate = Some(*version);
            state.protected = true;
            walk.mark(package, Follow::No, 0, By::User, Because::AskedFor);
        }
        for version in asked {
            let package = universe.version(*version).package;
            walk.mark(package, Follow::Yes, 0, By::User, Because::AskedFor);
        }
        walk.drop_unneeded(asked);
        walk.outcome()
    }

    fn outcome(self) -> Outcome {
        let removed = self.installed.iter().copied();
        Outcome {
            removed: removed
                .filter(|id| self.state(*id).install.is_none())
                .collect(),
            install: self.states.iter().map(|state| state.install).collect(),
            because: self.states.iter().map(|state| state.because).collect(),
        }
    }

    fn state(&self, id: PackageId) -> &State {
        self.states.get(id.index()).expect("one state a package")
    }

    fn state_mut(&mut self, id: PackageId) -> &mut State {
        self.states
            .get_mut(id.index())
            .expect("one state a package")
    }

    fn current(&self, id: PackageId) -> Option<VersionId> {
        self.universe.package(id).current
    }

    fn important(&self, kind: Kind) -> bool {
        kind.is_critical() || (kind == Kind::Recommends && self.recommends == Recommends::Follow)
    }

    /// Whether a relation of `asking` holds among what `chosen` picks.
    fn holds(
        &self,
        group: &[Relation<'a>],
        asking: PackageId,
        chosen: impl Fn(PackageId) -> Option<VersionId>,
    ) -> bool {
        let mut found = group
            .iter()
            .flat_map(|one| self.universe.matching(one, asking, &chosen));
        let negative = group.first().is_some_and(|one| one.kind.is_negative());
        found.next().is_some() != negative
    }

    fn holds_installed(&self, group: &[Relation<'a>], asking: PackageId) -> bool {
        self.holds(group, asking, |id| self.state(id).install)
    }

    /// Whether something that what is to be installed of a package asks for does not hold.
    fn is_broken(&self, id: PackageId) -> bool {
        self.state(id).install.is_some_and(|version| {
            self.universe.groups(version).any(|group| {
                let kind = group.first().map(|one| one.kind);
                kind.is_some_and(|kind| self.important(kind)) && !self.holds_installed(group, id)
            })
        })
    }

    fn may_change(&self, to: Mode, id: PackageId, depth: usize, by: By) -> bool {
        let package = self.universe.package(id);
        if depth > MAX_DEPTH || self.steps > MAX_STEPS || package.versions.is_empty() {
            return false;
        }
        let state = self.state(id);
        if by == By::User || state.mode == to {
            return true;
        }
        let kept = (to != Mode::Keep && package.hold)
            || (to == Mode::Delete && (package.essential || package.important));
        !state.protected && !kept
    }

    /// Marks a package to be installed; whether that worked.
    fn mark(
        &mut self,
        id: PackageId,
        follow: Follow,
        depth: usize,
        by: By,
        because: Because,
    ) -> bool {
        self.steps += 1;
        let current = self.current(id);
        let state = self.state(id);
        let only_protects = state.protected
            && state.mode == Mode::Keep
            && state.candidate.is_some()
            && state.candidate == current;
        if !only_protects && !self.may_change(Mode::Install, id, depth, by) {
            return false;
        }
        let state = self.state(id);
        let Some(candidate) = state.candidate else {
            return false;
        };
        if !state.protected && !self.is_broken(id) {
            if Some(candidate) == current {
                return state.install.is_some() || self.keep(id, depth + 1, by);
            }
            if self.state(id).mode == Mode::Install {
                return true;
            }
        }
        if follow == Follow::Yes && !self.is_possible(id, candidate) {
            return false;
        }
        if by == By::User {
            self.take(id, because);
        }
        if follow == Follow::No {
            if by == By::Walk {
                self.take(id, because);
            }
            return true;
        }
        self.mark_and_follow(id, candidate, depth, by, because)
    }

    fn mark_and_follow(
        &mut self,
        id: PackageId,
        candidate: VersionId,
        depth: usize,
        by: By,
        because: Because,
    ) -> bool {
        let universe = self.universe;
        let was_protected = self.state(id).protected;
        let fail_early = !was_protected && by == By::Walk;
        let mut failed = false;

        let wanted: Vec<&[Relation<'a>]> = universe
            .groups(candidate)
            .filter(|group| group.first().is_some_and(|one| self.important(one.kind)))
            .filter(|group| was_protected || !self.holds_installed(group, id))
            .collect();
        let negative =
            |group: &&[Relation<'a>]| group.first().is_some_and(|one| one.kind.is_negative());
        let (forbidden, asked): (Vec<_>, Vec<_>) = wanted.into_iter().partition(negative);

        let mut conflicts = Conflicts::default();
        if !self.give_way(id, &forbidden, depth, by, &mut conflicts) {
            if fail_early {
                return false;
            }
            failed = true;
        }
        self.upgrade_dependents(id, candidate, &mut conflicts.upgrade);
        if by == By::Walk {
            self.take(id, because);
        }
        // While its relations are followed nothing may take the package away again.
        self.state_mut(id).protected = true;
        self.upgrade_same_source(id, depth);
        let mut worked = self.upgrade_or_remove(&conflicts.upgrade, id, depth, was_protected, by);
        if worked || !fail_early {
            failed |= !worked;
            worked = self.follow(id, &asked, depth, was_protected, by);
        }
        if worked || !fail_early {
            failed |= !worked;
            worked = true;
            for one in conflicts.remove {
                if !self.delete(one, depth) {
                    worked = false;
                    if fail_early {
                        break;
                    }
                }
            }
        }
        self.state_mut(id).protected = was_protected;
        failed |= !worked;
        if failed && fail_early {
            self.discard(id);
        }
        !failed
    }

    /// Installs the candidate.
    fn take(&mut self, id: PackageId, because: Because) {
        let current = self.current(id);
        let state = self.state_mut(id);
        if state.protected && state.install == state.candidate && state.because.is_some() {
            return;
        }
        state.mode = if state.candidate == current {
            Mode::Keep
        } else {
            Mode::Install
        };
        if state.install != state.candidate || state.because.is_none() {
            state.because = Some(because);
        }
        state.install = state.candidate;
    }

    /// Takes a choice back, and does not try it again.
    fn discard(&mut self, id: PackageId) {
        let current = self.current(id);
        let state = self.state_mut(id);
        if state.mode == Mode::Keep && state.install == state.candidate && state.install == current
        {
            return;
        }
        state.install = current;
        state.mode = Mode::Keep;
        state.candidate = current;
        state.because = None;
    }

    fn keep(&mut self, id: PackageId, depth: usize, by: By) -> bool {
        if !self.may_change(Mode::Keep, id, depth, by) {
            return false;
        }
        let current = self.current(id);
        let state = self.state_mut(id);
        if state.mode != Mode::Keep {
            state.mode = Mode::Keep;
            state.install = current;
            state.because = None;
        }
        true
    }

    fn delete(&mut self, id: PackageId, depth: usize) -> bool {
        if !self.may_change(Mode::Delete, id, depth, By::Walk) {
            return false;
        }
        let state = self.state_mut(id);
        state.mode = Mode::Delete;
        state.install = None;
        state.because = None;
        true
    }

    /// Whether everything a candidate needs has at least a candidate itself. One that has not is
    /// given up.
    fn is_possible(&mut self, id: PackageId, candidate: VersionId) -> bool {
        let current = self.current(id);
        if Some(candidate) == current {
            return true;
        }
        let possible = self.universe.groups(candidate).all(|group| {
            let kind = group.first().map(|one| one.kind);
            kind.is_none_or(|kind| !kind.is_critical() || kind.is_negative())
                || self.holds_installed(group, id)
                || self.holds(group, id, |id| self.state(id).candidate)
        });
        let state = self.state_mut(id);
        if !possible && !state.protected {
            state.candidate = current;
            if state.mode != Mode::Delete {
                state.mode = Mode::Keep;
                state.install = current;
                state.because = None;
            }
        }
        possible
    }

    /// Installs what a package asks for.
    fn follow(
        &mut self,
        id: PackageId,
        asked: &[&[Relation<'a>]],
        depth: usize,
        protected: bool,
        by: By,
    ) -> bool {
        let mut worked = true;
        for group in asked {
            let Some(kind) = group.first().map(|one| one.kind) else {
                continue;
            };
            let because = Because::Relation(kind, id);
            if self.holds_installed(group, id) {
                if protected && kind.is_critical() {
                    worked &= self.protect_only_solution(group, id, depth, because);
                }
                continue;
            }
            if !kind.is_critical() && self.is_old_wish(group, id) {
                continue;
            }
            let solutions = self.solutions(group, id, |walk, id| walk.state(id).candidate);
            let mut found = false;
            for version in &solutions {
                let other = self.universe.version(*version).package;
                if self.state(other).candidate != Some(*version) {
                    continue;
                }
                if protected && kind.is_critical() && solutions.len() == 1 {
                    if !self.mark(other, Follow::No, depth + 1, By::Walk, because) {
                        continue;
                    }
                    self.state_mut(other).protected = true;
                }
                if self.mark(other, Follow::Yes, depth + 1, By::Walk, because) {
                    found = true;
                    break;
                }
            }
            if !found && kind.is_critical() {
                worked = false;
                if !protected && by == By::Walk {
                    break;
                }
            }
        }
        worked
    }
}
