//! Proves a choice of packages, from their records alone.
//!
//! Shares nothing with the walk but the readers: relations are read again, and looked up by name.

use std::collections::BTreeMap;

use super::packages::Record;
use super::relation::{self, Alternative, Operator};

/// Everything that does not hold: needs of chosen packages that neither they nor the base meet, and
/// conflicts in which a chosen package takes part. Empty when the choice is proven.
pub(super) fn prove(chosen: &[&Record<'_>], base: &[&Record<'_>], arch: &str) -> Vec<String> {
    let mut present: BTreeMap<&str, Vec<Present<'_>>> = BTreeMap::new();
    let mut problems = Vec::new();
    let everything = || {
        chosen
            .iter()
            .map(|one| (*one, true))
            .chain(base.iter().map(|one| (*one, false)))
    };
    for (record, is_chosen) in everything() {
        let own = Present {
            version: Some(record.version),
            owner: record,
            is_chosen,
        };
        let here = present.entry(record.name).or_default();
        if here.iter().any(|other| other.owner.name == record.name) {
            problems.push(format!("{} is there in two versions", record.name));
        }
        here.push(own);
        for one in relation::parse(record.provides, arch).unwrap_or_default() {
            let version = match one.version {
                None => None,
                Some((Operator::Equal, version)) => Some(version),
                Some(_) => continue,
            };
            let provided = Present { version, ..own };
            present.entry(one.name).or_default().push(provided);
        }
    }
    let proof = Proof { present, arch };
    for (record, is_chosen) in everything() {
        let [pre_depends, depends, conflicts, breaks, ..] = record.relations;
        for (field, text) in [("Pre-Depends", pre_depends), ("Depends", depends)] {
            if is_chosen {
                problems.extend(proof.unmet(record, field, text));
            }
        }
        for (field, text) in [("Conflicts", conflicts), ("Breaks", breaks)] {
            problems.extend(proof.conflicts(record, is_chosen, field, text));
        }
    }
    problems
}

#[derive(Clone, Copy)]
struct Present<'a> {
    version: Option<&'a str>,
    owner: &'a Record<'a>,
    is_chosen: bool,
}

struct Proof<'a> {
    present: BTreeMap<&'a str, Vec<Present<'a>>>,
    arch: &'a str,
}

impl Proof<'_> {
    fn unmet(&self, record: &Record<'_>, field: &str, text: &str) -> Vec<String> {
        let Ok(all) = relation::parse(text, self.arch) else {
            return vec![format!("{field} of {} cannot be read", record.name)];
        };
        all.chunk_by(|before, _| before.or)
            .filter(|group| !group.iter().any(|one| self.matches(one).next().is_some()))
            .map(|group| {
                format!(
                    "{} {} -> {field}: {}: nothing that is chosen satisfies it",
                    record.name,
                    record.version,
                    show(group)
                )
            })
            .collect()
    }

    fn conflicts(
        &self,
        record: &Record<'_>,
        is_chosen: bool,
        field: &str,
        text: &str,
    ) -> Vec<String> {
        let all = relation::parse(text, self.arch).unwrap_or_default();
        let mut found = Vec::new();
        for one in &all {
            for other in self.matches(one) {
                if other.owner.name != record.name && (is_chosen || other.is_chosen) {
                    found.push(format!(
                        "{} {} -> {field}: {}: but {} {} is there",
                        record.name,
                        record.version,
                        show(std::slice::from_ref(one)),
                        other.owner.name,
                        other.owner.version
                    ));
                }
            }
        }
        found
    }

    fn matches(&self, one: &Alternative<'_>) -> impl Iterator<Item = &Present<'_>> {
        let (name, any) = match one.name.split_once(':') {
            Some((name, "any")) => (name, true),
            Some((name, arch)) if arch == self.arch || arch == "native" => (name, false),
            _ => (one.name, false),
        };
        let here = self
            .present
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        here.iter().filter(move |found| {
            let version = match (one.version, found.version) {
                (None, _) => true,
                (Some((operator, wanted)), Some(version)) => operator.accepts(version, wanted),
                (Some(_), None) => false,
            };
            version && (!any || found.owner.allowed)
        })
    }
}

/// The alternatives as they are written.
fn show(group: &[Alternative<'_>]) -> String {
    let all: Vec<String> = group
        .iter()
        .map(|one| match one.version {
            Some((operator, version)) => format!("{} ({} {version})", one.name, operator.as_str()),
            None => one.name.to_owned(),
        })
        .collect();
    all.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::apt::packages;

    fn problems(chosen: &str, base: &str) -> Vec<String> {
        let read = |text: &'static str| packages::parse(text.as_bytes()).unwrap();
        let (chosen, base) = (read(chosen.to_owned().leak()), read(base.to_owned().leak()));
        prove(
            &chosen.iter().collect::<Vec<_>>(),
            &base.iter().collect::<Vec<_>>(),
            "amd64",
        )
    }

    #[test]
    fn accepts_a_closed_set() {
        let chosen = "Package: aa\nVersion: 1\nDepends: bb (>= 2) | zz, vv (= 3), py:any\nConflicts: aa, mm\n\n\
            Package: cc\nVersion: 1\nProvides: vv (= 3), mm2\n\nPackage: py\nVersion: 3\nMulti-Arch: allowed\n";
        assert_eq!(
            problems(chosen, "Package: bb\nVersion: 2\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn finds_each_kind_of_hole() {
        let cases = [
            (
                "Package: aa\nVersion: 1\nDepends: bb (>= 2)\n",
                "Package: bb\nVersion: 1\n",
                "aa 1 -> Depends: bb (>= 2): nothing that is chosen satisfies it",
            ),
            (
                "Package: aa\nVersion: 1\nPre-Depends: py:any\n",
                "Package: py\nVersion: 1\n",
                "aa 1 -> Pre-Depends: py:any: nothing that is chosen satisfies it",
            ),
            (
                "Package: aa\nVersion: 1\nDepends: vv (>= 1)\n",
                "Package: bb\nVersion: 1\nProvides: vv\n",
                "aa 1 -> Depends: vv (>= 1): nothing that is chosen satisfies it",
            ),
            (
                "Package: aa\nVersion: 1\nConflicts: vv\n",
                "Package: bb\nVersion: 1\nProvides: vv\n",
                "aa 1 -> Conflicts: vv: but bb 1 is there",
            ),
            (
                "Package: aa\nVersion: 1\n",
                "Package: bb\nVersion: 1\nBreaks: aa (<< 2)\n",
                "bb 1 -> Breaks: aa (<< 2): but aa 1 is there",
            ),
            (
                "Package: aa\nVersion: 1\n",
                "Package: aa\nVersion: 2\n",
                "aa is there in two versions",
            ),
        ];
        for (chosen, base, problem) in cases {
            assert_eq!(problems(chosen, base), [problem]);
        }
        assert_eq!(
            problems("", "Package: aa\nVersion: 1\nDepends: bb\n"),
            Vec::<String>::new(),
            "what was broken before is not ours"
        );
    }
}
