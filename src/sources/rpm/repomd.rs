//! `repodata/repomd.xml`: where the list of packages is, and its digest.

use super::xml::{Piece, Walk};
use crate::types::digest::Digest;
use crate::types::sha512::Sha512;

/// Longest repomd.xml, in bytes. Fedora's has 7 KiB.
pub const MAX_REPOMD: u64 = 4 << 20;
/// Longest text that is kept of it.
const MAX_TEXT: usize = 4096;

/// The list of packages (`primary`), as the index states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Primary {
    /// Its path below the root of the repository.
    pub(super) path: String,
    /// Packed bytes, where stated.
    pub(super) size: Option<u64>,
    /// What its packed bytes must hash to.
    pub(super) digest: Option<Checksum>,
}

/// A digest of a kind that is not weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha256(Digest),
    Sha512(Sha512),
}

/// Reads the index.
///
/// # Errors
/// In words, when it is no index, has no list of packages, or states no SHA-256 or SHA-512 of it.
pub(super) fn parse(text: &[u8]) -> Result<Primary, String> {
    let (mut walk, mut buffer) = (Walk::new(text), Vec::new());
    let (mut found, mut here) = (None, None::<Primary>);
    let (mut kind, mut said) = (None, String::new());
    while let Some(piece) = walk.next(&mut buffer)? {
        match piece {
            Piece::Open(tag, 1) if !tag.is("repomd") => {
                return Err("its outermost element is not `repomd`".to_owned());
            }
            Piece::Open(tag, 2) => {
                let primary =
                    tag.is("data") && tag.attribute("type")?.as_deref() == Some("primary");
                here = primary.then(Primary::default);
            }
            Piece::Open(tag, 3) => {
                let Some(here) = &mut here else { continue };
                said.clear();
                kind = None;
                if tag.is("location") {
                    if tag.attribute("xml:base")?.is_some() {
                        return Err(
                            "its list of packages is in another repository (xml:base)".to_owned()
                        );
                    }
                    let path = tag.attribute("href")?;
                    here.path = path.ok_or("its list of packages has no `href`")?;
                } else if tag.is("checksum") {
                    kind = Some(Kind::Checksum(tag.attribute("type")?.unwrap_or_default()));
                } else if tag.is("size") {
                    kind = Some(Kind::Size);
                }
            }
            Piece::Text(text) if kind.is_some() => {
                said += &text;
                if said.len() > MAX_TEXT {
                    return Err(format!("a text of it is longer than {MAX_TEXT} bytes"));
                }
            }
            Piece::Close(3) => {
                if let (Some(here), Some(kind)) = (&mut here, kind.take()) {
                    kind.keep(said.trim_ascii(), here)?;
                }
            }
            Piece::Close(2) => {
                if let Some(done) = here.take()
                    && found.replace(done).is_some()
                {
                    return Err("it has two lists of packages (`primary`)".to_owned());
                }
            }
            _ => {}
        }
    }
    let found = found.ok_or("it has no list of packages (`primary`)")?;
    if found.path.is_empty() || found.digest.is_none() {
        return Err("it lacks path or digest of its list of packages (`primary`)".to_owned());
    }
    Ok(found)
}

/// What the text of an element is.
enum Kind {
    Checksum(String),
    Size,
}

impl Kind {
    fn keep(self, said: &str, primary: &mut Primary) -> Result<(), String> {
        match self {
            Self::Size => {
                let size = said.parse().map_err(|_| "a `size` of it is no number")?;
                primary.size = Some(size);
            }
            Self::Checksum(kind) => {
                let broken = || format!("its {kind} of the list of packages is none");
                let digest = match kind.as_str() {
                    "sha256" => Checksum::Sha256(said.parse().map_err(|_| broken())?),
                    "sha512" => Checksum::Sha512(said.parse().map_err(|_| broken())?),
                    _ => {
                        let kind: String = kind.chars().take(40).collect();
                        return Err(format!(
                            "it vouches for its list of packages by `{}`, and only sha256 and sha512 count",
                            kind.escape_debug()
                        ));
                    }
                };
                if primary.digest.replace(digest).is_some() {
                    return Err("it has two digests of its list of packages".to_owned());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn index() -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\
             <revision>1</revision><data type=\"filelists\"><checksum type=\"sha\">x</checksum></data>\
             <data type=\"primary\"><checksum type=\"sha256\">{DIGEST}</checksum>\
             <open-checksum type=\"sha256\">{DIGEST}</open-checksum>\
             <location href=\"repodata/a-primary.xml.gz\"/><size> 12 </size></data></repomd>"
        )
    }

    #[test]
    fn finds_the_list_of_packages() {
        let found = parse(index().as_bytes()).unwrap();
        let expected = Primary {
            path: "repodata/a-primary.xml.gz".to_owned(),
            size: Some(12),
            digest: Some(Checksum::Sha256(DIGEST.parse().unwrap())),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn refuses_what_is_no_index() {
        let good = index();
        for (bad, why) in [
            (good.replace("repomd", "html"), "not `repomd`"),
            (
                good.replace("\"primary\"", "\"other\""),
                "no list of packages",
            ),
            (
                good.replace(
                    "\"filelists\"><checksum type=\"sha\">x</checksum>",
                    "\"primary\">",
                ),
                "two lists",
            ),
            (
                good.replace("<checksum type=\"sha256\"", "<checksum type=\"sha\""),
                "only sha256 and sha512",
            ),
            (
                good.replace("<checksum type=\"sha256\">e", "<checksum type=\"sha256\">x"),
                "is none",
            ),
            (good.replace("href=", "src="), "no `href`"),
            (
                good.replace("<location ", "<location xml:base=\"https://example.org\" "),
                "another repository",
            ),
            (good.replace(" 12 ", "-1"), "no number"),
            (good.replace("</repomd>", ""), "ends before"),
        ] {
            let error = parse(bad.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
