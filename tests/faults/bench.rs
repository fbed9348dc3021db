//! Runs of a command, each with one fault.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use haversack::custody::{self, Expected};
use haversack::pool;
use haversack::types::digest::Digest;

/// What goes wrong at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed before it.
    Kill,
    /// It fails with this number.
    Refuse(i32),
    /// It and all after it fail with this number, except removals.
    From(i32),
    /// Half of the bytes are read or written.
    Short,
}

impl Fault {
    fn plan(self, at: u64) -> String {
        match self {
            Self::Kill => format!("{at}:kill"),
            Self::Refuse(number) => format!("{at}:{number}"),
            Self::From(number) => format!("{at}+:{number}"),
            Self::Short => format!("{at}:short"),
        }
    }
}

/// Every file and folder: its permission bits, and the digest of a file.
pub(crate) type Tree = BTreeMap<PathBuf, (u32, Option<Digest>)>;

/// What stands at `path`; nothing when nothing does.
pub(crate) fn tree(path: &Path) -> Tree {
    fn descend(root: &Path, path: &Path, found: &mut Tree) {
        let Ok(meta) = std::fs::symlink_metadata(path) else {
            return;
        };
        let below = path.strip_prefix(root).unwrap().to_owned();
        let digest = meta
            .is_file()
            .then(|| Digest::of(&std::fs::read(path).unwrap()));
        found.insert(below, (meta.permissions().mode() & 0o7777, digest));
        if meta.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                descend(root, &entry.unwrap().path(), found);
            }
        }
    }
    let mut found = Tree::new();
    descend(path, path, &mut found);
    found
}

/// A command, the folder it begins with, and what may be there after it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The folder it begins with.
    pub(crate) template: tempfile::TempDir,
    pub(crate) arguments: Vec<String>,
    /// Names in the folder that the command changes; all else are its inputs.
    pub(crate) outputs: &'static [&'static str],
    /// What may stand there at any moment, beside the final state: the name, and how it may look.
    /// Gives a word of complaint.
    pub(crate) between: fn(&Case<'_>) -> Vec<String>,
    /// Whether the result of a later run, or of the run itself, is complete and right.
    pub(crate) complete: fn(&Case<'_>) -> Vec<String>,
    /// With what the command refuses to run again when its result is there.
    pub(crate) once: Option<i32>,
    /// How it may end too when the system refuses something.
    pub(crate) or_code: Option<i32>,
    /// What must outlive the scenario.
    pub(crate) _held: Option<Box<dyn std::any::Any + Send + Sync>>,
}

/// A folder after a run.
pub(crate) struct Case<'a> {
    pub(crate) folder: &'a Path,
    /// The folder that the command began with.
    pub(crate) before: &'a Path,
    /// The folder of the run without a fault.
    pub(crate) right: &'a Path,
}

impl Case<'_> {
    /// Complains when the custody log `log.jsonl` lost what stood in it before, is not whole, or has fewer
    /// than `more` events beyond that.
    pub(crate) fn log(&self, more: usize) -> Vec<String> {
        let read = |folder: &Path| std::fs::read(folder.join("log.jsonl")).unwrap_or_default();
        let (old, new) = (read(self.before), read(self.folder));
        let mut wrong = Vec::new();
        if !new.starts_with(&old) {
            wrong.push("the custody log lost what stood in it".to_owned());
        }
        let lines = |log: &[u8]| String::from_utf8_lossy(log).lines().count();
        if lines(&new) < lines(&old) + more {
            wrong.push(format!("the custody log has only {} events", lines(&new)));
        }
        let path = self.folder.join("log.jsonl");
        if path.exists() {
            let begin = Some(custody::begin_of(&self.before.join("bundle")).unwrap());
            let loaded = custody::load(&path, &Expected { begin, head: None });
            wrong.extend(loaded.err().map(|error| error.to_string()));
        }
        wrong
    }

    /// Complains when `name` is neither as before nor as it must be in the end.
    pub(crate) fn old_or_new(&self, name: &str) -> Option<String> {
        let found = tree(&self.folder.join(name));
        let known = [tree(&self.before.join(name)), tree(&self.right.join(name))];
        (!known.contains(&found)).then(|| format!("{name} is neither as before nor complete"))
    }

    /// Complains when `name` is not as it must be in the end.
    pub(crate) fn complete(&self, name: &str) -> Option<String> {
        let (found, right) = (tree(&self.folder.join(name)), tree(&self.right.join(name)));
        (found != right).then(|| {
            let differing = right
                .iter()
                .find(|(path, what)| found.get(*path) != Some(what));
            format!("{name} is not what it must be, first at {differing:?}")
        })
    }
}

/// One line of the table.
pub(crate) struct Row {
    name: &'static str,
    operations: u64,
    /// How many kinds of error each operation met, of how many.
    kinds: (u64, u64),
    faults: u64,
    states: u64,
    outcomes: BTreeMap<String, u64>,
    leftovers: u64,
    seconds: f64,
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<String> = self
            .outcomes
            .iter()
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        write!(
            f,
            "{:<28} {:>5} operations, each: killed, {} of {} errors; {:>5} faults, {:>4} states run again \
             {:>6.1} s {:>3} leftovers {:>3} violations  {}",
            self.name,
            self.operations,
            self.kinds.0,
            self.kinds.1,
            self.faults,
            self.states,
            self.seconds,
            self.leftovers,
            self.violations.len(),
            outcomes.join(", ")
        )
    }
}

/// About how many runs with an error a command gets: a long one meets fewer kinds at each operation, in
/// turn, so that each operation meets one at least, and each kind is met all along the command.
const RUNS: u64 = 700;
/// Of how many kills one is a real one; the others are what the disk holds while the process is stopped
/// at that operation.
const REAL_KILLS: u64 = 16;

/// Runs the command of `scenario` with every fault at every operation.
pub(crate) fn run_all(scenario: &Scenario, faults: &[Fault]) -> Row {
    let began = std::time::Instant::now();
    let bench = Bench::new(scenario);
    // In a thread of its own, so that this one keeps all its cores.
    let trace = std::thread::scope(|scope| scope.spawn(|| bench.trace()).join().unwrap());
    let count = u64::try_from(trace.len()).unwrap();
    assert!(count > 10, "{}: {count} operations", scenario.name);
    let moves_bytes = |at: u64| {
        let line = &trace[usize::try_from(at).unwrap() - 1];
        line.contains(" read ") || line.contains(" write ")
    };
    let kinds = u64::try_from(faults.len()).unwrap();
    let each = (RUNS / count).clamp(1, kinds);
    let mut cases: Vec<(Fault, u64)> = Vec::new();
    for at in 1..=count {
        let turn = (0..kinds).map(|number| (at * each + number) % kinds);
        let met = turn.map(|number| faults[usize::try_from(number).unwrap()]);
        let met = met.filter(|fault| *fault != Fault::Short || moves_bytes(at));
        cases.extend(
            met.take(usize::try_from(each).unwrap())
                .map(|fault| (fault, at)),
        );
        if at % REAL_KILLS == 0 {
            cases.push((Fault::Kill, at));
        }
    }
    let mut results = std::thread::scope(|scope| {
        let snapshots = scope.spawn(|| bench.snapshots(&trace));
        let all = pool::try_map(&cases, pool::cores(), |(fault, at)| {
            Ok::<_, ()>(bench.one(*fault, *at, &trace))
        });
        let mut all = all.unwrap();
        all.extend(snapshots.join().unwrap());
        all
    });
    results.sort_by(|one, other| one.violations.cmp(&other.violations));
    let mut row = Row {
        name: scenario.name,
        operations: count,
        kinds: (each, kinds),
        faults: u64::try_from(results.len()).unwrap(),
        states: u64::try_from(bench.seen.lock().unwrap().len()).unwrap(),
        outcomes: BTreeMap::new(),
        leftovers: 0,
        seconds: began.elapsed().as_secs_f64(),
        violations: Vec::new(),
    };
    for one in results {
        *row.outcomes.entry(one.end).or_default() += 1;
        row.leftovers += one.leftovers;
        row.violations.extend(one.violations);
    }
    row
}

/// What a folder looks like to the program: names, permission bits and bytes. Names that it makes at
/// random are one, and the number of the process in a lock is none of it.
type Look = Vec<(PathBuf, u32, Option<Digest>)>;

fn look(folder: &Path) -> Look {
    let mut found: Look = tree(folder)
        .into_iter()
        .map(|(path, (mode, digest))| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".haversack-") {
                return (path.with_file_name(".haversack-.part"), mode, digest);
            }
            let is_lock = name.starts_with('.') && name.ends_with(".lock") || name == ".lock";
            (path, mode, digest.filter(|_| !is_lock))
        })
        .collect();
    found.sort();
    found
}

struct Bench<'s> {
    of: &'s Scenario,
    folder: tempfile::TempDir,
    right: PathBuf,
    /// Every folder that a fault left, and what came of a run that went on with it: complaints, and how
    /// many unfinished files it left.
    seen: Mutex<HashMap<Look, (Vec<String>, u64)>>,
}

struct Outcome {
    end: String,
    leftovers: u64,
    violations: Vec<String>,
}

impl<'s> Bench<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let folder = folder();
        let right = folder.path().join("right");
        copy(scenario.template.path(), &right);
        Self {
            of: scenario,
            folder,
            right,
            seen: Mutex::default(),
        }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        command
            .args(&self.of.arguments)
            .current_dir(folder)
            .env("HAVERSACK_STORE", folder.join("store"))
            .env("HAVERSACK_STATE", folder.join("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs without a fault, which makes what is right, and gives a line for each operation.
    fn trace(&self) -> Vec<String> {
        let trace = self.folder.path().join("trace");
        stay_on_one_core(0);
        let mut command = self.command(&self.right);
        let command = command
            .env("HAVERSACK_FAULT", "0:kill")
            .env("HAVERSACK_FAULT_TRACE", &trace);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            self.of.name,
            text(&output)
        );
        let text = std::fs::read_to_string(trace).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// One run that stops at each operation: what the disk holds then is what a kill there leaves.
    fn snapshots(&self, trace: &[String]) -> Vec<Outcome> {
        let work = tempfile::tempdir_in(self.folder.path()).unwrap();
        let folder = work.path().join("w");
        copy(self.of.template.path(), &folder);
        stay_on_one_core(1);
        let mut child = self
            .command(&folder)
            .env("HAVERSACK_FAULT", "1+:stop")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let id = rustix::process::Pid::from_child(&child);
        let wait = || {
            let options = rustix::process::WaitOptions::UNTRACED;
            let (_, status) = rustix::process::waitpid(Some(id), options)
                .unwrap()
                .unwrap();
            status
        };
        let mut found = Vec::new();
        let mut status = wait();
        while status.stopped() {
            let line = trace
                .get(found.len())
                .map_or("a late operation", String::as_str);
            let copied = tempfile::tempdir_in(self.folder.path()).unwrap();
            let left = copied.path().join("w");
            copy(&folder, &left);
            let wrong = self.judge(&left);
            found.push(self.outcome("killed", wrong, &format!("Kill at {line}")));
            rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
            status = wait();
        }
        assert_eq!(status.exit_status(), Some(0), "{}", self.of.name);
        // It is gone already.
        let _ = child.wait();
        found
    }

    fn one(&self, fault: Fault, at: u64, trace: &[String]) -> Outcome {
        let scenario = self.of;
        let work = tempfile::tempdir_in(self.folder.path()).unwrap();
        let folder = work.path().join("w");
        copy(scenario.template.path(), &folder);
        stay_on_one_core(at);
        let mut command = self.command(&folder);
        let output = command
            .env("HAVERSACK_FAULT", fault.plan(at))
            .output()
            .unwrap();
        let mut wrong = Vec::new();
        let end = match (fault, output.status.code()) {
            (Fault::Kill, None) if output.status.signal() == Some(9) => {
                "killed by signal".to_owned()
            }
            (_, Some(0)) => {
                wrong.extend((scenario.complete)(&self.case(&folder)));
                "0".to_owned()
            }
            (Fault::Refuse(_) | Fault::From(_), Some(6)) => "6".to_owned(),
            (Fault::Refuse(_) | Fault::From(_), code) if code == scenario.or_code => {
                format!("{}", code.unwrap_or_default())
            }
            (_, code) => {
                wrong.push(format!("ended with {code:?}: {}", text(&output)));
                format!("{code:?}")
            }
        };
        let (more, leftovers) = self.judge(&folder);
        wrong.extend(more);
        let line = &trace[usize::try_from(at).unwrap() - 1];
        self.outcome(&end, (wrong, leftovers), &format!("{fault:?} at {line}"))
    }

    fn outcome(&self, end: &str, (wrong, leftovers): (Vec<String>, u64), when: &str) -> Outcome {
        Outcome {
            end: end.to_owned(),
            leftovers,
            violations: wrong
                .into_iter()
                .map(|what| format!("{} {when}: {what}", self.of.name))
                .collect(),
        }
    }

    fn case<'c>(&'c self, folder: &'c Path) -> Case<'c> {
        Case {
            folder,
            before: self.of.template.path(),
            right: &self.right,
        }
    }

    /// What is wrong with the folder that a fault left, and with what the next run makes of it.
    fn judge(&self, folder: &Path) -> (Vec<String>, u64) {
        let mut wrong = (self.of.between)(&self.case(folder));
        let look = look(folder);
        let known = self.seen.lock().unwrap().get(&look).cloned();
        let (more, leftovers) = known.unwrap_or_else(|| {
            let found = self.again(folder);
            self.seen.lock().unwrap().insert(look, found.clone());
            found
        });
        wrong.extend(more);
        (wrong, leftovers)
    }

    /// The next run, without a fault.
    fn again(&self, folder: &Path) -> (Vec<String>, u64) {
        let (scenario, case) = (self.of, self.case(folder));
        let done = (scenario.complete)(&case).is_empty();
        let again = self.command(folder).output().unwrap();
        let refused = scenario.once.is_some() && again.status.code() == scenario.once;
        let mut wrong = Vec::new();
        if again.status.success() || done && refused {
            wrong.extend((scenario.complete)(&case));
        } else {
            wrong.push(format!("the next run ended with {}", text(&again)));
        }
        let template = scenario.template.path();
        for input in std::fs::read_dir(template).unwrap() {
            let name = input.unwrap().file_name().into_string().unwrap();
            if !scenario.outputs.contains(&name.as_str())
                && tree(&folder.join(&name)) != tree(&template.join(&name))
            {
                wrong.push(format!("the input {name} was changed"));
            }
        }
        let left = leftovers(folder);
        if left > 0 {
            wrong.push(format!(
                "{left} unfinished files and locks are left after the next run"
            ));
        }
        (wrong, left)
    }
}

/// This thread and the processes that it starts run on one core: then the program has one thread for
/// its work, and the order of its operations is the same in every run.
fn stay_on_one_core(number: u64) {
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    if all.count() == 1 {
        return;
    }
    let own: Vec<usize> = (0..1024).filter(|core| all.is_set(*core)).collect();
    let mut one = rustix::thread::CpuSet::new();
    one.set(own[usize::try_from(number).unwrap() % own.len()]);
    rustix::thread::sched_setaffinity(None, &one).unwrap();
}

/// Unfinished files that nobody will ever go on with.
fn leftovers(folder: &Path) -> u64 {
    let found = tree(folder);
    let left = found.keys().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ends = [".staging", ".part", ".new"]
            .iter()
            .any(|end| name.ends_with(end));
        let parts = path
            .parent()
            .is_some_and(|folder| folder.ends_with("store/parts"));
        let lock = name.len() > 5 && name.starts_with('.') && name.ends_with(".lock");
        name.starts_with(".haversack-") || lock || ends && !parts
    });
    u64::try_from(left.count()).unwrap()
}

fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{}: {}", output.status, stderr.replace('\n', " | "))
}

/// Copies a file, a link, or a folder with all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from).unwrap(), to).unwrap();
        return;
    }
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
}

/// A folder in memory, where syncing costs nothing.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}
