//! What is to be done with each file, before anything is written.

use std::collections::BTreeSet;

use super::{RepairError, count};
use crate::bundle::payload::Payload;
use crate::bundle::places::volume_of;
use crate::parity::shape::{Amount, Shape};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::Survey;
use crate::verify::damage::Located;

/// What is to be done with each listed file.
pub(super) struct Parts<'a> {
    pub(super) copied: Vec<&'a RelPath>,
    pub(super) patched: BTreeSet<&'a RelPath>,
    pub(super) rebuilt: BTreeSet<&'a RelPath>,
    pub(super) parity_made: bool,
    /// What the parity is made of, when it is made anew.
    pub(super) remade: Option<(Payload, Shape)>,
    pub(super) located: Option<Located>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(survey: &'a Survey, held: &BTreeSet<Digest>) -> Result<Self, RepairError> {
        let all: Vec<&RelPath> = survey.authentic.sums.entries().keys().collect();
        let is_good = |path: &RelPath| survey.good.contains_key(path);
        let digest = |path: &RelPath| survey.authentic.sums.entries().get(path);
        let is_patched =
            |path: &RelPath| !is_good(path) && digest(path).is_some_and(|one| held.contains(one));
        let patched: BTreeSet<&RelPath> = all
            .iter()
            .copied()
            .filter(|path| is_patched(path))
            .collect();
        let bad = || {
            let damaged = all.iter().copied().filter(|path| !is_good(path));
            damaged.filter(|path| !patched.contains(path))
        };
        let small: Vec<String> = bad()
            .filter(|path| volume_of(path).is_none())
            .map(ToString::to_string)
            .collect();
        if !small.is_empty() {
            return Err(RepairError::Small { files: small });
        }
        let in_parity = |path: &RelPath| volume_of(path).is_some_and(|name| name.starts_with('p'));
        let rebuilt: BTreeSet<&RelPath> = bad().filter(|path| !in_parity(path)).collect();
        let parity_made = bad().any(in_parity);
        let located = survey.located.clone();
        let located = located.map(|located| located.with_given(held));
        if rebuilt.is_empty() && !parity_made {
            let good = all.iter().copied().filter(|path| is_good(path));
            return Ok(Self {
                copied: good.collect(),
                patched,
                rebuilt,
                parity_made,
                remade: None,
                located: None,
            });
        }
        let Some(located) = located else {
            // All payload is good, and the parity is lost with every list of its blocks: the sizes of its files say
            // how it was made.
            if let (true, Some(remade)) = (rebuilt.is_empty(), made_of(survey)) {
                let good = all.iter().copied();
                let good = good.filter(|path| is_good(path) && !in_parity(path));
                return Ok(Self {
                    copied: good.collect(),
                    patched,
                    rebuilt,
                    parity_made,
                    remade: Some(remade),
                    located: None,
                });
            }
            let what = if survey.authentic.sums.header().parity == 0 {
                "the bundle was built without parity"
            } else {
                "no good list of blocks is left, so nothing can be rebuilt"
            };
            return Err(RepairError::NoParity { what });
        };
        let damage = located.damage();
        if !damage.repairable {
            return Err(RepairError::Beyond {
                lost: damage.worst_lost,
                left: damage.worst_left,
                files: rebuilt.iter().map(ToString::to_string).collect(),
                safe: count(survey.good.len()),
            });
        }
        let copied = all
            .into_iter()
            .filter(|path| is_good(path) && !(parity_made && in_parity(path)));
        Ok(Self {
            copied: copied.collect(),
            patched,
            rebuilt,
            parity_made,
            remade: parity_made.then(|| (located.payload.clone(), located.index.shape().clone())),
            located: Some(located),
        })
    }
}

/// The payload and the shape of its parity, by the sizes of the parity files.
fn made_of(survey: &Survey) -> Option<(Payload, Shape)> {
    let contents = survey.found.contents.as_ref()?;
    let header = survey.authentic.sums.header();
    let sizes = || contents.files.iter().map(|(path, info)| (path, info.size));
    let payload = Payload::new(sizes(), header.volumes);
    let parity_volumes = u64::from(header.parity);
    // Block and groups depend on the payload alone.
    let any = Amount {
        percent: Some(1),
        spare_volumes: 0,
    };
    let any = Shape::spread(payload.volumes(), any, parity_volumes).ok()?;
    let blocks = sizes().filter(|(path, _)| path.file_name().starts_with("parity."));
    let in_parity = |path: &RelPath| volume_of(path).is_some_and(|name| name.starts_with('p'));
    let blocks = blocks.filter(|(path, _)| in_parity(path));
    let bytes = blocks.fold(0_u64, |sum, (_, size)| sum.saturating_add(size));
    let rows = bytes.checked_div(any.block())?.checked_div(any.groups())?;
    let (block, groups) = (any.block(), any.groups());
    let shape = Shape::of(block, payload.volumes(), groups, rows, parity_volumes).ok()?;
    Some((payload, shape))
}
