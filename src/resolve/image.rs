//! One container image: what its tag names, down to the content of every layer.
//!
//! The tag is asked once. From there on everything is by digest: the index states digest and size of the manifest
//! for the platform, the manifest those of configuration and layers, and the configuration the digest of each
//! layer's content, unpacked. All of these must agree, so that no host finds out later.

use std::io::{self, Read};
use std::num::NonZeroUsize;

use flate2::read::MultiGzDecoder;

use super::error::{Claim, Failed};
use super::versions::refuse;
use super::{Means, ResolveError};
use crate::event::Step;
use crate::fs;
use crate::lock::{BLOBS, Evidence, Image, LockedFile, Vouched};
use crate::manifest::{Image as Wish, Wanted};
use crate::pool;
use crate::sources::documents::Documents as _;
use crate::sources::http;
use crate::sources::oci::{self, Config, Descriptor, Document, Layer, Manifest, Packing};
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;
use crate::types::target::Arch;
use crate::types::url::{ParseUrlError, SafeUrl};

/// Most bytes of the unpacked content of a layer.
const MAX_CONTENT: u64 = 256 << 30;
/// Buffer for the content of layers.
const CHUNK: usize = 256 * 1024;

/// An image whose documents are in the store, and whose layers are not yet.
#[derive(Debug)]
pub(super) struct Outline<'w> {
    wish: &'w Wish,
    index: Option<LockedFile>,
    manifest: LockedFile,
    config: LockedFile,
    said: Manifest,
    read: Config,
}

impl Outline<'_> {
    /// How many files are still to be brought.
    pub(super) const fn layers(&self) -> usize {
        self.said.layers.len()
    }
}

/// The images whose documents could be had, and why the others could not.
pub(super) fn outlines<'m>(
    manifest: &'m crate::manifest::Manifest,
    jobs: NonZeroUsize,
    means: &Means<'_>,
) -> Result<(Vec<Outline<'m>>, Vec<Failed>), ResolveError> {
    let wishes: Vec<&Wish> = manifest.images.iter().collect();
    let results = pool::try_map(&wishes, jobs, |wish| {
        let result = outline(wish, manifest.target.arch, means);
        means.cancel.check()?;
        Ok::<_, ResolveError>(result.map_err(|error| (wish.name.to_string(), error)))
    })?;
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err((what, error)) => failed.push(Failed::new(what, error)?),
        }
    }
    Ok((good, failed))
}

/// The images, sorted by name; those that failed join `failed`.
pub(super) fn complete_all(
    outlines: Vec<Outline<'_>>,
    failed: &mut Vec<Failed>,
    means: &Means<'_>,
) -> Result<Vec<Image>, ResolveError> {
    let mut images = Vec::new();
    for outline in outlines {
        let name = outline.wish.name.to_string();
        let result = complete(outline, means);
        means.cancel.check()?;
        match result {
            Ok(image) => images.push(image),
            Err(error) => failed.push(Failed::new(name, error)?),
        }
    }
    images.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(images)
}

/// Asks the registry what the tag names, and brings the documents.
fn outline<'w>(wish: &'w Wish, arch: Arch, means: &Means<'_>) -> Result<Outline<'w>, ResolveError> {
    // A stand-in is not the program that its version is of.
    if !wish.stand_in {
        refuse(
            &wish.component,
            &wish.version,
            &wish.accepted,
            means.observer,
        )?;
    }
    let url = place(wish, wish.name.tag_url(wish.transport))?;
    let bytes = document(wish, &url, means)?;
    let named = oci::read(&bytes).map_err(|source| refused(&url, source))?;
    let (index, manifest, said) = match named {
        Document::Index(all) => {
            let one = oci::choose(&all, arch).map_err(|source| refused(&url, source))?;
            let index = Digest::of(&bytes);
            agree(wish, &url, &[index, one.digest])?;
            let path = format!("evidence/images/{index}.json");
            let by_digest = wish.name.manifest_url(wish.transport, &index);
            let kept = keep(&path, place(wish, by_digest)?, &bytes, means)?;
            let place = place(wish, wish.name.manifest_url(wish.transport, &one.digest))?;
            let (manifest, bytes) = described(wish, one, place, &url, means)?;
            let said = oci::manifest(&bytes).map_err(|source| refused(&manifest.url, source))?;
            (Some(kept), manifest, said)
        }
        Document::Manifest(said) => {
            let digest = Digest::of(&bytes);
            agree(wish, &url, &[digest])?;
            let by_digest = wish.name.manifest_url(wish.transport, &digest);
            let manifest = keep(&blob(&digest), place(wish, by_digest)?, &bytes, means)?;
            (None, manifest, said)
        }
    };
    let at = place(
        wish,
        wish.name.blob_url(wish.transport, &said.config.digest),
    )?;
    let (config, bytes) = described(wish, &said.config, at, &manifest.url, means)?;
    let read = oci::config(&bytes, arch, said.layers.len());
    Ok(Outline {
        wish,
        index,
        manifest,
        read: read.map_err(|source| refused(&config.url, source))?,
        config,
        said,
    })
}

/// Brings the layers, and looks at the content of each.
fn complete(outline: Outline<'_>, means: &Means<'_>) -> Result<Image, ResolveError> {
    let wish = outline.wish;
    let mut layers = Vec::new();
    for (layer, content) in outline.said.layers.iter().zip(&outline.read.contents) {
        means.cancel.check()?;
        layers.push(bring(wish, layer, content, &outline, means)?);
    }
    let evidence = wish.evidence.iter().map(|wanted| {
        Evidence::bare(match wanted {
            Wanted::FirstLock(reason) => Vouched::FirstLock(reason.clone()),
            _ => Vouched::Manifest,
        })
    });
    let image = Image {
        component: wish.component.clone(),
        version: wish.version.clone(),
        stand_in: wish.stand_in,
        name: wish.name.clone(),
        media_type: outline.said.media_type.to_owned(),
        index: outline.index,
        manifest: outline.manifest,
        config: outline.config,
        layers,
        evidence: evidence.collect(),
        accepted: wish.accepted.clone(),
    };
    match means.earlier.other_image(&image) {
        None => Ok(image),
        Some(old) => Err(ResolveError::Disagree {
            file: image.name.to_string(),
            first: Box::new(Claim {
                who: format!("the lock before ({} {})", old.component, old.version),
                sha256: old.manifest.sha256,
            }),
            second: Box::new(Claim {
                who: format!("{} now", wish.name),
                sha256: image.manifest.sha256,
            }),
            update: Some(image.component),
        }),
    }
}

/// A digest that is stated must be that of the index or of the manifest.
fn agree(wish: &Wish, url: &SafeUrl, found: &[Digest]) -> Result<(), ResolveError> {
    for wanted in &wish.evidence {
        if let Wanted::Literal(stated) = wanted
            && !found.contains(stated)
        {
            let found: Vec<String> = found.iter().map(|one| format!("sha256:{one}")).collect();
            return Err(ResolveError::OtherImage {
                image: wish.name.to_string(),
                stated: Box::new(*stated),
                url: url.clone(),
                found: found.join(", and for this platform "),
            });
        }
    }
    Ok(())
}

/// A document that another one describes.
fn described(
    wish: &Wish,
    descriptor: &Descriptor,
    url: SafeUrl,
    by: &SafeUrl,
    means: &Means<'_>,
) -> Result<(LockedFile, Vec<u8>), ResolveError> {
    let bytes = document(wish, &url, means)?;
    let found = Digest::of(&bytes);
    if found != descriptor.digest {
        return Err(ResolveError::Disagree {
            file: wish.name.to_string(),
            first: Box::new(Claim {
                who: by.to_string(),
                sha256: descriptor.digest,
            }),
            second: Box::new(Claim {
                who: format!("what {url} gives"),
                sha256: found,
            }),
            update: None,
        });
    }
    let file = keep(&blob(&found), url, &bytes, means)?;
    same_size(descriptor, &file, by)?;
    Ok((file, bytes))
}

fn bring(
    wish: &Wish,
    layer: &Layer,
    content: &Digest,
    outline: &Outline<'_>,
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    let sha256 = layer.file.digest;
    let url = place(wish, wish.name.blob_url(wish.transport, &sha256))?;
    let item = format!("{} {}", wish.name, sha256.label());
    let wanted = http::Wanted {
        item: &item,
        sha256: Some(sha256),
        // The size is a claim of the manifest, and compared with what came.
        size: None,
        step: Step::Resolve,
    };
    let client = means.web.client();
    let places = [url.clone()];
    let stored = http::bring(
        client,
        means.store,
        &places,
        &wanted,
        means.observer,
        means.cancel,
    )?;
    let file = LockedFile {
        path: path(&blob(&sha256))?,
        url,
        size: stored.size,
        sha256,
    };
    same_size(&layer.file, &file, &outline.manifest.url)?;
    let found = unpacked(layer, &file.url, means)?;
    if found == *content {
        return Ok(file);
    }
    Err(ResolveError::Disagree {
        file: wish.name.to_string(),
        first: Box::new(Claim {
            who: format!(
                "of what the layer sha256:{sha256} holds, {}",
                outline.config.url
            ),
            sha256: *content,
        }),
        second: Box::new(Claim {
            who: "the layer itself".to_owned(),
            sha256: found,
        }),
        update: None,
    })
}

/// SHA-256 of the content of a layer that is in the store.
fn unpacked(layer: &Layer, url: &SafeUrl, means: &Means<'_>) -> Result<Digest, ResolveError> {
    let unread = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            let what = format!("a layer that cannot be unpacked ({source})");
            refused(url, oci::OciError::Malformed(what))
        }
        _ => ResolveError::Unread {
            file: format!("the layer sha256:{}", layer.file.digest),
            source,
        },
    };
    let file = fs::open(&means.store.path_of(&layer.file.digest))?;
    let content: Box<dyn Read> = match layer.packing {
        Packing::Plain => return Ok(layer.file.digest),
        Packing::Gzip => Box::new(MultiGzDecoder::new(file)),
    };
    let mut content = content.take(MAX_CONTENT);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        means.cancel.check()?;
        let count = content.read(&mut buffer).map_err(unread)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

fn same_size(stated: &Descriptor, file: &LockedFile, by: &SafeUrl) -> Result<(), ResolveError> {
    if stated.size == file.size {
        return Ok(());
    }
    Err(ResolveError::OtherImageSize {
        file: file.url.clone(),
        by: by.clone(),
        stated: stated.size,
        found: file.size,
    })
}

fn document(wish: &Wish, url: &SafeUrl, means: &Means<'_>) -> Result<Vec<u8>, ResolveError> {
    means.cancel.check()?;
    let what = format!("the image {}", wish.name);
    match means.web.get(url, oci::MAX_DOCUMENT) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(ResolveError::Absent {
            what,
            url: url.clone(),
        }),
        Err(source) => {
            means.cancel.check()?;
            Err(ResolveError::Document { what, source })
        }
    }
}

fn blob(digest: &Digest) -> String {
    format!("{BLOBS}/{digest}")
}

fn path(text: &str) -> Result<RelPath, ResolveError> {
    text.parse().map_err(|source| ResolveError::Path { source })
}

fn keep(
    place: &str,
    url: SafeUrl,
    bytes: &[u8],
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    Ok(LockedFile {
        path: path(place)?,
        url,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: means.store.put(bytes)?,
    })
}

fn place(wish: &Wish, url: Result<SafeUrl, ParseUrlError>) -> Result<SafeUrl, ResolveError> {
    url.map_err(|source| ResolveError::Place {
        path: wish.name.to_string(),
        source,
    })
}

fn refused(url: &SafeUrl, source: oci::OciError) -> ResolveError {
    ResolveError::Image {
        url: url.clone(),
        source,
    }
}
