//! The list of packages (`primary.xml`): which versions of one package there are.

use std::io::BufRead;

use super::version::Evr;
use super::xml::{Element, Piece, Walk};
use crate::types::target::Arch;

/// Most packages of one list. Fedora's has 70,000.
const MAX_PACKAGES: usize = 1_000_000;
/// Most versions of one package.
const MAX_FOUND: usize = 10_000;
/// Longest name, architecture, version and release, in bytes.
const MAX_WORD: usize = 512;

/// The versions of `package` for hosts of `arch`, in the order of the list.
///
/// # Errors
/// In words, when it is no list of packages.
pub(super) fn versions_of(
    document: impl BufRead,
    package: &str,
    arch: Arch,
) -> Result<Vec<Evr>, String> {
    let (mut walk, mut buffer) = (Walk::new(document), Vec::new());
    let (mut found, mut count) = (Vec::new(), 0_usize);
    let mut here = Entry::default();
    while let Some(piece) = walk.next(&mut buffer)? {
        match piece {
            Piece::Open(tag, 1) if !tag.is("metadata") => {
                return Err("its outermost element is not `metadata`".to_owned());
            }
            Piece::Open(tag, 2) if tag.is("package") => {
                count = count.saturating_add(1);
                if count > MAX_PACKAGES {
                    return Err(format!("it has more than {MAX_PACKAGES} packages"));
                }
                here = Entry {
                    inside: true,
                    ..Entry::default()
                };
            }
            Piece::Open(tag, 3) if here.inside => here.open(&tag)?,
            Piece::Text(text) => here.say(&text)?,
            Piece::Close(3) => here.text = Text::None,
            Piece::Close(2) if here.inside => {
                let entry = std::mem::take(&mut here);
                let evr = entry.evr.ok_or("a package of it has no version")?;
                if entry.name == package && fits(&entry.arch, arch) {
                    found.push(evr);
                }
                if found.len() > MAX_FOUND {
                    return Err(format!(
                        "it has more than {MAX_FOUND} versions of one package"
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether hosts of `arch` run a package whose architecture is called `named` by rpm.
fn fits(named: &str, arch: Arch) -> bool {
    let own = match arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm64 => "aarch64",
    };
    named == own || named == "noarch"
}

/// One package, as far as it was read.
#[derive(Default)]
struct Entry {
    inside: bool,
    name: String,
    arch: String,
    evr: Option<Evr>,
    text: Text,
}

/// Where text belongs.
#[derive(Default)]
enum Text {
    #[default]
    None,
    Name,
    Arch,
}

impl Entry {
    fn open(&mut self, tag: &Element<'_>) -> Result<(), String> {
        if tag.is("name") {
            self.text = Text::Name;
        } else if tag.is("arch") {
            self.text = Text::Arch;
        } else if tag.is("version") {
            let word = |name: &str| {
                let value = tag.attribute(name)?.unwrap_or_default();
                if value.len() > MAX_WORD {
                    return Err(format!("a `{name}` of it is longer than {MAX_WORD} bytes"));
                }
                Ok(value)
            };
            let epoch = word("epoch")?;
            let evr = Evr {
                epoch: match epoch.as_str() {
                    "" => 0,
                    text => text.parse().map_err(|_| "an `epoch` of it is no number")?,
                },
                version: word("ver")?,
                release: word("rel")?,
            };
            if evr.version.is_empty() {
                return Err("a package of it has no version".to_owned());
            }
            if self.evr.replace(evr).is_some() {
                return Err("a package of it has two versions".to_owned());
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), String> {
        let into = match self.text {
            Text::None => return Ok(()),
            Text::Name => &mut self.name,
            Text::Arch => &mut self.arch,
        };
        into.push_str(text);
        if into.len() > MAX_WORD {
            return Err(format!("a name of it is longer than {MAX_WORD} bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, arch: &str, version: &str) -> String {
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version {version}/>\
             <format><rpm:provides><rpm:entry name=\"{name}\" ver=\"99\"/></rpm:provides></format></package>"
        )
    }

    fn list(entries: &[String]) -> String {
        format!(
            "<metadata packages=\"{}\">{}</metadata>",
            entries.len(),
            entries.concat()
        )
    }

    fn of(document: &str, arch: Arch) -> Result<Vec<String>, String> {
        let found = versions_of(document.as_bytes(), "tool", arch)?;
        let shown = |evr: &Evr| format!("{}:{}-{}", evr.epoch, evr.version, evr.release);
        Ok(found.iter().map(shown).collect())
    }

    #[test]
    fn takes_the_packages_of_that_name_that_the_hosts_can_run() {
        let document = list(&[
            entry("tool", "x86_64", "epoch=\"0\" ver=\"1.0\" rel=\"1\""),
            entry("tool", "aarch64", "epoch=\"0\" ver=\"1.1\" rel=\"1\""),
            entry("tool", "noarch", "epoch=\"2\" ver=\"1.2\" rel=\"1\""),
            entry("tool", "src", "epoch=\"0\" ver=\"1.3\" rel=\"1\""),
            entry("tool", "i686", "epoch=\"0\" ver=\"1.4\" rel=\"1\""),
            entry("toolbox", "x86_64", "epoch=\"0\" ver=\"9\" rel=\"1\""),
        ]);
        assert_eq!(of(&document, Arch::Amd64).unwrap(), ["0:1.0-1", "2:1.2-1"]);
        assert_eq!(of(&document, Arch::Arm64).unwrap(), ["0:1.1-1", "2:1.2-1"]);
    }

    #[test]
    fn refuses_what_is_no_list_of_packages() {
        let good = list(&[entry("tool", "x86_64", "epoch=\"0\" ver=\"1.0\" rel=\"1\"")]);
        for (bad, why) in [
            (good.replace("metadata", "repomd"), "not `metadata`"),
            (good.replace("epoch=\"0\"", "epoch=\"-1\""), "no number"),
            (good.replace("ver=\"1.0\"", ""), "no version"),
            (good.replace("<version ", "<v "), "no version"),
            (
                good.replace("<format>", "<version ver=\"2\"/><format>"),
                "two versions",
            ),
            (
                good.replace("<name>", &format!("<name>{}", "a".repeat(600))),
                "longer than 512",
            ),
            (good.replace("</metadata>", ""), "ends before"),
        ] {
            let error = of(&bad, Arch::Amd64).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
