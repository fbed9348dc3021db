//! Enforces the layer table of `src/lib.rs`, the size of files, and that only `cli` prints.
//!
//! A text scan, not a compiler: it cuts each file at its `#[cfg(test)]` module and drops comments.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the source tree by hand, and may fail"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each row may import only rows above it; modules of one row never import each other.
const LAYERS: &[&[&str]] = &[
    &["types"],
    &["event"],
    &["fs", "pool"],
    &["archive", "delta", "manifest", "trust", "net", "parity"],
    &["lock", "store", "nginx"],
    &["sources", "bundle", "plan"],
    &["resolve", "fetch", "verify", "checks", "custody"],
    &[
        "stage",
        "preflight",
        "repair",
        "carry",
        "media",
        "gather",
        "report",
    ],
    &["init"],
    &["cli"],
];

/// No source file may be longer: one idea a file.
const MAX_LINES: usize = 600;

/// What stands at the top of the repository; hidden files are tool settings.
const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "manifests",
    "scripts",
    "src",
    "tests",
];

struct Source {
    /// Path below `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    fn module(&self) -> String {
        let first = self.path.iter().next().unwrap().to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// How many modules deep the file lies: `x/mod.rs` is 1, `x/y.rs` is 2.
    fn depth(&self) -> usize {
        let parts = self.path.iter().count();
        if self.path.ends_with("mod.rs") {
            parts - 1
        } else {
            parts
        }
    }

    /// The text without unit tests and comments; nothing of a file that holds only unit tests.
    fn code(&self) -> String {
        let mut folders = self.path.iter();
        if self.path.ends_with("tests.rs") || folders.any(|folder| folder == "tests") {
            return String::new();
        }
        let text = self.text.split("#[cfg(test)]").next().unwrap();
        text.lines()
            .map(|line| line.split("//").next().unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn sources(root: &Path) -> Vec<Source> {
    fn descend(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                descend(&path, root, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(Source {
                    path: path.strip_prefix(root).unwrap().to_owned(),
                    text,
                });
            }
        }
    }
    let mut found = Vec::new();
    descend(root, root, &mut found);
    found
}

/// The modules named after `crate::` (or `haversack::`), one level into a brace group too.
fn imported(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut names = Vec::new();
    for part in code
        .replace("haversack::", "crate::")
        .split("crate::")
        .skip(1)
    {
        let Some(group) = part.strip_prefix('{') else {
            names.push(word(part));
            continue;
        };
        let (mut depth, mut item) = (0_usize, String::new());
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => names.push(word(&std::mem::take(&mut item))),
                _ => {}
            }
            if depth == 0 && c != ',' {
                item.push(c);
            }
        }
        names.push(word(&item));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The longest run of `super::super::…` in the code.
fn longest_super(code: &str) -> usize {
    code.match_indices("super::")
        .map(|(at, _)| {
            code.get(at..)
                .unwrap()
                .split("super::")
                .take_while(|between| between.is_empty())
                .count()
        })
        .max()
        .unwrap_or(0)
}

fn violations(sources: &[Source]) -> Vec<String> {
    let level: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(row, names)| names.iter().map(move |name| (*name, row)))
        .collect();
    let mut found = Vec::new();
    for source in sources {
        let (module, path, code) = (source.module(), source.path.display(), source.code());
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = level.get(module.as_str()) else {
            found.push(format!("{path}: module `{module}` has no layer"));
            continue;
        };
        for name in imported(&code) {
            match level.get(name.as_str()) {
                _ if name == module => {}
                Some(other) if other < own => {}
                Some(_) => found.push(format!("{path}: `{module}` must not import `{name}`")),
                None => found.push(format!("{path}: `crate::{name}` is no known module")),
            }
        }
        if longest_super(&code) >= source.depth() {
            found.push(format!(
                "{path}: `super::` reaches the crate root; write `crate::`"
            ));
        }
        if module != "cli" {
            if code.contains("haversack::") {
                found.push(format!("{path}: the library names itself"));
            }
            for print in [
                "println!",
                "print!(",
                "io::stdout",
                "io::stderr",
                "env::args",
                "env::var",
                "process::exit",
            ] {
                if code.contains(print) {
                    found.push(format!("{path}: `{print}` outside `cli`"));
                }
            }
        }
        if code.contains("::*;") {
            found.push(format!("{path}: glob import"));
        }
        if code.contains("#[allow(") || code.contains("#![allow(") {
            found.push(format!(
                "{path}: use #[expect(…, reason)] instead of #[allow]"
            ));
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            found.push(format!(
                "{path}: {lines} lines; more than {MAX_LINES} hold more than one idea"
            ));
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn imports_go_down_the_layer_table() {
    let found = violations(&sources(&root().join("src")));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_layer_module_exists_and_is_in_the_docs_table() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for name in LAYERS.iter().copied().flatten() {
        assert!(
            root().join("src").join(name).join("mod.rs").exists(),
            "{name}"
        );
        assert!(
            lib.contains(&format!("`{name}`")),
            "{name} is not in the table of src/lib.rs"
        );
    }
}

#[test]
fn test_files_are_short_too() {
    for source in sources(&root().join("tests")) {
        let lines = source.text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "tests/{}: {lines} lines",
            source.path.display()
        );
    }
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let listed = std::process::Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in listed.lines().filter_map(|path| path.split('/').next()) {
        assert!(
            name.starts_with('.') || TOP_LEVEL.contains(&name),
            "{name} does not belong at the top level"
        );
    }
}

#[test]
fn the_scan_sees_what_it_must() {
    let check = |path: &str, text: &str| {
        violations(&[Source {
            path: path.into(),
            text: text.to_owned(),
        }])
    };
    assert!(check("stage/mod.rs", "use crate::{types::name::{Name}, verify};").is_empty());
    for (path, text) in [
        ("types/mod.rs", "use crate::fs;"),
        ("bundle/mod.rs", "use crate::{types::{a, b}, plan::Plan};"),
        ("event/mod.rs", "use super::fs;"),
        ("plan/rules/db.rs", "use super::super::super::fs;"),
        ("verify/mod.rs", "fn f() { println!(\"x\") }"),
        ("other/mod.rs", ""),
        ("stage/mod.rs", "use crate::cli::x;"),
        ("stage/mod.rs", "use crate::types::*;"),
    ] {
        assert_eq!(check(path, text).len(), 1, "{path}: {text}");
    }
    assert_eq!(check("stage/mod.rs", &"\n".repeat(601)).len(), 1);
}
