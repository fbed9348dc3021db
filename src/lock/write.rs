//! The canonical text of a lock. Written by hand, so that its bytes never depend on a library.

use std::fmt::Write as _;

use super::model::{
    Artifact, Evidence, Image, Lock, LockedFile, Package, Repository, Suite, Vouched,
};
use crate::manifest::Accepted;
use crate::types::fingerprint::Fingerprint;
use crate::types::url::SafeUrl;

/// First lines of every lock.
const HEAD: &str = "# Written by `haversack lock`: the exact files that the manifest stands for.
# Keep it beside the manifest; change the manifest and lock again rather than editing this.
format = 1
";

pub(super) fn to_toml(lock: &Lock) -> String {
    let mut text = Text(HEAD.to_owned());
    text.pair("name", lock.name.as_str());
    text.pair("version", &lock.version);
    text.line(&format!(
        "target = {{ distribution = {}, arch = {} }}",
        quote(lock.target.distribution.as_str()),
        quote(lock.target.arch.as_str())
    ));
    text.pair("manifest", &lock.manifest.to_string());
    let mut artifacts: Vec<&Artifact> = lock.artifacts.iter().collect();
    artifacts.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    for artifact in artifacts {
        write_artifact(artifact, &mut text);
    }
    let mut images: Vec<&Image> = lock.images.iter().collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    for image in images {
        write_image(image, &mut text);
    }
    let mut repositories: Vec<&Repository> = lock.repositories.iter().collect();
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    for repository in repositories {
        write_repository(repository, &mut text);
    }
    text.0
}

struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn pair(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {}", quote(value)));
    }

    fn words(&mut self, key: &str, values: &[String]) {
        self.line(&format!("{key} = {}", list(values)));
    }

    fn header(&mut self, header: &str) {
        self.line("");
        self.line(header);
    }

    fn file(&mut self, file: &LockedFile) {
        self.pair("path", file.path.as_str());
        self.pair("url", file.url.as_str());
        self.line(&format!("size = {}", file.size));
        self.pair("sha256", &file.sha256.to_string());
    }
}

fn write_artifact(artifact: &Artifact, text: &mut Text) {
    text.header("[[artifact]]");
    text.pair("component", artifact.component.as_str());
    text.pair("version", &artifact.version);
    text.file(&artifact.file);
    if !artifact.mirrors.is_empty() {
        let mirrors: Vec<String> = artifact.mirrors.iter().map(SafeUrl::to_string).collect();
        text.words("mirrors", &mirrors);
    }
    if let Some(expect) = &artifact.expect {
        text.pair("expect", expect);
    }
    if artifact.stand_in {
        text.line("stand-in = true");
    }
    for evidence in &artifact.evidence {
        write_evidence("artifact", evidence, text);
    }
    write_accepted("artifact", &artifact.accepted, text);
}

fn write_image(image: &Image, text: &mut Text) {
    text.header("[[image]]");
    text.pair("component", image.component.as_str());
    text.pair("version", &image.version);
    text.pair("reference", &image.name.to_string());
    text.pair("media-type", &image.media_type);
    if image.stand_in {
        text.line("stand-in = true");
    }
    if let Some(index) = &image.index {
        text.line(&format!("index = {}", inline(index)));
    }
    text.line(&format!("manifest = {}", inline(&image.manifest)));
    text.line(&format!("config = {}", inline(&image.config)));
    // The order of layers is that of the image.
    text.line("layers = [");
    for layer in &image.layers {
        text.line(&format!("  {},", inline(layer)));
    }
    text.line("]");
    for evidence in &image.evidence {
        write_evidence("image", evidence, text);
    }
    write_accepted("image", &image.accepted, text);
}

fn write_accepted(of: &str, all: &[Accepted], text: &mut Text) {
    for accepted in all {
        text.header(&format!("[[{of}.accepted]]"));
        text.pair("id", &accepted.id);
        text.pair("reason", &accepted.reason);
    }
}

fn write_evidence(of: &str, evidence: &Evidence, text: &mut Text) {
    text.header(&format!("[[{of}.evidence]]"));
    match &evidence.vouched {
        Vouched::Manifest => text.pair("by", "manifest"),
        Vouched::Catalogue(as_of) => {
            text.pair("by", "catalogue");
            text.pair("as-of", as_of);
        }
        Vouched::ChecksumFile => text.pair("by", "checksum-file"),
        Vouched::OpenPgp(fingerprint) => {
            text.pair("by", "openpgp");
            text.pair("fingerprint", &fingerprint.to_string());
        }
        Vouched::Minisign { key, comment } => {
            text.pair("by", "minisign");
            text.pair("minisign", key.as_str());
            text.pair("comment", comment);
        }
        Vouched::Sha512(digest) => {
            text.pair("by", "sha512");
            text.pair("sha512", &digest.to_string());
        }
        Vouched::Page { url, excerpt } => {
            text.pair("by", "page");
            text.pair("url", url.as_str());
            text.pair("excerpt", excerpt);
        }
        Vouched::Release { url, excerpt } => {
            text.pair("by", "release");
            text.pair("url", url.as_str());
            text.pair("excerpt", excerpt);
        }
        Vouched::FirstLock(reason) => {
            text.pair("by", "first-lock");
            text.pair("reason", reason);
        }
    }
    if let Some(document) = &evidence.document {
        text.line(&format!("document = {}", inline(document)));
    }
    if let Some(key) = &evidence.key {
        text.line(&format!("key = {}", inline(key)));
    }
    if let Some(signed) = &evidence.signed {
        text.pair("signed-by", &signed.by.to_string());
        if let Some(signature) = &signed.signature {
            text.line(&format!("signature = {}", inline(signature)));
        }
    }
}

fn write_repository(repository: &Repository, text: &mut Text) {
    text.header("[[repository]]");
    text.pair("name", repository.name.as_str());
    text.pair("uri", repository.uri.as_str());
    text.line(&format!("keyring = {}", inline(&repository.keyring)));
    if !repository.pinned.is_empty() {
        let pinned: Vec<String> = repository
            .pinned
            .iter()
            .map(Fingerprint::to_string)
            .collect();
        text.words("pinned", &pinned);
    }
    let mut suites: Vec<&Suite> = repository.suites.iter().collect();
    suites.sort_by(|a, b| a.suite.cmp(&b.suite));
    for suite in suites {
        text.header("[[repository.suite]]");
        text.pair("suite", &suite.suite);
        text.words("components", &suite.components);
        let signed: Vec<String> = suite.signed_by.iter().map(Fingerprint::to_string).collect();
        text.words("signed-by", &signed);
        text.pair("date", &suite.date);
        if let Some(until) = &suite.valid_until {
            text.pair("valid-until", until);
        }
        text.line("index = [");
        let mut index: Vec<&LockedFile> = suite.index.iter().collect();
        index.sort_by(|a, b| a.path.cmp(&b.path));
        for file in index {
            text.line(&format!("  {},", inline(file)));
        }
        text.line("]");
    }
    let mut packages: Vec<&Package> = repository.packages.iter().collect();
    packages.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    for package in packages {
        text.header("[[repository.package]]");
        text.pair("name", &package.name);
        text.pair("version", &package.version);
        text.pair("arch", &package.arch);
        text.file(&package.file);
        let needed: Vec<String> = package.needed_by.iter().map(ToString::to_string).collect();
        text.words("needed-by", &needed);
        text.pair("because", &package.because);
    }
}

fn inline(file: &LockedFile) -> String {
    format!(
        "{{ path = {}, url = {}, size = {}, sha256 = {} }}",
        quote(file.path.as_str()),
        quote(file.url.as_str()),
        file.size,
        quote(&file.sha256.to_string())
    )
}

fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A basic string of TOML 1.0: quotes, backslashes and control characters escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_text_reads_back(text in ".*") {
            let document: toml::Table = toml::from_str(&format!("x = {}\n", quote(&text))).unwrap();
            proptest::prop_assert_eq!(document["x"].as_str(), Some(text.as_str()));
        }
    }
}
