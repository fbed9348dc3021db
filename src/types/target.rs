//! What a bundle is for: distribution and architecture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A processor architecture, under Debian's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// Debian's name, which is also Go's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The value of `e_machine` in an ELF header (System V gABI) of programs for this architecture.
    #[must_use]
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A distribution and its release that hosts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Distribution {
    /// Debian 12 "bookworm".
    #[serde(rename = "debian-12")]
    Debian12,
    /// Debian 13 "trixie".
    #[serde(rename = "debian-13")]
    Debian13,
    /// Ubuntu 22.04 "jammy".
    #[serde(rename = "ubuntu-22.04")]
    Ubuntu2204,
    /// Ubuntu 24.04 "noble".
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
    /// Red Hat Enterprise Linux 9.
    #[serde(rename = "rhel-9")]
    Rhel9,
    /// Rocky Linux 9.
    #[serde(rename = "rocky-9")]
    Rocky9,
    /// `AlmaLinux` 9.
    #[serde(rename = "alma-9")]
    Alma9,
    /// Oracle Linux 9.
    #[serde(rename = "oracle-9")]
    Oracle9,
}

/// Distributions that keep files in the same places and install packages with the same program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian and Ubuntu: dpkg and apt.
    Debian,
    /// Red Hat Enterprise Linux and its rebuilds: rpm and dnf.
    Rhel,
}

/// The text names no distribution that is supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no supported distribution; supported are debian-12, debian-13, ubuntu-22.04, ubuntu-24.04, rhel-9, rocky-9, alma-9, oracle-9"
)]
pub struct ParseDistributionError(String);

impl Distribution {
    /// All that are supported.
    pub const ALL: [Self; 8] = [
        Self::Debian12,
        Self::Debian13,
        Self::Ubuntu2204,
        Self::Ubuntu2404,
        Self::Rhel9,
        Self::Rocky9,
        Self::Alma9,
        Self::Oracle9,
    ];

    /// The name as written in manifests and deployments.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debian12 => "debian-12",
            Self::Debian13 => "debian-13",
            Self::Ubuntu2204 => "ubuntu-22.04",
            Self::Ubuntu2404 => "ubuntu-24.04",
            Self::Rhel9 => "rhel-9",
            Self::Rocky9 => "rocky-9",
            Self::Alma9 => "alma-9",
            Self::Oracle9 => "oracle-9",
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Debian12 | Self::Debian13 | Self::Ubuntu2204 | Self::Ubuntu2404 => Family::Debian,
            Self::Rhel9 | Self::Rocky9 | Self::Alma9 | Self::Oracle9 => Family::Rhel,
        }
    }

    /// The code name that apt suites are named after; none outside the Debian family.
    #[must_use]
    pub const fn codename(self) -> Option<&'static str> {
        match self {
            Self::Debian12 => Some("bookworm"),
            Self::Debian13 => Some("trixie"),
            Self::Ubuntu2204 => Some("jammy"),
            Self::Ubuntu2404 => Some("noble"),
            Self::Rhel9 | Self::Rocky9 | Self::Alma9 | Self::Oracle9 => None,
        }
    }

    /// `ID` and `VERSION_ID` of `/etc/os-release` (os-release(5)). In the Red Hat family hosts say
    /// `9.4` and the like: only the part before the dot counts.
    #[must_use]
    pub const fn os_release(self) -> (&'static str, &'static str) {
        match self {
            Self::Debian12 => ("debian", "12"),
            Self::Debian13 => ("debian", "13"),
            Self::Ubuntu2204 => ("ubuntu", "22.04"),
            Self::Ubuntu2404 => ("ubuntu", "24.04"),
            Self::Rhel9 => ("rhel", "9"),
            Self::Rocky9 => ("rocky", "9"),
            Self::Alma9 => ("almalinux", "9"),
            Self::Oracle9 => ("ol", "9"),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Distribution {
    type Err = ParseDistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| ParseDistributionError(text.chars().take(80).collect()))
    }
}

/// The platform a bundle is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Distribution of the hosts.
    pub distribution: Distribution,
    /// Architecture of the hosts.
    pub arch: Arch,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.distribution, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distribution_parses_from_its_name() {
        for known in Distribution::ALL {
            assert_eq!(known.as_str().parse(), Ok(known));
            assert_eq!(
                serde_json::to_string(&known).unwrap(),
                format!("\"{known}\"")
            );
        }
        assert!("debian-99".parse::<Distribution>().is_err());
    }
}
