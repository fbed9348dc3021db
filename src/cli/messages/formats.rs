//! The small files that people write by hand: what each is for, and a full example that a test reads.

use serde::Serialize;

/// A file that people write by hand.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Format {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is for, and what it needs.
    pub(crate) meaning: &'static str,
    /// A full example.
    pub(crate) example: &'static str,
}

/// The format of a file by its name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Format> {
    FORMATS
        .iter()
        .find(|format| format.name.eq_ignore_ascii_case(name))
}

/// All of them.
pub(crate) const FORMATS: [Format; 3] = [
    Format {
        name: "policy.toml",
        meaning: "In a trust directory: whose signatures a bundle needs, and which bundles this network takes in. It must have \
                  `format`; of what is not given, nothing is asked beyond one signature by any key of the directory.",
        example: r#"format = 1
threshold = 2                          # signatures by different keys; 1 when not given
required-roles = ["builder", "reviewer"]   # each role of at least one [[key]] below
names = ["mattermost-linux"]           # bundles that may come in; any when not given
platforms = [{ distribution = "debian-12", arch = "amd64" }]
markings = ["UNCLASSIFIED"]
fresh-days = 90                        # older bundles raise a warning, never an error

[[key]]                                # a key file without an entry has no role
file = "alice.pem"
name = "Alice Example"
roles = ["builder"]

[[key]]
file = "bob.pem"
name = "Bob Example"
roles = ["reviewer"]

[[revoked]]
key = "9f2c 41d0 7e18 a3b5"            # key id or fingerprint, as `haversack trust show` prints them
reason = "laptop lost"
since = "2026-10-02"                   # for people: a signature cannot prove when it was made
"#,
    },
    Format {
        name: "revoked.toml",
        meaning: "In a trust directory, beside policy.toml: keys that must never count again. It must have `format` and `version`, \
                  and each [[revoked]] a `key` and a `reason`.",
        example: r#"format = 1
version = 3                            # a number from 1, higher with each change

[[revoked]]
key = "9f2c 41d0 7e18 a3b5"            # key id or fingerprint, as `haversack keygen` and `trust show` print them
reason = "laptop lost"
since = "2026-10-02"                   # may be left out
"#,
    },
    Format {
        name: "transfer.toml",
        meaning: "For `dossier --policy` and `build --policy`, under any name: what a bundle may hold at all. It must have `format`; \
                  what is not given is not limited.",
        example: r#"format = 1
types = ["gzip", "deb", "xz", "text", "script", "data", "elf"]   # what first bytes may show
licences = ["AGPL-3.0-only", "Apache-2.0", "not stated"]
markings = ["UNCLASSIFIED"]
name-characters = "A-Za-z0-9._+~/-"    # of paths; `-` at the end is itself
max-name = 100                         # characters of a path
max-file-bytes = 4294967295
max-bytes = 100000000000               # of all files together
max-files = 5000
mismatch = "refuse"                    # or "report": a file whose bytes are not what its name says
stand-ins = "refuse"                   # or "report"
scanner-limit = 2147483648             # files of this size and more raise a warning

[[licence]]                            # upstream files do not state theirs in a form that can be relied on
component = "mattermost"               # component or package
licence = "AGPL-3.0-only"
"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use haversack::report::dossier::TransferPolicy;
    use haversack::trust::policy::{Policy, parse_revoked};

    #[test]
    fn every_example_is_read_by_what_reads_the_file() {
        let example = |name: &str| find(name).unwrap().example;
        let policy = Policy::parse(example("policy.toml")).unwrap();
        assert_eq!((policy.threshold.get(), policy.keys.len()), (2, 2));
        assert_eq!(parse_revoked(example("revoked.toml")).unwrap().len(), 1);
        TransferPolicy::parse(example("TRANSFER.TOML")).unwrap();
        assert!(find("other.toml").is_none());
    }
}
