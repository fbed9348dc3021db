//! What a bundle of a request will look like: every file, every volume. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::base::{Base, listed, listed_made};
use crate::bundle::changes::{self, Change, Changes};
use crate::bundle::contents::{BUNDLE_JSON, Contents, CutFile, FileInfo, FileKind, format_of};
use crate::bundle::documents;
use crate::bundle::header::Header;
use crate::bundle::payload::{self, Payload};
use crate::bundle::places::{CHANGES_JSON, change_of, volume_of};
use crate::bundle::request::{ItemChange, PackRequest, RequestError, Source};
use crate::bundle::sums::Sums;
use crate::bundle::volumes::{Placed, VolumeSize, on_medium, spread};
use crate::parity::index;
use crate::parity::shape::{Amount, Shape};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// Room that stays free on each medium for signatures, and for those that are added later.
const SIGNATURES: u64 = 256 * 1024;
/// The room that stays free grows in these steps, so that a name that gets longer changes nothing.
const STEP: u64 = 64 * 1024;
/// How often the room is adjusted before it is given up.
const ROUNDS: usize = 64;

/// A bundle before it is written: every byte of it is known, but for the hashes of parts and parity,
/// which are made while it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    header: Header,
    contents: Contents,
    /// Size of `bundle.json`.
    own_size: u64,
    /// Every whole file but those of the parity, sorted by path.
    pub(crate) files: Vec<PlannedFile>,
    /// The files that the base of a delta has, by their places in it.
    based: BTreeMap<RelPath, Digest>,
    /// The files that are made by changes, by their places in the full bundle.
    changed: BTreeMap<RelPath, Digest>,
    /// The files that are written in parts, sorted by path.
    pub(crate) cut: Vec<PlannedCut>,
    /// The payload and its parity, when some is asked for.
    pub(crate) parity: Option<PlannedParity>,
}

/// One file before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    pub(crate) path: RelPath,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) source: Source,
}

/// A file that is written in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedCut {
    /// What is written, but the path is none of the bundle's files.
    pub(crate) whole: PlannedFile,
    /// Its parts, in order, with their sizes.
    pub(crate) parts: Vec<(RelPath, u64)>,
}

/// The parity before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedParity {
    pub(crate) payload: Payload,
    pub(crate) shape: Shape,
    /// Size of each of its files.
    pub(crate) files: BTreeMap<RelPath, u64>,
}

type Sources = BTreeMap<RelPath, (Source, FileInfo)>;

impl Planned {
    /// The list, once the digests of parts and parity files are known.
    pub(crate) fn list(&self, made: &BTreeMap<RelPath, Digest>) -> Result<Sums, RequestError> {
        let known = self.files.iter().map(|file| (&file.path, &file.digest));
        let based = self
            .based
            .iter()
            .filter_map(|(place, digest)| Some((listed(place)?, *digest)));
        let changed = self
            .changed
            .iter()
            .filter_map(|(place, digest)| Some((listed_made(place)?, *digest)));
        let entries = known
            .chain(made)
            .map(|(path, digest)| (path.clone(), *digest))
            .chain(based)
            .chain(changed)
            .collect();
        let sums = Sums::new(self.header.clone(), entries)?;
        self.contents.compare(&sums, self.own_size)?;
        Ok(sums)
    }

    /// The files whose digests are known only when they are written, with their sizes.
    pub(crate) fn made(&self) -> impl Iterator<Item = (&RelPath, u64)> {
        let parts = self.cut.iter().flat_map(|cut| &cut.parts);
        let parity = self.parity.iter().flat_map(|parity| &parity.files);
        parts
            .map(|(path, size)| (path, *size))
            .chain(parity.map(|(path, size)| (path, *size)))
    }

    /// Every file but the list and the signatures, with its size.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&RelPath, u64)> {
        let whole = self.files.iter().map(|file| (&file.path, file.size));
        whole.chain(self.made())
    }

    /// Bytes of all files.
    pub(crate) const fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// What cannot be listed is refused before anything is written; the digests do not matter here.
    fn rehearse(&self) -> Result<Sums, RequestError> {
        let nothing = Digest::of(b"");
        let made = self.made().map(|(path, _)| (path.clone(), nothing));
        self.list(&made.collect())
    }

    /// What the files of a kind of volume (`p`), or of none, take on a medium: the largest of them.
    fn largest(&self, prefix: Option<char>) -> u64 {
        let mut volumes: BTreeMap<&str, u64> = BTreeMap::new();
        for (path, size) in self.sizes() {
            let volume = volume_of(path);
            let counts = match (prefix, volume) {
                (Some(prefix), Some(volume)) => volume.starts_with(prefix),
                (None, None) => true,
                _ => false,
            };
            if counts {
                let taken = volumes.entry(volume.unwrap_or_default()).or_default();
                *taken = taken.saturating_add(on_medium(size));
            }
        }
        volumes.into_values().max().unwrap_or(0)
    }
}

impl PlannedParity {
    fn new(payload: Payload, amount: Amount, parity_volumes: u64) -> Result<Self, RequestError> {
        let shape = Shape::spread(payload.volumes(), amount, parity_volumes)?;
        let mut files: BTreeMap<RelPath, u64> = payload::parity_files(&shape)
            .into_iter()
            .map(|file| {
                let blocks = file.end.saturating_sub(file.first);
                (file.path, blocks.saturating_mul(shape.block()))
            })
            .collect();
        let list = index::length(&shape);
        files.extend(
            payload::block_lists(&shape)
                .into_iter()
                .map(|path| (path, list)),
        );
        Ok(Self {
            payload,
            shape,
            files,
        })
    }
}

impl PackRequest {
    /// Every file of the bundle and its volume.
    pub(crate) fn plan(&self) -> Result<Planned, RequestError> {
        if self.base.is_some() && self.parity.is_some() {
            return Err(RequestError::DeltaParity);
        }
        let sources = self.sources()?;
        match self.volume_size {
            None => {
                let planned = self.draft(&sources, None, 1)?;
                planned.rehearse()?;
                Ok(planned)
            }
            Some(size) => self.fit(&sources, size),
        }
    }

    /// Spreads the payload so that each volume, and what every medium carries, fits a medium. How much that
    /// is depends on how the payload is spread; the room for it grows until it suffices.
    fn fit(&self, sources: &Sources, size: VolumeSize) -> Result<Planned, RequestError> {
        let all = size.bytes();
        let (mut room, mut parity_volumes) = (SIGNATURES, 1);
        for _ in 0..ROUNDS {
            let capacity = all.checked_sub(room).filter(|rest| *rest >= STEP);
            let capacity = capacity.ok_or(RequestError::Small {
                size: all,
                small: room,
            })?;
            let planned = self.draft(sources, Some(capacity), parity_volumes)?;
            let list = u64::try_from(planned.rehearse()?.render().len()).unwrap_or(u64::MAX);
            let small = planned
                .largest(None)
                .saturating_add(on_medium(list))
                .saturating_add(SIGNATURES);
            if small > room {
                room = small.next_multiple_of(STEP);
                continue;
            }
            let parity = planned.largest(Some('p')).saturating_add(small);
            if parity <= all {
                return Ok(planned);
            }
            // A spare medium must hold as much as the fullest volume, and is a little larger.
            let spare = self.spare_size(&planned)?.saturating_add(small);
            if spare > all {
                let over = spare.saturating_sub(all);
                room = room.saturating_add(over).next_multiple_of(STEP);
            } else {
                parity_volumes = planned
                    .parity
                    .as_ref()
                    .map_or(1, |parity| parity.shape.parity_volumes())
                    .saturating_add(1);
            }
        }
        Err(RequestError::Volumes { size: all })
    }

    /// What one parity volume takes when only whole media are to be replaced; 0 without spare ones.
    fn spare_size(&self, planned: &Planned) -> Result<u64, RequestError> {
        let spare_volumes = self.parity.map_or(0, |amount| amount.spare_volumes);
        let Some(parity) = planned.parity.as_ref().filter(|_| spare_volumes > 0) else {
            return Ok(0);
        };
        let amount = Amount {
            percent: None,
            spare_volumes,
        };
        let spare = PlannedParity::new(parity.payload.clone(), amount, 1)?;
        let first = spare.files.iter();
        let first = first.filter(|(path, _)| path.first() == "p1");
        Ok(first.fold(0, |sum: u64, (_, size)| {
            sum.saturating_add(on_medium(*size))
        }))
    }

    /// Every file that is known before the payload is spread, payload below `v1/`.
    fn sources(&self) -> Result<Sources, RequestError> {
        let mut sources: Sources = BTreeMap::new();
        for item in &self.items {
            if !matches!(item.path.first(), "v1" | "evidence")
                || item.path.first() == item.path.as_str()
            {
                return Err(RequestError::Place(item.path.clone()));
            }
            if item.info.size != item.source.size() {
                return Err(RequestError::Size {
                    path: item.path.clone(),
                    described: item.info.size,
                    size: item.source.size(),
                });
            }
            let new = (item.source.clone(), item.info.clone());
            if let Some((source, info)) = sources.insert(item.path.clone(), new)
                && (source.digest() != item.source.digest() || info != item.info)
            {
                return Err(RequestError::Conflict(item.path.clone()));
            }
        }
        for (path, text) in documents::all(self) {
            let source = Source::Bytes(text.into_bytes());
            let info = info(source.size(), FileKind::Document);
            sources.insert(path, (source, info));
        }
        Ok(sources)
    }

    /// The bundle with volumes of `capacity` bytes; none: with one volume.
    fn draft(
        &self,
        sources: &Sources,
        capacity: Option<u64>,
        parity_volumes: u64,
    ) -> Result<Planned, RequestError> {
        let mut spreading = Spreading::default();
        let carried: Sources = sources
            .iter()
            .filter(|(path, (source, info))| !self.leaves_out(path, source, info, &mut spreading))
            .map(|(path, one)| (path.clone(), one.clone()))
            .collect();
        let sources = &carried;
        let payload: Vec<(&RelPath, u64)> = sources
            .iter()
            .filter(|(path, _)| volume_of(path).is_some())
            .map(|(path, (source, _))| {
                let change = self.change(path, capacity);
                (path, change.map_or(source.size(), |one| one.change.size))
            })
            .collect();
        match capacity {
            None => {
                for (path, (source, info)) in sources {
                    match self.change(path, None) {
                        Some(change) => spreading.changed(path.clone(), source, info, change),
                        None => spreading.whole(path.clone(), source, info),
                    }
                }
            }
            Some(capacity) => {
                for (path, (source, info)) in sources {
                    if volume_of(path).is_none() {
                        spreading.whole(path.clone(), source, info);
                    }
                }
                let size = self.volume_size.map_or(capacity, VolumeSize::bytes);
                let placed =
                    spread(&payload, capacity).map_err(|_| RequestError::Volumes { size })?;
                for one in placed {
                    if let Some((path, _)) = payload.get(one.file)
                        && let Some((source, info)) = sources.get(*path)
                    {
                        let change = self.change(path, Some(capacity));
                        spreading.place(one, path, (source, info), change)?;
                    }
                }
            }
        }
        self.assemble(spreading, parity_volumes)
    }

    /// The change that is carried instead of a file. It is never cut: where it does not fit a volume, the file
    /// is carried.
    fn change(&self, path: &RelPath, capacity: Option<u64>) -> Option<&ItemChange> {
        self.base.as_ref()?;
        let change = self.changes.get(path)?;
        listed_made(path)?;
        capacity
            .is_none_or(|capacity| on_medium(change.change.size) <= capacity)
            .then_some(change)
    }

    /// Notes a file that the base has, which is not written then.
    fn leaves_out(
        &self,
        path: &RelPath,
        source: &Source,
        info: &FileInfo,
        spreading: &mut Spreading,
    ) -> bool {
        let digest = source.digest();
        let base = self.base.as_ref().filter(|_| volume_of(path).is_some());
        let Some(place) = base.and_then(|base| base.place_of(path, &digest)) else {
            return false;
        };
        spreading.infos.insert(place.clone(), info.clone());
        spreading.based.insert(place.clone(), digest);
        true
    }

    fn assemble(&self, spreading: Spreading, parity_volumes: u64) -> Result<Planned, RequestError> {
        let Spreading {
            mut files,
            mut infos,
            cut,
            described,
            mut volumes,
            based,
            changed,
            changes,
        } = spreading;
        if !changes.is_empty() {
            let changes = Changes {
                format: changes::FORMAT,
                encoder: changes::ENCODER.to_owned(),
                changes,
            };
            let json = Source::Bytes(changes.render()?.into_bytes());
            files.push(planned(documents::path(CHANGES_JSON), &json));
        }
        volumes.extend(based.keys().filter_map(volume_number));
        let volumes = volumes.last().copied().unwrap_or(1);
        let parity = self
            .parity
            .map(|amount| {
                let sizes = infos.iter().map(|(path, info)| (path, info.size));
                PlannedParity::new(Payload::new(sizes, volumes), amount, parity_volumes)
            })
            .transpose()?;
        for (path, size) in parity.iter().flat_map(|parity| &parity.files) {
            infos.insert(path.clone(), info(*size, FileKind::Parity));
        }
        let bytes = infos
            .values()
            .map(|info| info.size)
            .try_fold(0_u64, u64::checked_add)
            .ok_or(RequestError::TooLarge)?;
        let mut repositories = self.repositories.clone();
        repositories.sort_by(|a, b| a.name.cmp(&b.name));
        let contents = Contents {
            format: format_of(&infos, &described),
            target: self.target,
            files: infos,
            cut: described,
            repositories,
        };
        let json = Source::Bytes(contents.render()?.into_bytes());
        let own_size = json.size();
        files.push(planned(documents::path(BUNDLE_JSON), &json));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let header = Header {
            name: self.name.clone(),
            version: self.version.clone(),
            sequence: self.sequence,
            created: self.created,
            base: self.base.as_ref().map(Base::identity),
            volumes,
            parity: parity.as_ref().map_or(0, |parity| {
                u16::try_from(parity.shape.parity_volumes()).unwrap_or(u16::MAX)
            }),
            files: 0,
            bytes: bytes.checked_add(own_size).ok_or(RequestError::TooLarge)?,
            marking: self.marking.clone(),
        };
        Ok(Planned {
            header,
            contents,
            own_size,
            files,
            based,
            changed,
            cut: cut.into_values().collect(),
            parity,
        })
    }
}

/// The files while they are spread.
#[derive(Default)]
struct Spreading {
    files: Vec<PlannedFile>,
    infos: BTreeMap<RelPath, FileInfo>,
    cut: BTreeMap<RelPath, PlannedCut>,
    described: BTreeMap<RelPath, CutFile>,
    volumes: BTreeSet<u16>,
    based: BTreeMap<RelPath, Digest>,
    changed: BTreeMap<RelPath, Digest>,
    changes: BTreeMap<RelPath, Change>,
}

impl Spreading {
    /// A file that a change makes at `place`.
    fn changed(&mut self, place: RelPath, source: &Source, info: &FileInfo, change: &ItemChange) {
        let Some(path) = change_of(&place) else {
            return self.whole(place, source, info);
        };
        self.infos.insert(place.clone(), info.clone());
        self.changed.insert(place, source.digest());
        self.files.push(planned(path.clone(), &change.source));
        self.changes.insert(path, change.change.clone());
    }

    fn whole(&mut self, path: RelPath, source: &Source, info: &FileInfo) {
        self.infos.insert(path.clone(), info.clone());
        self.files.push(planned(path, source));
    }

    /// Gives a file, or the next part of it, its place. Parts of a file come in order.
    fn place(
        &mut self,
        placed: Placed,
        path: &RelPath,
        (source, file): (&Source, &FileInfo),
        change: Option<&ItemChange>,
    ) -> Result<(), RequestError> {
        let in_volume = |ending: &str| {
            let rest = path.as_str().split_once('/').map_or("", |(_, rest)| rest);
            format!("v{}/{rest}{ending}", placed.volume)
                .parse::<RelPath>()
                .map_err(|source| RequestError::PartName {
                    path: path.clone(),
                    source,
                })
        };
        self.volumes.insert(placed.volume);
        let whole = in_volume("")?;
        if let Some(change) = change {
            self.changed(whole, source, file, change);
            return Ok(());
        }
        let Some(part) = placed.part else {
            self.whole(whole, source, file);
            return Ok(());
        };
        let name = in_volume(&format!(".{:03}", part.number))?;
        self.infos
            .insert(name.clone(), info(part.length, FileKind::Part));
        let cut = self.cut.entry(path.clone()).or_insert_with(|| PlannedCut {
            whole: planned(whole, source),
            parts: Vec::new(),
        });
        cut.parts.push((name.clone(), part.length));
        let described = self.described.entry(cut.whole.path.clone());
        let described = described.or_insert_with(|| CutFile {
            sha256: cut.whole.digest,
            parts: Vec::new(),
            info: file.clone(),
        });
        described.parts.push(name);
        Ok(())
    }
}

/// The number of the volume that a path lies in.
fn volume_number(path: &RelPath) -> Option<u16> {
    volume_of(path)?.strip_prefix('v')?.parse().ok()
}

fn planned(path: RelPath, source: &Source) -> PlannedFile {
    PlannedFile {
        path,
        digest: source.digest(),
        size: source.size(),
        source: source.clone(),
    }
}

pub(super) fn info(size: u64, kind: FileKind) -> FileInfo {
    FileInfo {
        size,
        kind,
        components: Vec::new(),
        version: None,
        package: None,
        stand_in: false,
        url: None,
        vouched: Vec::new(),
    }
}
