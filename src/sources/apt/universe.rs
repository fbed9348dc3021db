//! Every package that repositories offer and the base has, with what they ask of each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::packages::Record;
use super::relation::{self, Operator, RelationError};
use super::version;

/// Most versions of one package in all lists together.
const MAX_VERSIONS: usize = 2_000;

/// A name that packages have, provide, or ask for. Ids grow in the order in which names are first
/// seen, which apt takes as the last word between equal providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(usize);

impl PackageId {
    /// Its place in tables that hold one entry a package.
    pub(super) const fn index(self) -> usize {
        self.0
    }
}

/// A version of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(usize);

/// A name.
#[derive(Debug)]
pub(super) struct Package<'a> {
    /// The name, `name:any` included.
    pub(super) name: &'a str,
    /// Its versions, newest first.
    pub(super) versions: Vec<VersionId>,
    /// Versions of other packages that provide it, and as which version.
    pub(super) providers: Vec<(VersionId, Option<&'a str>)>,
    /// Whether some version is `Essential: yes`.
    pub(super) essential: bool,
    /// Whether some version is `Important: yes` or `Protected: yes`.
    pub(super) important: bool,
    /// What the base has.
    pub(super) current: Option<VersionId>,
    /// Whether the base holds it at its version.
    pub(super) hold: bool,
}

/// A version of a package.
#[derive(Debug)]
pub(super) struct Version<'a> {
    /// Whose version.
    pub(super) package: PackageId,
    /// The record it was first seen in.
    pub(super) record: Record<'a>,
    /// The lists that offer it, in their order; empty for what only the base has.
    pub(super) lists: Vec<usize>,
    /// The highest priority among these lists.
    pub(super) priority: i32,
    first: usize,
    end: usize,
}

/// What a relation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

impl Kind {
    const ALL: [Option<Self>; 8] = [
        Some(Self::PreDepends),
        Some(Self::Depends),
        Some(Self::Conflicts),
        Some(Self::Breaks),
        Some(Self::Recommends),
        Some(Self::Suggests),
        None,
        None,
    ];

    /// Whether the relation forbids instead of asking.
    pub(super) const fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }

    /// Whether a system without it is broken.
    pub(super) const fn is_critical(self) -> bool {
        !matches!(self, Self::Recommends | Self::Suggests)
    }

    /// The name of the field.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
            Self::Recommends => "Recommends",
            Self::Suggests => "Suggests",
        }
    }
}

/// One alternative of a relation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relation<'a> {
    pub(super) kind: Kind,
    pub(super) target: PackageId,
    pub(super) version: Option<(Operator, &'a str)>,
    or: bool,
}

impl Relation<'_> {
    /// Whether a version of the target itself is what is asked.
    pub(super) fn accepts_version_of(&self, universe: &Universe<'_>, version: VersionId) -> bool {
        self.accepts(Some(universe.version(version).record.version))
    }

    fn accepts(&self, found: Option<&str>) -> bool {
        match (self.version, found) {
            (None, _) => true,
            (Some((operator, wanted)), Some(found)) => operator.accepts(found, wanted),
            (Some(_), None) => false,
        }
    }
}

/// All packages.
#[derive(Debug)]
pub(super) struct Universe<'a> {
    names: HashMap<&'a str, PackageId>,
    packages: Vec<Package<'a>>,
    versions: Vec<Version<'a>>,
    relations: Vec<Relation<'a>>,
    /// Who satisfies `name:any`, by name.
    any: HashMap<&'a str, Vec<(VersionId, Option<&'a str>)>>,
    arch: &'a str,
}

impl<'a> Universe<'a> {
    /// An empty universe for hosts of architecture `arch`.
    pub(super) fn new(arch: &'a str) -> Self {
        Self {
            names: HashMap::new(),
            packages: Vec::new(),
            versions: Vec::new(),
            relations: Vec::new(),
            any: HashMap::new(),
            arch,
        }
    }

    /// Adds what list number `list` offers.
    pub(super) fn add_list(
        &mut self,
        records: &[Record<'a>],
        list: usize,
        priority: i32,
    ) -> Result<(), (usize, RelationError)> {
        for record in records {
            if !self.fits(record) {
                continue;
            }
            let id = self.add(record)?;
            let version = self.version_mut(id);
            // Two lists may offer different builds under one version: the first one counts.
            let same = version.lists.is_empty() || version.record.sha256 == record.sha256;
            if same {
                version.lists.push(list);
                version.priority = version.priority.max(priority);
            }
        }
        Ok(())
    }

    /// Adds what the base has installed.
    pub(super) fn add_base(
        &mut self,
        records: &[Record<'a>],
    ) -> Result<(), (usize, RelationError)> {
        for record in records {
            let mut status = record.status.split_ascii_whitespace();
            let (want, state) = (status.next(), status.nth(1));
            let installed = matches!(
                state,
                Some("installed" | "triggers-awaited" | "triggers-pending")
            );
            if !installed || !self.fits(record) || record.version.is_empty() {
                continue;
            }
            let id = self.add(record)?;
            let package = self.version(id).package;
            let package = self.package_mut(package);
            package.current = Some(id);
            package.hold = want == Some("hold");
        }
        Ok(())
    }

    /// Connects `name:any` with who satisfies it. To be called once, after the last package was added.
    pub(super) fn finish(&mut self) {
        for package in &mut self.packages {
            if let Some(plain) = package.name.strip_suffix(":any") {
                package.providers = self.any.get(plain).cloned().unwrap_or_default();
            }
        }
    }

    /// Takes these versions as installed.
    pub(super) fn set_base(&mut self, installed: &[VersionId]) {
        for id in installed {
            let package = self.version(*id).package;
            self.package_mut(package).current = Some(*id);
        }
    }

    /// The package of this name.
    pub(super) fn find(&self, name: &str) -> Option<PackageId> {
        self.names.get(name).copied()
    }

    /// All packages, in the order of their ids.
    pub(super) fn packages(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..self.packages.len()).map(PackageId)
    }

    pub(super) fn package(&self, id: PackageId) -> &Package<'a> {
        self.packages
            .get(id.0)
            .expect("ids come from this universe")
    }

    pub(super) fn version(&self, id: VersionId) -> &Version<'a> {
        self.versions
            .get(id.0)
            .expect("ids come from this universe")
    }

    /// `name (version)`.
    pub(super) fn show(&self, id: VersionId) -> String {
        let record = &self.version(id).record;
        format!("{} ({})", record.name, record.version)
    }

    /// What a version asks, one slice of alternatives a relation.
    pub(super) fn groups(&self, id: VersionId) -> impl Iterator<Item = &[Relation<'a>]> {
        let version = self.version(id);
        let all = self.relations.get(version.first..version.end);
        all.unwrap_or_default().chunk_by(|before, _| before.or)
    }

    /// The versions that satisfy a relation of package `asking`, among those that `chosen` picks for
    /// each package: the target first, then who provides it.
    pub(super) fn matching(
        &self,
        relation: &Relation<'_>,
        asking: PackageId,
        chosen: &impl Fn(PackageId) -> Option<VersionId>,
    ) -> impl Iterator<Item = VersionId> {
        // No package conflicts with itself (Debian policy §7.4).
        let excluded = relation.kind.is_negative().then_some(asking);
        let target = self.package(relation.target);
        let own = chosen(relation.target)
            .filter(|_| excluded != Some(relation.target))
            .filter(|id| relation.accepts(Some(self.version(*id).record.version)));
        let provided = target.providers.iter().filter_map(move |(owner, version)| {
            let package = self.version(*owner).package;
            let counts = excluded != Some(package)
                && chosen(package) == Some(*owner)
                && relation.accepts(*version);
            counts.then_some(*owner)
        });
        own.into_iter().chain(provided)
    }

    /// What apt would install of a package: of the highest priority the newest, and no downgrade
    /// under priority 1000 (`apt_preferences(5)`).
    pub(super) fn candidate(&self, id: PackageId) -> Option<VersionId> {
        /// What the base has counts this much.
        const INSTALLED: i32 = 100;
        let package = self.package(id);
        let mut best: Option<(i32, VersionId)> = None;
        for one in &package.versions {
            let version = self.version(*one);
            let mut priority = if version.lists.is_empty() {
                0
            } else {
                version.priority
            };
            if package.current == Some(*one) {
                priority = priority.max(INSTALLED);
            }
            let downgrade = package.current.is_some_and(|current| {
                let current = self.version(current).record.version;
                version::compare(version.record.version, current).is_lt()
            });
            let better = best.is_none_or(|(found, _)| priority > found);
            if priority > 0 && better && !(downgrade && priority < 1000) {
                best = Some((priority, *one));
            }
        }
        best.map(|(_, id)| id)
    }

    fn fits(&self, record: &Record<'_>) -> bool {
        record.arch == self.arch || record.arch == "all"
    }

    fn package_mut(&mut self, id: PackageId) -> &mut Package<'a> {
        self.packages
            .get_mut(id.0)
            .expect("ids come from this universe")
    }

    fn version_mut(&mut self, id: VersionId) -> &mut Version<'a> {
        self.versions
            .get_mut(id.0)
            .expect("ids come from this universe")
    }

    fn name(&mut self, name: &'a str) -> PackageId {
        match self.names.entry(name) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(free) => {
                let id = PackageId(self.packages.len());
                self.packages.push(Package {
                    name,
                    versions: Vec::new(),
                    providers: Vec::new(),
                    essential: false,
                    important: false,
                    current: None,
                    hold: false,
                });
                *free.insert(id)
            }
        }
    }

    /// The version of this record, new or known.
    fn add(&mut self, record: &Record<'a>) -> Result<VersionId, (usize, RelationError)> {
        let package = self.name(record.name);
        let id = VersionId(self.versions.len());
        let mut place = 0;
        for (at, known) in self.package(package).versions.iter().enumerate() {
            let known_version = self.version(*known).record.version;
            match version::compare(record.version, known_version) {
                std::cmp::Ordering::Greater => break,
                std::cmp::Ordering::Equal if known_version == record.version => {
                    let known = *known;
                    self.flag(package, record);
                    return Ok(known);
                }
                _ => place = at + 1,
            }
        }
        if self.package(package).versions.len() >= MAX_VERSIONS {
            let why = format!(
                "there are more than {MAX_VERSIONS} versions of {}",
                record.name
            );
            return Err((record.line, RelationError(why)));
        }
        let first = self.relations.len();
        self.add_relations(record)
            .map_err(|error| (record.line, error))?;
        self.versions.push(Version {
            package,
            record: *record,
            lists: Vec::new(),
            priority: i32::MIN,
            first,
            end: self.relations.len(),
        });
        self.package_mut(package).versions.insert(place, id);
        self.flag(package, record);
        self.add_provides(id, record)
            .map_err(|error| (record.line, error))?;
        Ok(id)
    }

    fn flag(&mut self, package: PackageId, record: &Record<'_>) {
        // apt never lets go of itself.
        let itself = record.name == "apt";
        let package = self.package_mut(package);
        package.essential |= record.essential || itself;
        package.important |= record.important || itself;
    }

    fn add_relations(&mut self, record: &Record<'a>) -> Result<(), RelationError> {
        for (kind, field) in Kind::ALL.into_iter().zip(record.relations) {
            if field.is_empty() {
                continue;
            }
            for one in relation::parse(field, self.arch)? {
                let target = self.name(self.native(one.name));
                if let Some(kind) = kind {
                    self.relations.push(Relation {
                        kind,
                        target,
                        version: one.version,
                        or: one.or,
                    });
                }
            }
        }
        Ok(())
    }

    fn add_provides(&mut self, id: VersionId, record: &Record<'a>) -> Result<(), RelationError> {
        if !record.provides.is_empty() {
            for one in relation::parse(record.provides, self.arch)? {
                let version = match one.version {
                    None => None,
                    Some((Operator::Equal, version)) => Some(version),
                    // Only `=` has a meaning here (Debian policy §7.5).
                    Some(_) => continue,
                };
                let name = self.native(one.name);
                let itself =
                    name == record.name && version.is_none_or(|version| version == record.version);
                if itself {
                    continue;
                }
                let target = self.name(name);
                self.package_mut(target).providers.push((id, version));
                if record.allowed {
                    self.provide_any(id, name, version);
                }
            }
        }
        if record.allowed {
            self.provide_any(id, record.name, Some(record.version));
        }
        Ok(())
    }

    /// `name:any` is satisfied by packages with `Multi-Arch: allowed` only.
    fn provide_any(&mut self, id: VersionId, name: &'a str, version: Option<&'a str>) {
        self.any.entry(name).or_default().push((id, version));
    }

    /// `name:amd64` is `name` on amd64.
    fn native(&self, name: &'a str) -> &'a str {
        match name.split_once(':') {
            Some((plain, arch)) if arch == self.arch || arch == "native" => plain,
            _ => name,
        }
    }
}
