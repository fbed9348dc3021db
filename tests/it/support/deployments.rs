//! Deployment files and certificates for tests.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its files has failed"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A change of a text: the first part is replaced once by the second; `+` appends.
pub(crate) type Edit<'e> = (&'e str, &'e str);

/// One server without any finding.
pub(crate) const ONE_SERVER: &str = r#"
format = 1
url = "https://chat.mm.internal"
method = "linux"
edition = "enterprise"
purpose = "evaluation"

# The certificate.
[tls]
cert = "pki/chat.pem"
key = "pki/chat.key"
ca = "pki/ca.pem"

[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]

[[host]]
name = "mm1"
address = "10.20.0.10"
distro = "debian-12"
roles = ["proxy", "app", "db"]
[storage]
kind = "local"
"#;

/// Three servers without any finding, database and bucket elsewhere.
pub(crate) const HA: &str = r#"
format = 1
url = "https://chat.mm.internal"
method = "linux"
edition = "enterprise"
ha = true
[tls]
cert = "pki/chat.pem"
key = "pki/chat.key"
ca = "pki/ca.pem"
[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]
[defaults]
distro = "debian-12"
[[host]]
name = "web1"
address = "10.20.0.5"
roles = ["proxy"]
[[host]]
name = "app1"
address = "10.20.0.11"
roles = ["app"]
[[host]]
name = "app2"
address = "10.20.0.12"
roles = ["app"]
[[host]]
name = "app3"
address = "10.20.0.13"
roles = ["app"]
[database]
dsn_host = "10.20.0.20"
[storage]
kind = "s3"
endpoint = "https://10.20.0.30:9000"
bucket = "mattermost"
[limits]
users = 5000
"#;

/// `text` with changes, each of which must apply.
pub(crate) fn edited(text: &str, edits: &[Edit<'_>]) -> String {
    let mut text = text.to_owned();
    for (from, to) in edits {
        if *from == "+" {
            text.push_str(to);
            text.push('\n');
        } else {
            assert!(text.contains(from), "no `{from}` in\n{text}");
            text = text.replacen(from, to, 1);
        }
    }
    text
}

/// Hosts with a certificate of their own: those of the example with many servers, and `mm1`.
const HOSTS: [(&str, &str); 4] = [
    ("mm1", "10.20.0.10"),
    ("db1", "10.20.0.20"),
    ("db2", "10.20.0.21"),
    ("files1", "10.20.0.30"),
];

/// Writes `chat.pem`, `chat.key` and `ca.pem` for `name` into `folder`, and certificates of hosts.
pub(crate) fn pki(folder: &Path, name: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let ca = root.self_signed(&root_key).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let issuer = Issuer::new(root, root_key);
    for (file, name) in [("chat", name)].into_iter().chain(HOSTS) {
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        leaf.distinguished_name
            .push(rcgen::DnType::CommonName, name);
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let cert = leaf.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), cert.pem()).unwrap();
        let path = folder.join(format!("{file}.key"));
        std::fs::write(&path, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}
