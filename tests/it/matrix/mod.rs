//! A matrix of deployments, each staged, and every file of them given to the program that reads it.

mod bench;
mod deployments;
mod files;
mod samples;
mod together;
mod validators;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::{Bench, Verdict};
use deployments::{Case, Extent, Pair, all_pairs, matrix};
use files::{Files, READERS, Reader, Sample};
use samples::Samples;
use validators::{Asked, VALIDATORS, Validator};

/// Deployments that the matrix has at least.
const LEAST: usize = 60;

#[test]
fn every_file_of_every_deployment_passes_the_program_that_reads_it() {
    let samples = Samples::new();
    // `HAVERSACK_MATRIX=whole` takes three times as long, and finds what three values make together.
    let extent = match std::env::var("HAVERSACK_MATRIX").as_deref() {
        Ok("whole") => Extent::Whole,
        _ => Extent::Pairs,
    };
    let rows = matrix(LEAST, extent);
    let seen: BTreeSet<Pair> = rows
        .iter()
        .flat_map(|case| case.pairs().collect::<Vec<_>>())
        .collect();
    assert_eq!(seen, all_pairs(), "a pair of values is in no row");
    let distinct: BTreeSet<_> = rows.iter().collect();
    assert_eq!(distinct.len(), rows.len());
    assert!(rows.len() >= LEAST);

    let files = staged(&samples, &rows);
    let bench = Bench::new(&samples.path(""));
    let mut table = format!(
        "{} deployments, {} pairs of values\n{:34} {:>6} {:>6}\n",
        rows.len(),
        seen.len(),
        "program",
        "files",
        "texts"
    );
    let mut wrong = Vec::new();
    let mut asked = BTreeSet::from([Reader::Nobody]);
    for validator in VALIDATORS {
        let mut texts = files.of(validator.reads);
        assert!(!texts.is_empty(), "{} reads nothing", validator.name);
        asked.insert(validator.reads);
        if validator.extent == Asked::EveryLine {
            texts = covering(texts);
        }
        wrong.extend(each(&texts, |sample| {
            let verdict = (validator.ask)(&bench, sample);
            verdict.map_err(|why| told(validator.name, sample, &why))
        }));
        wrong.extend(refuses(validator, &bench, &texts));
        table.push_str(&line(
            validator.name,
            files.seen(validator.reads),
            texts.len(),
        ));
        println!("{}", table.lines().last().unwrap_or_default());
    }
    for validator in together::VALIDATORS {
        let texts = files.of(validator.reads);
        assert!(!texts.is_empty(), "{} reads nothing", validator.name);
        asked.insert(validator.reads);
        if let Err(why) = (validator.ask)(&samples, &bench, &texts) {
            wrong.push(format!("{}: {why}", validator.name));
        }
        table.push_str(&line(
            validator.name,
            files.seen(validator.reads),
            texts.len(),
        ));
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        asked,
        READERS.into_iter().collect(),
        "a reader is not asked"
    );
}

/// What is wrong: the program, the first of the deployments with this text, its host and path, what the program
/// said, and the text.
fn told(program: &str, sample: &Sample, why: &str) -> String {
    format!(
        "{program}: {}\n{}\n--- the text, seen {} times:\n{}",
        sample.at,
        why.trim_end(),
        sample.seen,
        sample.text
    )
}

fn line(name: &str, files: usize, texts: usize) -> String {
    format!("{name:34} {files:6} {texts:6}\n")
}

/// Of these texts as many as hold every line that any of them holds, but for numbers and addresses.
fn covering(mut texts: Vec<Sample>) -> Vec<Sample> {
    let mut seen = BTreeSet::new();
    texts.sort_by_key(|sample| std::cmp::Reverse(sample.text.len()));
    texts.retain(|sample| {
        let lines = sample.text.lines().map(files::without_numbers);
        let before = seen.len();
        seen.extend(lines);
        seen.len() > before
    });
    texts
}

/// Stages every row; the trees are gone when their files are taken.
fn staged(samples: &Samples, rows: &[Case]) -> Files {
    let files = Mutex::new(Files::default());
    let numbered: Vec<_> = rows.iter().enumerate().collect();
    let failed = each(&numbered, |(number, case)| {
        let out = samples
            .stage(case, *number)
            .map_err(|why| format!("{}\n{}\n{why}", case.name(), case.deployment()))?;
        files.lock().unwrap().take(&case.name(), &out);
        fs::remove_dir_all(out).map_err(|error| error.to_string())
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    files.into_inner().unwrap()
}

/// Asks about all of them, a few at once; what is wrong.
fn each<T: Sync>(all: &[T], ask: impl Fn(&T) -> Verdict + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(8) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = ask(one) {
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

/// The program can refuse: of the texts that hold what is spoiled, the first is no good then.
fn refuses(validator: &Validator, bench: &Bench, texts: &[Sample]) -> Option<String> {
    let (from, to) = validator.spoil;
    let Some(sample) = texts.iter().find(|sample| sample.text.contains(from)) else {
        return Some(format!("{}: no text holds {from:?}", validator.name));
    };
    let mut spoiled = sample.clone();
    spoiled.text = sample.text.replacen(from, to, 1);
    (validator.ask)(bench, &spoiled).is_ok().then(|| {
        format!(
            "{}: takes {to:?} for {from:?} in {}",
            validator.name, sample.path
        )
    })
}
