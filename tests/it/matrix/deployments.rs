//! The deployments of the matrix: every pair of values of every two dimensions that the rules accept, and
//! on demand every topology on every distribution with every storage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use haversack::types::target::{Distribution, Family};

/// The dimensions, in the order of [`Case::values`].
pub(super) const DIMENSIONS: [(&str, &[&str]); 9] = [
    (
        "topology",
        &[
            "single",
            "single-external-db",
            "ha",
            "ha-vip",
            "ha-replica-monitor",
        ],
    ),
    (
        "distribution",
        &[
            "debian-12",
            "debian-13",
            "ubuntu-22.04",
            "ubuntu-24.04",
            "rhel-9",
            "rocky-9",
            "alma-9",
            "oracle-9",
        ],
    ),
    ("storage", &["local", "minio", "s3", "nfs", "nfs-elsewhere"]),
    ("sign-in", &["password", "ldap-smtp", "saml-il5"]),
    ("protection", &["none", "rate-allow-retention"]),
    ("metrics", &["off", "on"]),
    ("push", &["off", "proxy"]),
    ("firewall", &["nftables", "firewalld", "ufw"]),
    ("addresses", &["ipv4", "ipv6", "names"]),
];

const TOPOLOGY: usize = 0;
const DISTRIBUTION: usize = 1;
const STORAGE: usize = 2;
const SIGN_IN: usize = 3;
const PROTECTION: usize = 4;
const METRICS: usize = 5;
const PUSH: usize = 6;
const FIREWALL: usize = 7;
const ADDRESSES: usize = 8;

/// One row: the index of a value in each dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    values: [usize; DIMENSIONS.len()],
}

/// Two dimensions, and a value of each.
pub(super) type Pair = (usize, usize, usize, usize);

impl Case {
    fn is(&self, dimension: usize, word: &str) -> bool {
        self.word(dimension) == word
    }

    fn word(&self, dimension: usize) -> &'static str {
        let value = self.values.get(dimension).expect("a value a dimension");
        let (_, words) = DIMENSIONS.get(dimension).expect("a known dimension");
        words.get(*value).expect("a known value")
    }

    /// Whether the rules accept the combination.
    fn is_valid(&self) -> bool {
        let ha = self.word(TOPOLOGY).starts_with("ha");
        let family = self.distribution().family();
        // ARCH-017: several application servers need storage that they share.
        let storage = !(ha && self.is(STORAGE, "local"));
        // The packages of the Red Hat family hold no ufw, those of Debian no firewalld by default.
        let firewall = match family {
            Family::Debian => !self.is(FIREWALL, "firewalld"),
            Family::Rhel => !self.is(FIREWALL, "ufw"),
        };
        // The ufw of Ubuntu 22.04 has no rules for VRRP; staging says so.
        let filter = !(self.is(TOPOLOGY, "ha-vip")
            && self.is(FIREWALL, "ufw")
            && self.is(DISTRIBUTION, "ubuntu-22.04"));
        storage && firewall && filter
    }

    /// Its name in messages: the words of all dimensions.
    pub(super) fn name(&self) -> String {
        let words: Vec<_> = (0..DIMENSIONS.len()).map(|d| self.word(d)).collect();
        words.join(" ")
    }

    pub(super) fn distribution(&self) -> Distribution {
        self.word(DISTRIBUTION).parse().unwrap()
    }

    /// Every pair of values in this row.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
        pairs(&self.values)
    }

    /// The address of the host with this number.
    fn address(&self, number: u8) -> String {
        if self.is(ADDRESSES, "ipv6") {
            format!("fd00:20::{number:x}")
        } else {
            format!("10.20.0.{number}")
        }
    }

    /// The deployment file.
    pub(super) fn deployment(&self) -> String {
        let mut text = String::new();
        let ha = self.word(TOPOLOGY).starts_with("ha");
        let six = self.is(ADDRESSES, "ipv6");
        let (users, admin) = if six {
            ("fd00:30::/64", "fd00:20:9::/64")
        } else {
            ("10.30.0.0/16", "10.20.9.0/28")
        };
        let server = self.address(2);
        put(
            &mut text,
            "format = 1\nurl = \"https://chat.mm.internal\"\nmethod = \"linux\"\nedition = \"enterprise\"\n",
        );
        if ha {
            put(&mut text, "ha = true\n");
        }
        if self.is(SIGN_IN, "saml-il5") {
            put(
                &mut text,
                "classification = { level = \"il5\", banner = \"SECRET//NOFORN 'quoted' 100%\", color = \"#c8102e\" }\n",
            );
        }
        put(
            &mut text,
            "[tls]\ncert = \"chat.pem\"\nkey = \"chat.key\"\nca = \"ca.pem\"\n",
        );
        put(
            &mut text,
            &format!(
                "[network]\nusers = [\"{users}\"]\nadmin = [\"{admin}\"]\ndns = [\"{server}\"]\nntp = [\"{server}\"]\n"
            ),
        );
        let (distribution, firewall) = (self.word(DISTRIBUTION), self.word(FIREWALL));
        put(
            &mut text,
            &format!(
                "[defaults]\ndistro = \"{distribution}\"\nmemory_gb = 16\nfirewall = \"{firewall}\"\n"
            ),
        );
        for (number, name, roles) in self.hosts() {
            let address = self.address(number);
            put(
                &mut text,
                &format!(
                    "[[host]]\nname = \"{name}\"\naddress = \"{address}\"\nroles = [{}]\n",
                    quoted(&roles)
                ),
            );
            if self.is(ADDRESSES, "names") {
                put(&mut text, &format!("fqdn = \"{name}.mm.internal\"\n"));
            }
            if self.is(TOPOLOGY, "ha-vip") && roles.contains(&"proxy") {
                put(&mut text, "interface = \"eth0\"\n");
            }
        }
        self.services(&mut text);
        text
    }

    /// The number in the address, the name and the roles of every host.
    fn hosts(&self) -> Vec<(u8, String, Vec<&'static str>)> {
        let storage: &[&str] = match self.word(STORAGE) {
            "minio" => &["minio"],
            "nfs" => &["nfs"],
            _ => &[],
        };
        let push: &[&str] = if self.is(PUSH, "proxy") {
            &["push"]
        } else {
            &[]
        };
        let mut hosts = Vec::new();
        match self.word(TOPOLOGY) {
            "single" => {
                let mut roles = vec!["proxy", "app", "db"];
                // A server does not mount its own export: files from the network need another host.
                roles.extend(storage.iter().filter(|role| **role != "nfs"));
                roles.extend(push);
                hosts.push((10, "mm1".to_owned(), roles));
            }
            "single-external-db" => {
                let mut roles = vec!["proxy", "app"];
                roles.extend(storage.iter().filter(|role| **role != "nfs"));
                roles.extend(push);
                hosts.push((10, "mm1".to_owned(), roles));
            }
            topology => {
                for number in 1..=2 {
                    hosts.push((4 + number, format!("web{number}"), vec!["proxy"]));
                }
                for number in 1..=3 {
                    let mut roles = vec!["app"];
                    if number == 1 {
                        roles.extend(push);
                    }
                    hosts.push((10 + number, format!("app{number}"), roles));
                }
                hosts.push((20, "db1".to_owned(), vec!["db"]));
                if topology == "ha-replica-monitor" {
                    hosts.push((21, "db2".to_owned(), vec!["db-replica"]));
                    // The Red Hat family has no package of Prometheus.
                    if self.distribution().family() == Family::Debian {
                        hosts.push((40, "mon1".to_owned(), vec!["monitor"]));
                    }
                }
            }
        }
        let apart = self.word(TOPOLOGY).starts_with("ha") || self.is(STORAGE, "nfs");
        if apart && !storage.is_empty() {
            hosts.push((30, "files1".to_owned(), storage.to_vec()));
        }
        hosts
    }

    /// Everything after the hosts.
    fn services(&self, text: &mut String) {
        let ha = self.word(TOPOLOGY).starts_with("ha");
        let apart = ha || self.is(STORAGE, "nfs");
        let files = if apart { "files1" } else { "mm1" };
        let elsewhere = |number: u8, name: &str| {
            if self.is(ADDRESSES, "names") {
                format!("{name}.mm.internal")
            } else if self.is(ADDRESSES, "ipv6") {
                format!("[{}]", self.address(number))
            } else {
                self.address(number)
            }
        };
        let bare = |host: String| host.trim_matches(['[', ']']).to_owned();
        let storage = match self.word(STORAGE) {
            "local" => "kind = \"local\"\n".to_owned(),
            "minio" => format!("kind = \"s3\"\nhost = \"{files}\"\nbucket = \"mattermost\"\n"),
            "s3" => format!(
                "kind = \"s3\"\nendpoint = \"https://{}:9000\"\nbucket = \"chat-files\"\nencrypted_at_rest = true\n",
                elsewhere(60, "s3")
            ),
            "nfs" => format!("kind = \"nfs\"\nhost = \"{files}\"\n"),
            _ => format!(
                "kind = \"nfs\"\nserver = \"{}\"\nexport = \"/exports/chat\"\n",
                bare(elsewhere(61, "nas"))
            ),
        };
        put(text, &format!("[storage]\n{storage}"));
        let database = if self.is(TOPOLOGY, "single-external-db") {
            format!("dsn_host = \"{}\"\n", bare(elsewhere(62, "db")))
        } else {
            "version = 17\n".to_owned()
        };
        put(text, &format!("[database]\n{database}"));
        put(
            text,
            "[limits]\nupload_mb = 100\nusers = 1500\n[backup]\nat = \"03:15\"\nkeep = 7\n",
        );
        if self.is(PUSH, "proxy") {
            let host = if ha { "app1" } else { "mm1" };
            put(
                text,
                &format!("[push]\nmode = \"proxy\"\nhost = \"{host}\"\n"),
            );
        }
        if self.is(METRICS, "on") {
            put(
                text,
                &format!("[monitoring]\nhosts = [\"{}\"]\n", self.address(99)),
            );
        }
        match self.word(SIGN_IN) {
            "ldap-smtp" => put(
                text,
                &format!(
                    "[auth]\nproviders = [\"password\", \"ldap\"]\n[ldap]\nhost = \"{}\"\nbase_dn = \"ou=people,dc=mm,dc=internal\"\nbind_dn = \"cn=reader,dc=mm,dc=internal\"\n[smtp]\nhost = \"{}\"\nport = 587\nuser = \"chat\"\nfrom = \"chat@mm.internal\"\n",
                    bare(elsewhere(63, "ldap")),
                    bare(elsewhere(64, "mail"))
                ),
            ),
            "saml-il5" => put(
                text,
                "[auth]\nproviders = [\"saml\"]\n[saml]\nidp_url = \"https://idp.mm.internal/sso\"\ndescriptor = \"https://idp.mm.internal/metadata\"\ncert = \"idp.pem\"\n",
            ),
            _ => {}
        }
        let vip = self.is(TOPOLOGY, "ha-vip");
        let protected = self.is(PROTECTION, "rate-allow-retention");
        if vip || protected {
            put(text, "[proxy]\n");
        }
        if vip {
            put(
                text,
                &format!("virtual_address = \"{}\"\n", self.address(4)),
            );
        }
        if protected {
            let allow = if self.is(ADDRESSES, "ipv6") {
                "fd00:30:1::/64"
            } else {
                "10.30.1.0/24"
            };
            put(
                text,
                &format!(
                    "rate_limit = 20\nallow = [\"{allow}\"]\n[retention]\nmessage_days = 365\nfile_days = 90\n"
                ),
            );
        }
    }
}

fn put(text: &mut String, more: &str) {
    write!(text, "{more}").unwrap();
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn pairs(values: &[usize]) -> impl Iterator<Item = Pair> + '_ {
    values.iter().enumerate().flat_map(move |(first, one)| {
        let rest = values.iter().enumerate().skip(first + 1);
        rest.map(move |(second, other)| (first, *one, second, *other))
    })
}

/// Every row that the rules accept.
fn all() -> Vec<Case> {
    let mut rows = vec![Vec::new()];
    for (_, words) in DIMENSIONS {
        rows = rows
            .into_iter()
            .flat_map(|row: Vec<usize>| {
                (0..words.len()).map(move |value| {
                    let mut row = row.clone();
                    row.push(value);
                    row
                })
            })
            .collect();
    }
    rows.into_iter()
        .map(|row| Case {
            values: row.try_into().unwrap(),
        })
        .filter(Case::is_valid)
        .collect()
}

/// Every pair of values that some accepted row has.
pub(super) fn all_pairs() -> BTreeSet<Pair> {
    all()
        .iter()
        .flat_map(|case| case.pairs().collect::<Vec<_>>())
        .collect()
}

/// How much of the matrix there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every pair of values of every two dimensions.
    Pairs,
    /// Also every topology on every distribution with every storage.
    Whole,
}

/// The rows of the matrix, and no fewer than `least`: each takes the values that bring the most pairs not
/// seen before.
pub(super) fn matrix(least: usize, extent: Extent) -> Vec<Case> {
    let all = all();
    let mut left = all_pairs();
    let every: Vec<&Case> = all.iter().collect();
    // The first three dimensions are what files differ by most.
    let mut groups: BTreeMap<Vec<usize>, Vec<&Case>> = BTreeMap::new();
    for case in &all {
        let key = case.values[..=STORAGE].to_vec();
        groups.entry(key).or_default().push(case);
    }
    let mut rows: Vec<Case> = Vec::new();
    if extent == Extent::Whole {
        for group in groups.values() {
            take(group, &mut rows, &mut left);
        }
    }
    while !left.is_empty() {
        let gain = |key: &[usize]| pairs(key).filter(|pair| left.contains(pair)).count();
        let (key, group) = groups.iter().max_by_key(|(key, _)| gain(key)).unwrap();
        let candidates = if gain(key) > 0 { group } else { &every };
        assert!(
            take(candidates, &mut rows, &mut left),
            "a pair is in no row"
        );
    }
    let mut next = groups.values().cycle();
    while rows.len() < least.min(all.len()) {
        take(next.next().unwrap(), &mut rows, &mut left);
    }
    rows
}

/// Moves the candidate with the most pairs that are left to the rows; false when all are there.
fn take(candidates: &[&Case], rows: &mut Vec<Case>, left: &mut BTreeSet<Pair>) -> bool {
    // Among equals another one each time, so that options meet all bases.
    let (start, count) = (rows.len() * 7, candidates.len());
    let turned = candidates.iter().cycle().skip(start).take(count).copied();
    let fresh = turned.filter(|case| !rows.contains(case));
    let gain = |case: &&Case| case.pairs().filter(|pair| left.contains(pair)).count();
    let Some(best) = fresh.max_by_key(gain).cloned() else {
        return false;
    };
    for pair in best.pairs() {
        left.remove(&pair);
    }
    rows.push(best);
    true
}
