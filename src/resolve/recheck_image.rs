//! Checks an image of a lock again: from the index, which the bundle keeps as evidence, to the manifest, and from
//! there to configuration and layers. Who vouched vouches for the digest of the index or of the manifest.

use super::recheck::{Check, RecheckError, unproven};
use crate::lock::{Image, Lock, LockedFile, Vouched};
use crate::manifest::{self, Manifest, Wanted};
use crate::sources::oci::{self, Descriptor, Document, OciError};
use crate::types::digest::Digest;
use crate::types::target::Arch;

impl Check<'_> {
    pub(super) fn images(&self, lock: &Lock, manifest: &Manifest) -> Result<(), RecheckError> {
        for image in &lock.images {
            let mut wished = manifest.images.iter();
            if !wished.any(|wish| wish.name == image.name) {
                let item = image.name.to_string();
                return Err(unproven(&item, "the manifest does not ask for it"));
            }
        }
        for wish in &manifest.images {
            self.cancel.check()?;
            let found = lock.images.iter().find(|one| one.name == wish.name);
            let image =
                found.ok_or_else(|| unproven(&wish.name.to_string(), "the lock lacks it"))?;
            self.image(wish, image, manifest.target.arch)?;
        }
        Ok(())
    }

    fn image(&self, wish: &manifest::Image, image: &Image, arch: Arch) -> Result<(), RecheckError> {
        let item = image.name.to_string();
        let wrong = |what: &str| unproven(&item, what);
        let refused = |source: OciError| unproven(&item, source.to_string());
        let same = image.component == wish.component
            && image.version == wish.version
            && image.stand_in == wish.stand_in
            && image.accepted == wish.accepted;
        if !same {
            return Err(wrong(
                "component, version, stand-in or accept are not those of the manifest",
            ));
        }
        let mut known = vec![image.manifest.sha256];
        if let Some(file) = &image.index {
            known.push(file.sha256);
            let Document::Index(all) = oci::read(&self.document(file)?).map_err(refused)? else {
                return Err(wrong("its index is none"));
            };
            let one = oci::choose(&all, arch).map_err(refused)?;
            is_described(one, &image.manifest, &item)?;
        }
        let said = oci::manifest(&self.document(&image.manifest)?).map_err(refused)?;
        if said.media_type != image.media_type || said.layers.len() != image.layers.len() {
            return Err(wrong(
                "its manifest is of another kind, or has other layers",
            ));
        }
        is_described(&said.config, &image.config, &item)?;
        for (layer, file) in said.layers.iter().zip(&image.layers) {
            is_described(&layer.file, file, &item)?;
        }
        let config = self.document(&image.config)?;
        oci::config(&config, arch, image.layers.len()).map_err(refused)?;
        vouched(wish, image, &known, &item)
    }

    fn document(&self, file: &LockedFile) -> Result<Vec<u8>, RecheckError> {
        self.read(file, oci::MAX_DOCUMENT)
    }
}

/// The evidence of the lock is that of the manifest, in its order, and for one of these digests.
fn vouched(
    wish: &manifest::Image,
    image: &Image,
    known: &[Digest],
    item: &str,
) -> Result<(), RecheckError> {
    if wish.evidence.len() != image.evidence.len() {
        return Err(unproven(
            item,
            "it has other evidence than the manifest asks for",
        ));
    }
    for (wanted, found) in wish.evidence.iter().zip(&image.evidence) {
        let holds = match (wanted, &found.vouched) {
            (Wanted::Literal(stated), Vouched::Manifest) => known.contains(stated),
            (Wanted::FirstLock(wished), Vouched::FirstLock(locked)) => wished == locked,
            _ => false,
        };
        if !holds {
            let what = format!("the manifest does not say so: {}", found.vouched);
            return Err(unproven(item, what));
        }
    }
    Ok(())
}

fn is_described(stated: &Descriptor, file: &LockedFile, item: &str) -> Result<(), RecheckError> {
    if stated.digest == file.sha256 && stated.size == file.size {
        return Ok(());
    }
    let what = format!(
        "sha256:{} of {} bytes is named, the lock has sha256:{} of {}",
        stated.digest, stated.size, file.sha256, file.size
    );
    Err(unproven(item, what))
}
