//! `haversack lock`: resolves a manifest.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haversack::event::Event;
use haversack::fs;
use haversack::lock::{Lock, MAX_LOCK, Vouched};
use haversack::manifest::{Draft, MAX_MANIFEST};
use haversack::net::Client;
use haversack::pool;
use haversack::resolve::{self, Earlier, Options, Update};
use haversack::sources::http::Web;
use haversack::store::Store;
use haversack::types::count::count;
use haversack::types::name::Name;
use haversack::types::size::ByteSize;
use serde_json::json;

use super::{Context, first_lock_lines};
use crate::cli::args::{LockArgs, SourceArgs};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::{network, surroundings};

/// Resolves and writes the lock, or compares.
pub(crate) fn run(args: &LockArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let workshop = Workshop::open(&args.source)?;
    let wish = Wish::read(&args.manifest)?;
    let path = lock_path(&args.manifest, args.lock.as_deref());
    if args.check {
        refuse_unlocked(&path, &args.manifest)?;
    }
    let earlier = earlier(&path, &wish, &args.update, context)?;
    let lock = workshop.resolve(&wish, earlier, context)?;
    if args.check {
        let older = read_lock(&path, &args.manifest)?;
        return Ok(check(&older, &path, &lock, context));
    }
    let text = lock.to_toml();
    fs::write_atomic(&path, text.as_bytes(), 0o644)?;
    let value = json!({ "lock": path, "bundle": lock.name, "version": lock.version, "summary": summary(&lock) });
    context.output.result(&value, &shown(&path, &lock));
    Ok(Class::Ok)
}

/// The lock that stands there, and what `--update` lets differ from it.
fn earlier(
    path: &Path,
    wish: &Wish,
    names: &[String],
    context: &Context<'_>,
) -> Result<Earlier, Failure> {
    let lock = if fs::examine(path)?.is_some() {
        match Lock::parse(&fs::read_text(path, MAX_LOCK)?, &path.display().to_string()) {
            Ok(lock) => Some(lock),
            Err(error) => {
                let text = format!("{error}: nothing is compared with it");
                let id = "W703";
                context.observer.on(&Event::Warning { id, text: &text });
                None
            }
        }
    } else {
        None
    };
    let update = update(names, wish, lock.as_ref())?;
    Ok(Earlier { lock, update })
}

/// A name that nothing has would let nothing differ, in silence.
fn update(names: &[String], wish: &Wish, lock: Option<&Lock>) -> Result<Update, Failure> {
    if names.iter().any(|name| name == "all") {
        return Ok(Update::All);
    }
    let outline = wish.draft.outline();
    let images = outline.images.iter().map(|one| &one.component);
    let components = outline
        .artifacts
        .iter()
        .map(|one| &one.component)
        .chain(images);
    let stated = outline.apt.iter().flat_map(|apt| &apt.repositories);
    let locked = lock.into_iter().flat_map(|lock| &lock.repositories);
    let known: BTreeSet<&Name> = components
        .chain(stated.map(|one| &one.name))
        .chain(locked.map(|one| &one.name))
        .collect();
    let mut wanted = BTreeSet::new();
    for name in names {
        let found = known.iter().find(|known| known.as_str() == name);
        let found = found.ok_or_else(|| {
            let all: Vec<&str> = known.iter().map(|known| known.as_str()).collect();
            Failure::usage(
                format!("--update {name}: there is no component or repository of this name"),
                format!("give one of: all, {}", all.join(", ")),
            )
        })?;
        wanted.insert((*found).clone());
    }
    Ok(Update::Only(wanted))
}

fn check(older: &Lock, path: &Path, newer: &Lock, context: &Context<'_>) -> Class {
    let differences = older.differences(newer);
    let mut text = match differences.len() {
        0 => format!("{} is what resolving gives now\n", path.display()),
        number => format!(
            "{}: {} from what resolving gives now\n",
            path.display(),
            count(number, "difference"),
        ),
    };
    for difference in &differences {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {difference}");
    }
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    context
        .output
        .result(&json!({ "differences": lines }), &text);
    if differences.is_empty() {
        Class::Ok
    } else {
        Class::Findings
    }
}

/// A manifest as it was read.
pub(crate) struct Wish {
    pub(crate) draft: Draft,
    pub(crate) text: String,
    pub(crate) folder: PathBuf,
}

impl Wish {
    /// Reads and checks a manifest.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_text(path, MAX_MANIFEST)?;
        let draft = Draft::parse(&text, &path.display().to_string())?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        Ok(Self {
            draft,
            text,
            folder: folder.to_owned(),
        })
    }
}

/// The store and the client that work on the connected side needs.
pub(crate) struct Workshop {
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) jobs: NonZeroUsize,
}

/// Downloads wait for the network more than for a core.
const FETCHES_A_CORE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

impl Workshop {
    /// As the arguments say.
    pub(crate) fn open(args: &SourceArgs) -> Result<Self, Failure> {
        for folder in &args.network.from {
            examine_brought(folder)?;
        }
        let folder = surroundings::store_folder(args.store.as_ref())?;
        let unusable = |error: &dyn std::error::Error| {
            let next = "give this user write access to that folder, or name another store with --store DIR or in HAVERSACK_STORE; a store that holds everything is only read with --offline";
            Failure::new("E601", error, Some(next.to_owned()))
        };
        let store = Store::open(&folder).map_err(|error| unusable(&error))?;
        if !args.network.offline {
            // Better to know now than after the first download.
            store.check_writable().map_err(|error| unusable(&error))?;
        }
        let client = network::client(&args.network)?;
        let jobs = args.network.jobs;
        Ok(Self {
            store: store.drawing_on(&args.network.from),
            client,
            jobs: jobs.unwrap_or_else(|| pool::cores().saturating_mul(FETCHES_A_CORE)),
        })
    }

    /// Resolves a manifest into a lock.
    pub(crate) fn resolve(
        &self,
        wish: &Wish,
        earlier: Earlier,
        context: &Context<'_>,
    ) -> Result<Lock, Failure> {
        let (web, options) = (self.web(context), options(self.jobs, earlier));
        let (folder, store) = (&wish.folder, &self.store);
        let (observer, cancel) = (context.observer, context.cancel);
        Ok(resolve::make_lock(
            &wish.draft,
            folder,
            &web,
            store,
            &options,
            observer,
            cancel,
        )?)
    }

    /// Documents through the client.
    pub(crate) fn web(&self, context: &Context<'_>) -> Web {
        Web::new(self.client.clone(), context.cancel.clone())
    }
}

/// Refuses a folder of `--from` that cannot be one, before anything is fetched.
fn examine_brought(folder: &Path) -> Result<(), Failure> {
    let why = match fs::examine(&folder.join(".")) {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => "does not exist",
        Err(error) if error.source.kind() == ErrorKind::NotADirectory => "is not a folder",
        Err(error) => return Err(error.into()),
    };
    Err(Failure::plain(
        "E601",
        format!("--from {} {why}", folder.display()),
        "name the folder that holds the files that were brought; their names do not matter, their digests do",
    ))
}

/// What resolving takes from this machine.
pub(crate) fn options(jobs: NonZeroUsize, earlier: Earlier) -> Options {
    Options {
        system_root: PathBuf::from("/"),
        now: surroundings::now(),
        jobs,
        earlier,
    }
}

/// Where the lock of a manifest is: as given, else beside it, ending in `.lock`.
pub(crate) fn lock_path(manifest: &Path, given: Option<&Path>) -> PathBuf {
    given.map_or_else(|| manifest.with_extension("lock"), Path::to_owned)
}

/// Reads the lock of a manifest.
pub(crate) fn read_lock(path: &Path, manifest: &Path) -> Result<Lock, Failure> {
    refuse_unlocked(path, manifest)?;
    let text = fs::read_text(path, MAX_LOCK)?;
    Ok(Lock::parse(&text, &path.display().to_string())?)
}

/// Refuses to go on where there is no lock yet.
fn refuse_unlocked(path: &Path, manifest: &Path) -> Result<(), Failure> {
    if fs::examine(path)?.is_some() {
        return Ok(());
    }
    Err(Failure::plain(
        "E601",
        format!("there is no lock {}", path.display()),
        format!("run `haversack lock {}` first", manifest.display()),
    ))
}

fn summary(lock: &Lock) -> serde_json::Value {
    let payload = lock.payload().map(|file| file.size).sum::<u64>();
    let packages: usize = lock
        .repositories
        .iter()
        .map(|repository| repository.packages.len())
        .sum();
    json!({ "artifacts": lock.artifacts.len(), "images": lock.images.len(), "packages": packages, "bytes": payload })
}

fn shown(path: &Path, lock: &Lock) -> String {
    let bytes = lock.payload().map(|file| file.size).sum::<u64>();
    let mut text = format!(
        "locked {} {} for {}: {}\n",
        lock.name,
        lock.version,
        lock.target,
        ByteSize(bytes)
    );
    for artifact in &lock.artifacts {
        let stand_in = if artifact.stand_in { "  STAND-IN" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<14} {:<16} {:>10}  {}{stand_in}",
            artifact.component.as_str(),
            artifact.version,
            ByteSize(artifact.file.size).to_string(),
            vouchers(artifact.evidence.iter().map(|evidence| &evidence.vouched)),
        );
    }
    for image in &lock.images {
        let stand_in = if image.stand_in { "  STAND-IN" } else { "" };
        let bytes = image.files().map(|file| file.size).sum::<u64>();
        let _ = writeln!(
            text,
            "  {:<14} {:<16} {:>10}  image {}@sha256:{}  {}{stand_in}",
            image.component.as_str(),
            image.version,
            ByteSize(bytes).to_string(),
            image.name,
            image.manifest.sha256,
            vouchers(image.evidence.iter().map(|evidence| &evidence.vouched)),
        );
    }
    for repository in &lock.repositories {
        let signed: usize = repository
            .suites
            .iter()
            .map(|suite| suite.signed_by.len())
            .sum();
        let bytes = repository
            .packages
            .iter()
            .map(|package| package.file.size)
            .sum::<u64>();
        let _ = writeln!(
            text,
            "  apt {:<27} {:>10}  {}; index signed by {} of its keyring",
            repository.name.as_str(),
            ByteSize(bytes).to_string(),
            count(repository.packages.len(), "package"),
            count(signed, "key"),
        );
    }
    text.push_str(&first_lock_lines(&lock.unvouched()));
    for accepted in lock.accepted() {
        let _ = writeln!(text, "  ACCEPTED   {accepted}");
    }
    let _ = writeln!(text, "  wrote {}", path.display());
    text
}

fn vouchers<'a>(all: impl Iterator<Item = &'a Vouched>) -> String {
    let words: Vec<String> = all
        .map(|one| match one {
            Vouched::Manifest => "digest in the manifest".to_owned(),
            Vouched::Catalogue(day) => format!("catalogue of {day}"),
            Vouched::ChecksumFile => "checksum file".to_owned(),
            Vouched::OpenPgp(fingerprint) => format!("OpenPGP {fingerprint}"),
            Vouched::Minisign { key, .. } => format!("minisign {}", key.id()),
            Vouched::Sha512(_) => "SHA-512".to_owned(),
            Vouched::Page { .. } => "page".to_owned(),
            Vouched::Release { .. } => "release API".to_owned(),
            Vouched::FirstLock(_) => "FIRST LOCK: nobody vouches".to_owned(),
        })
        .collect();
    words.join(", ")
}
