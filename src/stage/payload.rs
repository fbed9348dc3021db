//! Which files of the bundle which host needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::contents::{Contents, FileInfo, FileKind, RepositoryInfo};
use crate::plan::Plan;
use crate::plan::deployment::{Host, Role};
use crate::stage::packages::{self, database_major};
use crate::types::path::RelPath;
use crate::types::target::{Distribution, Family};

/// What a bundle holds, seen from the roles.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) contents: &'a Contents,
    /// Packages with their versions.
    packages: BTreeMap<&'a str, &'a str>,
}

/// A file of the bundle that goes to a host: where it is, and where it goes below the host's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: RelPath,
    pub(super) to: String,
}

/// A program that is no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) role: Role,
    /// Component of the manifest.
    pub(super) component: &'static str,
    pub(super) packing: Packing,
    /// Where it is installed.
    pub(super) target: &'static str,
    pub(super) unit: &'static str,
}

/// How upstream packs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// A `tar.gz` with everything in the folder `top` (`{arch}` stands for the architecture); the
    /// folders `keep` outlive an upgrade, and the program itself writes to the file `rewrites`.
    Archive {
        top: &'static str,
        keep: &'static [&'static str],
        rewrites: &'static str,
    },
    /// The program itself.
    Binary,
}

const PROGRAMS: &[Program] = &[
    Program {
        role: Role::App,
        component: "mattermost",
        packing: Packing::Archive {
            top: "mattermost",
            keep: &["config", "data", "logs", "plugins", "client/plugins"],
            // The server writes the path of the site into it.
            rewrites: "client/root.html",
        },
        target: "/opt/mattermost",
        unit: "mattermost.service",
    },
    Program {
        role: Role::Minio,
        component: "minio",
        packing: Packing::Binary,
        target: "/usr/local/bin/minio",
        unit: "minio.service",
    },
    Program {
        role: Role::Minio,
        component: "mc",
        packing: Packing::Binary,
        target: "/usr/local/bin/mc",
        unit: "-",
    },
    Program {
        role: Role::Push,
        component: "push-proxy",
        packing: Packing::Archive {
            top: "mattermost-push-proxy-linux-{arch}",
            keep: &[],
            rewrites: "",
        },
        target: "/opt/mattermost-push-proxy",
        unit: "mattermost-push-proxy.service",
    },
];

/// Components that a role can do without.
const OPTIONAL: [&str; 1] = ["mc"];

/// Endings of files that accompany a program and are not the program.
const COMPANIONS: [&str; 9] = [
    ".sig",
    ".asc",
    ".sha256",
    ".sha256sum",
    ".sha512",
    ".minisig",
    ".deb",
    ".rpm",
    ".json",
];

impl<'a> Payload<'a> {
    pub(super) fn new(contents: &'a Contents) -> Self {
        let package = |info: &'a FileInfo| {
            let named = info.package.as_deref()?;
            Some((named, info.version.as_deref().unwrap_or_default()))
        };
        Self {
            packages: contents
                .files
                .values()
                .filter(|info| info.kind == FileKind::AptPackage)
                .filter_map(package)
                .collect(),
            contents,
        }
    }

    /// The programs of a host with their files, or why one is not there.
    pub(super) fn programs(&self, host: &Host) -> (Vec<(Program, RelPath)>, Vec<String>) {
        let mut found = Vec::new();
        let mut lacking = Vec::new();
        for program in PROGRAMS.iter().filter(|program| host.has(program.role)) {
            match self.candidates(program).as_slice() {
                [one] => found.push((*program, (*one).clone())),
                [] if OPTIONAL.contains(&program.component) => {}
                [] => lacking.push(format!(
                    "the bundle has no component `{}`, which the role {} of {} needs; add it to the manifest and build again",
                    program.component, program.role, host.name
                )),
                several => {
                    let names: Vec<_> = several.iter().map(|path| path.as_str()).collect();
                    lacking.push(format!(
                        "the component `{}` has several files that could be the program: {}; keep one",
                        program.component,
                        names.join(", ")
                    ));
                }
            }
        }
        (found, lacking)
    }

    fn candidates(&self, program: &Program) -> Vec<&'a RelPath> {
        let fits = |path: &RelPath| match program.packing {
            Packing::Archive { .. } => path.as_str().ends_with(".tar.gz"),
            Packing::Binary => {
                !path.as_str().ends_with(".tar.gz")
                    && !COMPANIONS.iter().any(|end| path.as_str().ends_with(end))
            }
        };
        self.contents
            .files
            .iter()
            .filter(|(path, info)| {
                info.kind == FileKind::Artifact
                    && info
                        .components
                        .iter()
                        .any(|c| c.as_str() == program.component)
                    && fits(path)
            })
            .map(|(path, _)| path)
            .collect()
    }

    /// The major version of PostgreSQL of `host`: the one that the bundle brings, or the one that the
    /// plan names when the packages do not come with the bundle.
    ///
    /// # Errors
    /// What is wrong when there is none, there are several, or another than the plan asks for.
    pub(super) fn database_major(&self, host: &Host, wanted: Option<u16>) -> Result<u16, String> {
        if host.distribution.family() == Family::Rhel {
            return wanted.ok_or_else(|| {
                format!(
                    "say with `database.version` which PostgreSQL {} gets: its packages come from the repositories of the host, not from the bundle",
                    host.name
                )
            });
        }
        let majors: BTreeSet<u16> = self
            .packages
            .keys()
            .filter_map(|package| database_major(package))
            .collect();
        match (wanted, majors.first(), majors.len()) {
            (Some(wanted), _, _) if majors.contains(&wanted) => Ok(wanted),
            (Some(wanted), _, _) => Err(format!(
                "the deployment asks for PostgreSQL {wanted}, the bundle has {}; change `database.version` or the manifest",
                if majors.is_empty() { "none".to_owned() } else { format!("{majors:?}") }
            )),
            (None, Some(one), 1) => Ok(*one),
            (None, None, _) => Err(
                "the bundle has no package postgresql-<version>; add one to [[apt.packages]] of the manifest and build again"
                    .to_owned(),
            ),
            (None, Some(_), _) => Err(format!(
                "the bundle has PostgreSQL {majors:?}; choose one with `database.version` in the deployment"
            )),
        }
    }

    /// The packages that `install.sh` asks for on `host`, and those that the bundle lacks. A host of
    /// the Red Hat family takes none from the bundle.
    pub(super) fn packages(
        &self,
        plan: &Plan,
        host: &Host,
        major: Option<u16>,
    ) -> (Vec<String>, Vec<String>) {
        let wanted = packages::wanted(plan, host, major);
        let lacking = wanted
            .iter()
            .filter(|_| host.distribution.family() == Family::Debian)
            .filter(|package| !self.packages.contains_key(package.as_str()))
            .map(|package| format!("the bundle has no package `{package}`, which {} needs; add it to [[apt.packages]] of the manifest and build again", host.name))
            .collect();
        (wanted.into_iter().collect(), lacking)
    }

    /// Whether the bundle has files of a component.
    pub(super) fn has_component(&self, component: &str) -> bool {
        self.contents.files.values().any(|info| {
            info.kind == FileKind::Artifact
                && info.components.iter().any(|c| c.as_str() == component)
        })
    }

    /// Every package of the bundle.
    pub(super) fn package_names(&self) -> impl Iterator<Item = &'a str> {
        self.packages.keys().copied()
    }

    /// Upstream version of a package, when the bundle has it.
    pub(super) fn package_version(&self, package: &str) -> Option<&'a str> {
        self.packages.get(package).copied()
    }

    /// The repositories with what is copied for them: index and packages, verbatim.
    pub(super) fn repository_files(&self, repository: &RepositoryInfo) -> Vec<Copy> {
        let name = repository.name.as_str();
        let below = |path: &RelPath| {
            let mut parts = path.components();
            let volume = parts.next()?;
            (volume.starts_with('v') && parts.next()? == "apt" && parts.next()? == name)
                .then(|| parts.collect::<Vec<_>>().join("/"))
        };
        self.contents
            .files
            .iter()
            .filter(|(_, info)| matches!(info.kind, FileKind::AptIndex | FileKind::AptPackage))
            .filter_map(|(path, _)| Some((path, below(path)?)))
            .map(|(path, rest)| Copy {
                from: path.clone(),
                to: format!("artifacts/apt/{name}/{rest}"),
            })
            .collect()
    }
}

/// Ending of a keyring's file name: apt tells armoured from binary keyrings by it.
pub(super) fn keyring_extension(repository: &RepositoryInfo) -> &'static str {
    if repository.keyring.file_name().rsplit('.').next() == Some("asc") {
        "asc"
    } else {
        "gpg"
    }
}

/// Whether an nginx of this package version knows the directive `http2` (1.25.1).
pub(super) fn has_http2_directive(version: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = upstream
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= (1, 25, 1)
}

/// Whether a bundle for `bundle` serves a host that runs `host`. The packages of a bundle are those of
/// one release; in the Red Hat family a bundle holds programs only, which run on all of it.
pub(super) fn serves(bundle: Distribution, host: Distribution) -> bool {
    bundle == host || (bundle.family() == Family::Rhel && host.family() == Family::Rhel)
}

/// Whether every host of the plan can be staged from packages: a `docker` or `kubernetes` host
/// cannot.
pub(super) fn is_linux(plan: &Plan) -> bool {
    plan.deployment.method == crate::plan::deployment::Method::Linux
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_serves_its_own_distribution_and_the_red_hat_family_as_one() {
        use Distribution::{Alma9, Debian12, Debian13, Oracle9, Rhel9, Rocky9, Ubuntu2204};
        let red_hat = [Rhel9, Rocky9, Alma9, Oracle9];
        for bundle in Distribution::ALL {
            for host in Distribution::ALL {
                let expected =
                    bundle == host || (red_hat.contains(&bundle) && red_hat.contains(&host));
                assert_eq!(serves(bundle, host), expected, "{bundle} for {host}");
            }
        }
        assert!(!serves(Debian12, Debian13));
        assert!(!serves(Debian12, Ubuntu2204));
    }

    #[test]
    fn nginx_knows_the_http2_directive_from_1_25_1() {
        for (version, knows) in [
            ("1.22.1-9+deb12u11", false),
            ("1.25.0-1", false),
            ("1.25.1-1~bookworm", true),
            ("1.26.3-3+deb13u1", true),
            ("1:1.29.0-1", true),
            ("", false),
        ] {
            assert_eq!(has_http2_directive(version), knows, "{version}");
        }
    }
}
