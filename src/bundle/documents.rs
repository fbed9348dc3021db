//! The documents that each bundle carries for people: `README.txt`, `label.txt`, `verify.sh`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::bundle::request::PackRequest;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::size::ByteSize;

/// The script that checks a bundle with `openssl` and POSIX tools alone, as it is in every bundle.
pub const VERIFY_SH: &str = include_str!("verify.sh");

/// The documents of a bundle of `request`, with their paths.
pub(crate) fn all(request: &PackRequest) -> [(RelPath, String); 3] {
    [
        (path("README.txt"), readme(request)),
        (path("label.txt"), label(request)),
        (path("verify.sh"), VERIFY_SH.to_owned()),
    ]
}

/// A path that this program chose.
pub(crate) fn path(text: &str) -> RelPath {
    #[expect(
        clippy::expect_used,
        reason = "only called with the fixed names of this folder, which fit the grammar"
    )]
    text.parse().expect("a fixed name fits the grammar")
}

/// The stand-ins of a bundle, as `component version`; empty for a bundle of real upstream files.
fn stand_ins(request: &PackRequest) -> Vec<String> {
    let found: BTreeSet<String> = request
        .items
        .iter()
        .filter(|item| item.info.stand_in)
        .map(|item| {
            let names: Vec<&str> = item.info.components.iter().map(Name::as_str).collect();
            let version = item.info.version.as_deref().unwrap_or("without version");
            format!("{} {version}", names.join(", "))
        })
        .collect();
    found.into_iter().collect()
}

fn label(request: &PackRequest) -> String {
    let mut text = format!(
        "{marking}\n\n\
         bundle    {name}\n\
         version   {version}\n\
         sequence  {sequence}\n\
         created   {created}\n\
         for       {target}\n\
         identity  ____ ____ ____ ____   (first 16 digits that `sha256sum SHA256SUMS` prints)\n\
         medium    ___ of ___\n",
        marking = request.marking,
        name = request.name,
        version = request.version,
        sequence = request.sequence,
        created = request.created,
        target = request.target,
    );
    for stand_in in stand_ins(request) {
        text.push_str("STAND-IN  ");
        text.push_str(&stand_in);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(request.marking.as_str());
    text.push('\n');
    text
}

fn readme(request: &PackRequest) -> String {
    let payload = request
        .items
        .iter()
        .filter(|item| item.path.first() != "evidence");
    let count = payload.clone().count();
    let bytes = payload.fold(0_u64, |sum, item| sum.saturating_add(item.info.size));
    let mut text = format!(
        "{marking}\n\n\
         {name} {version}, bundle number {sequence} of {created}, for {target}.\n\
         {count} payload files, {size}. Everything here is a plain file that its upstream published, under\n\
         upstream's own name; nothing was unpacked, changed or compressed again.\n",
        marking = request.marking,
        name = request.name,
        version = request.version,
        sequence = request.sequence,
        created = request.created,
        target = request.target,
        size = ByteSize(bytes),
    );
    let stand_ins = stand_ins(request);
    if !stand_ins.is_empty() {
        text.push_str(
            "\nNOT FOR PRODUCTION. These programs are STAND-INS for tests, not the real ones:\n",
        );
        for stand_in in stand_ins {
            text.push_str("  stand-in: ");
            text.push_str(&stand_in);
            text.push('\n');
        }
    }
    text.push_str(CHECKS);
    if let Some(size) = request.volume_size {
        text.push_str(VOLUMES);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "Each volume, with these files, takes at most {} ({size}).",
            ByteSize(size.bytes())
        );
    }
    text
}

const CHECKS: &str = "\n\
WHAT IS HERE\n\
\x20 SHA256SUMS   the list of every file and its SHA-256: what is signed\n\
\x20 sig/         signatures over SHA256SUMS; the only folder that the list does not cover\n\
\x20 bundle.json  what each file is, and who vouched for it upstream\n\
\x20 evidence/    the manifest, the lock, and the signatures, checksum files and keys of the upstreams\n\
\x20 v1/          the payload\n\
\x20 label.txt    what to print on the medium\n\
\n\
CHECK IT BY HAND\n\
Take the builder's public key from a place you trust, never from this medium, and compare its\n\
fingerprint by phone. Then, in this folder:\n\
\n\
\x20 openssl dgst -sha384 -verify BUILDER.pem -signature sig/KEYID.sig SHA256SUMS\n\
\x20 sha256sum --strict --quiet -c SHA256SUMS\n\
\x20 find . ! -type d ! -path './sig/*' | wc -l\n\
\n\
The first prints \"Verified OK\". The second prints nothing. The third prints one more than the number\n\
behind \"# files\" in SHA256SUMS; any other number means that something was added.\n\
Of a delta (its line \"# base\" does not say \"none\"), what is listed below base/ and made/ is not here, and the\n\
count is that of the bundle that it makes. What a delta carries is checked with\n\
\n\
\x20 grep -Ev '  (base|made)/' SHA256SUMS | sha256sum --strict --quiet -c\n\
\n\
Where there is no openssl, the same key speaks through OpenSSH:\n\
\n\
\x20 ssh-keygen -Y verify -f ALLOWED_SIGNERS -I BUILDER -n haversack-bundle \\\n\
\x20   -s sig/KEYID.sshsig < SHA256SUMS\n\
\n\
CHECK IT WITH A SCRIPT\n\
\x20 sh verify.sh BUILDER.pem .\n\
does all of this and more. Running a script from the medium trusts the medium: keep a copy of your\n\
own, and compare it with the line `verify.sh` of a SHA256SUMS that you checked.\n\
\n\
CHECK IT WITH HAVERSACK\n\
\x20 haversack verify . --trust TRUST-DIRECTORY\n\
also refuses bundles that are older than what this network had already.\n";

const VOLUMES: &str = "\n\
SEVERAL MEDIA\n\
The payload is spread over the folders v1/, v2/, … (line \"# volumes\" of SHA256SUMS). Each medium carries\n\
one of them and all small files. Copy all media into one folder and it is the whole bundle. One medium\n\
alone is checked with the script: it names the volumes that are not here, and ends with 8. By hand:\n\
\n\
\x20 grep '  v2/' SHA256SUMS | sha256sum --strict --quiet -c\n\
\n\
A file named NAME.000, NAME.001, … is one that no volume could hold. The key \"cut\" of bundle.json names\n\
its parts and the SHA-256 of the whole; `cat NAME.*` in that order is the file.\n\
\n\
\x20 haversack gather . --trust TRUST-DIRECTORY -o FOLDER\n\
takes one medium after the other, and says which are still to come.\n";
