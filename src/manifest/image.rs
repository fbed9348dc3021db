//! `[[image]]`: a container image from a registry.

use super::artifact::read_accepted;
use super::check::component;
use super::evidence::read_first_lock;
use super::model::{Image, Wanted};
use super::problem::Problems;
use super::tree::{Placed, Table, as_table, as_text, parse};
use super::version;
use crate::types::digest::Digest;
use crate::types::image::{ImageName, Transport, oci_digest};
use crate::types::target::Arch;

/// Most digests of one image.
const MAX_DIGESTS: usize = 10;

pub(super) fn read(mut table: Table<'_>, arch: Arch, problems: &mut Problems<'_>) -> Option<Image> {
    let at = table.at.clone();
    let component = component(&mut table, problems);
    let version = table
        .require_text("version", problems)
        .and_then(|wanted| super::versions::stated(wanted, problems));
    let shown = version.clone().unwrap_or_else(|| "0.0.0".to_owned());
    let values = [("version", shown.as_str()), ("arch", arch.as_str())];
    let name = table
        .require_text("reference", problems)
        .and_then(|text| read_name(&text, &values, problems));
    let transport = if table.flag("plain-http", problems) {
        if let Some(name) = name.as_ref().filter(|name| !name.value.is_loopback()) {
            problems.add_with_help(
                name.at.clone(),
                format!(
                    "`plain-http` is for a registry on this machine, not for {}",
                    name.value.registry()
                ),
                "take `plain-http` out: registries elsewhere are spoken to over TLS only",
            );
        }
        Transport::PlainHttp
    } else {
        Transport::Https
    };
    let tried = table.has("digest") || table.has("trust");
    let evidence = read_evidence(&mut table, problems);
    if !tried {
        problems.add_with_help(
            at,
            "nobody vouches for this image",
            "add digest = \"sha256:…\" as the publisher states it, of the index or of the manifest of this platform, or trust = { first-lock = \"why this is accepted\" }",
        );
    }
    let accepted = read_accepted(&mut table, problems);
    let stand_in = table.flag("stand-in", problems);
    table.finish(problems);
    Some(Image {
        component: component?,
        version: version?,
        name: name?.value,
        transport,
        evidence,
        stand_in,
        accepted,
    })
}

fn read_name(
    text: &Placed<&str>,
    values: &[(&str, &str)],
    problems: &mut Problems<'_>,
) -> Option<Placed<ImageName>> {
    match version::fill(text.value, values) {
        Ok(filled) => {
            let placed = Placed {
                value: filled.as_str(),
                at: text.at.clone(),
            };
            parse(&placed, problems)
        }
        Err(error) => {
            problems.add(text.at.clone(), error.to_string());
            None
        }
    }
}

/// `digest`, one or several, or `trust`.
fn read_evidence(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Vec<Wanted> {
    let mut evidence = Vec::new();
    let stated = table.has("digest");
    if let Some(value) = table.take("digest") {
        let one = [value.clone()];
        let all = value.get_ref().as_array().map_or(&one[..], |all| all);
        if all.is_empty() || all.len() > MAX_DIGESTS {
            problems.add(
                value.span(),
                format!("`digest` must be 1 to {MAX_DIGESTS} digests"),
            );
        }
        for value in all.iter().take(MAX_DIGESTS) {
            let text = as_text(value, "digest", problems);
            let digest = text.and_then(|text| read_digest(&text, problems));
            evidence.extend(digest.map(Wanted::Literal));
        }
    }
    if let Some(value) = table.take("trust") {
        if stated {
            problems.add(
                value.span(),
                "`trust` is for images that nobody vouches for; this one has a digest",
            );
        }
        let trust = as_table(value, "trust", "`trust`", problems);
        evidence.extend(trust.and_then(|trust| read_first_lock(trust, problems)));
    }
    evidence
}

fn read_digest(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<Digest> {
    let digest = oci_digest(text.value);
    if digest.is_none() {
        problems.add(
            text.at.clone(),
            "the digest of an image is written sha256: and 64 lower-case hex digits",
        );
    }
    digest
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Manifest, Wanted};
    use crate::types::image::Transport;

    const HEX: &str = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";

    fn parse(lines: &str) -> Result<Manifest, String> {
        let text = format!(
            "format = 1\nname = \"n\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n\
             [[image]]\ncomponent = \"mattermost\"\nversion = \"11.6.1\"\n{lines}\n"
        );
        Manifest::parse(&text, "m").map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_image_is_its_name_and_who_vouches_for_it() {
        let lines = format!(
            "reference = \"docker.io/mattermost/x:{{version}}-{{arch}}\"\ndigest = [\"sha256:{HEX}\"]"
        );
        let manifest = parse(&lines).unwrap();
        let image = &manifest.images[0];
        assert_eq!(
            image.name.to_string(),
            "docker.io/mattermost/x:11.6.1-amd64"
        );
        assert_eq!(image.evidence, [Wanted::Literal(HEX.parse().unwrap())]);
        assert_eq!(image.transport, Transport::Https);
        assert_eq!(manifest.version, "11.6.1");
        let lines = "reference = \"127.0.0.1:5000/x:1\"\nplain-http = true\n\
                     trust = { first-lock = \"nobody states it\" }";
        let manifest = parse(lines).unwrap();
        assert_eq!(manifest.images[0].transport, Transport::PlainHttp);
    }

    #[test]
    fn what_is_wrong_with_an_image_is_said() {
        let digest = format!("digest = \"sha256:{HEX}\"");
        for (lines, what) in [
            (
                "reference = \"docker.io/a/b:1\"".to_owned(),
                "nobody vouches for this image",
            ),
            (
                format!("reference = \"docker.io/a/b:latest\"\n{digest}"),
                "latest is another image tomorrow",
            ),
            (
                format!("reference = \"b:1\"\n{digest}"),
                "is no name of an image",
            ),
            (
                format!("reference = \"docker.io/a/b:1\"\ndigest = \"{HEX}\""),
                "is written sha256:",
            ),
            (
                "reference = \"docker.io/a/b:1\"\ndigest = []".to_owned(),
                "must be 1 to 10 digests",
            ),
            (
                format!("reference = \"docker.io/a/b:1\"\n{digest}\nplain-http = true"),
                "`plain-http` is for a registry on this machine",
            ),
            (
                format!(
                    "reference = \"docker.io/a/b:1\"\n{digest}\ntrust = {{ first-lock = \"nobody states it\" }}"
                ),
                "this one has a digest",
            ),
            (
                format!("reference = \"docker.io/a/b:1\"\n{digest}\nurl = \"https://x\""),
                "has no key `url`",
            ),
            (
                format!(
                    "reference = \"docker.io/a/b:1\"\n{digest}\n[[image]]\ncomponent = \"mattermost\"\nversion = \"1\"\nreference = \"docker.io/a/b:1\"\n{digest}"
                ),
                "is named twice",
            ),
        ] {
            let error = parse(&lines).unwrap_err();
            assert!(error.contains(what), "{lines}: {error}");
        }
    }
}
