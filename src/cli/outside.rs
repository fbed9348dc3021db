//! Nothing is written into a bundle: the outputs of every command, looked at before it begins.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use haversack::bundle::places::SUMS;
use haversack::fs;

#[cfg(feature = "connected")]
use super::args::{BuildArgs, LockArgs};
use super::args::{Command, CustodyCommand};
#[cfg(feature = "connected")]
use super::commands::lock::lock_path;
use super::failure::Failure;

/// How the list of a bundle begins, in every format.
const BEGIN: &[u8] = b"# haversack-bundle ";

/// Where a command writes, and what it reads.
#[derive(Debug, Default)]
struct Paths<'a> {
    writes: Vec<PathBuf>,
    reads: Vec<&'a Path>,
}

impl<'a> Paths<'a> {
    fn reads(mut self, reads: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        self.reads.extend(reads.into_iter().map(PathBuf::as_path));
        self
    }

    fn writes(mut self, writes: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        self.writes.extend(writes.into_iter().cloned());
        self
    }
}

/// Refuses a command that would write into a bundle, whether it reads that bundle or not: what is not in its list
/// makes it a bad one.
///
/// A path counts as it is once symbolic links and `..` are resolved. One that cannot be resolved is left to the
/// command, which cannot write there either.
///
/// # Errors
/// The first output that lies in a bundle.
pub(crate) fn refuse(command: &Command) -> Result<(), Failure> {
    let paths = paths(command);
    let reads: Vec<PathBuf> = paths
        .reads
        .iter()
        .filter_map(|path| fs::real_path(path).ok())
        .collect();
    let mut before: Vec<(&Path, PathBuf)> = Vec::new();
    for given in &paths.writes {
        let Ok(real) = fs::real_path(given) else {
            continue;
        };
        if let Some((other, _)) = before.iter().find(|(_, other)| *other == real) {
            return Err(Failure::plain(
                "E290",
                format!(
                    "{} and {} are one file, and both would be written",
                    other.display(),
                    given.display()
                ),
                "name a path for each; nothing was written",
            ));
        }
        before.push((given, real.clone()));
        if reads.contains(&real) {
            return Err(Failure::plain(
                "E290",
                format!("{} is read and must stay as it is", given.display()),
                "name another path to write to; nothing was written",
            ));
        }
        let source = reads.iter().find(|folder| real.starts_with(folder));
        let above = || real.ancestors().skip(1).find(|folder| is_bundle(folder));
        if let Some(inside) = source.map(PathBuf::as_path).or_else(above) {
            return Err(Failure::plain(
                "E290",
                format!(
                    "{} lies in {}, which is read and must stay as it is",
                    given.display(),
                    inside.display()
                ),
                "name a path outside the bundle; nothing was written",
            ));
        }
    }
    Ok(())
}

/// Whether a folder holds the list of a bundle.
fn is_bundle(folder: &Path) -> bool {
    let at = folder.join(SUMS);
    if !matches!(fs::examine(&at), Ok(Some(found)) if found.is_file()) {
        return false;
    }
    let mut begin = Vec::new();
    let limit = u64::try_from(BEGIN.len()).unwrap_or(u64::MAX);
    let read = fs::open(&at).map(|file| file.take(limit).read_to_end(&mut begin));
    matches!(read, Ok(Ok(_))) && begin == BEGIN
}

fn paths(command: &Command) -> Paths<'_> {
    let none = Paths::default();
    match command {
        Command::Init(args) => none.writes([&args.folder]),
        #[cfg(feature = "connected")]
        Command::Lock(args) => of_lock(args),
        #[cfg(feature = "connected")]
        Command::Build(args) => of_build(args),
        Command::Keygen(args) => none.writes([&args.prefix]),
        Command::Sign(args) => none.writes(&args.custodian.custody),
        Command::Verify(args) => none
            .reads(&args.bundle)
            .writes(args.recarry.iter().chain(&args.report))
            .writes(args.custodian.custody.iter().chain(&args.trust.state)),
        Command::Stream(args) => none
            .reads(&args.bundle)
            .writes(args.output.iter().chain(&args.flat)),
        Command::Receive(args) => none
            .reads(args.from.iter().chain(&args.base))
            .writes([&args.output])
            .writes(&args.trust.state),
        Command::Receipt(args) => none
            .reads(args.bundle.iter().chain([&args.key]))
            .writes([&args.output])
            .writes(&args.trust.state),
        Command::Media(args) => none.reads([&args.bundle]).writes([&args.to]),
        Command::Gather(args) => none
            .reads(&args.bundle)
            .writes([&args.output])
            .writes(&args.trust.state),
        Command::Patch(args) => none.reads([&args.bundle]).writes([&args.output]),
        Command::Repair(args) => none
            .reads(args.bundle.iter().chain(&args.patch))
            .writes([&args.output])
            .writes(args.custodian.custody.iter().chain(&args.trust.state)),
        Command::Custody(CustodyCommand::Add(args)) => none
            .reads(args.of.iter().chain(&args.object))
            .writes([&args.log]),
        Command::Custody(CustodyCommand::Export(args)) => none
            .reads(args.bundle.iter().chain(&args.log))
            .writes(&args.output),
        Command::Dossier(args) => none.reads(&args.subject).writes(&args.output),
        Command::Stage(args) => none
            .reads(&args.bundle)
            .writes([&args.output])
            .writes(args.custodian.custody.iter().chain(&args.trust.state)),
        #[cfg(feature = "connected")]
        Command::Outdated(_) => none,
        // These write nothing, or only into a trust directory.
        Command::Custody(CustodyCommand::Verify(_))
        | Command::Report(_)
        | Command::Trust(_)
        | Command::Inspect(_)
        | Command::Plan(_)
        | Command::Preflight(_)
        | Command::Lint(_)
        | Command::Audit(_)
        | Command::Diff(_)
        | Command::Explain(_)
        | Command::Completions { .. }
        | Command::Man => none,
    }
}

#[cfg(feature = "connected")]
fn of_lock(args: &LockArgs) -> Paths<'_> {
    let mut found = Paths::default().writes(&args.source.store);
    if !args.check {
        found
            .writes
            .push(lock_path(&args.manifest, args.lock.as_deref()));
    }
    found
}

#[cfg(feature = "connected")]
fn of_build(args: &BuildArgs) -> Paths<'_> {
    let found = Paths::default();
    let mut found = found
        .reads(&args.base)
        .writes(args.output.iter().chain(&args.source.store));
    let lock = lock_path(&args.manifest, args.lock.as_deref());
    // One that is there is only read.
    if matches!(fs::examine(&lock), Ok(None)) {
        found.writes.push(lock);
    }
    found
}
