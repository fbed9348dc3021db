//! The table of faults: each is produced for real, and the program must end with the exit code and
//! the message that its users rely on, and lose nothing.

mod connected;
mod content;
mod isolated;
mod yard;

use std::fmt::Write as _;

use haversack::pool;

use yard::{Ran, Yard};

/// A fault.
struct Row {
    /// Its number in the table that users are shown.
    number: u8,
    fault: &'static str,
    /// The exit code.
    exit: i32,
    /// The message; empty when nothing is refused.
    id: &'static str,
    /// Produces the fault and runs the command that must meet it.
    run: fn(&mut Yard) -> Ran,
}

const fn row(
    number: u8,
    fault: &'static str,
    exit: i32,
    id: &'static str,
    run: fn(&mut Yard) -> Ran,
) -> Row {
    Row {
        number,
        fault,
        exit,
        id,
        run,
    }
}

/// Faults that nothing here can produce yet, and why.
const MISSING: &[(u8, &str)] = &[
    (23, "no CMS signatures yet"),
    (32, "no second copy of a volume is quarantined yet"),
    (
        36,
        "needs a file system that folds case, which kernels of containers lack",
    ),
    (52, "installed hosts are not audited yet"),
];

#[test]
fn each_fault_ends_with_its_exit_code_and_message_and_nothing_is_lost() {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(content::rows());
    rows.extend(isolated::rows());
    rows.extend(connected::rows());
    rows.sort_by_key(|row| row.number);
    let results = pool::try_map(&rows, pool::cores(), |row| {
        let work = std::panic::AssertUnwindSafe(|| (row.run)(&mut Yard::new()));
        Ok::<_, ()>(std::panic::catch_unwind(work).unwrap_or_else(|_| Ran {
            exit: None,
            output: "the fault could not be produced".to_owned(),
            lost: Vec::new(),
        }))
    });
    let mut text = format!(
        "{:>2} {:<58} {:>4} {:<5} {:<8} {}\n",
        "#", "fault", "exit", "id", "kept", ""
    );
    let mut wrong = 0;
    for (row, ran) in rows.iter().zip(results.unwrap()) {
        let right =
            ran.exit == Some(row.exit) && ran.output.contains(row.id) && ran.lost.is_empty();
        let kept = if ran.lost.is_empty() { "all" } else { "LOST" };
        let exit = ran.exit.map_or("-".to_owned(), |code| code.to_string());
        let verdict = if right { "" } else { "WRONG" };
        let _ = writeln!(
            text,
            "{:>2} {:<58} {exit:>4} {:<5} {kept:<8} {verdict}",
            row.number, row.fault, row.id
        );
        if !right {
            wrong += 1;
            let _ = writeln!(
                text,
                "   expected {} {}, lost {:?}, it said:\n{}",
                row.exit, row.id, ran.lost, ran.output
            );
        }
    }
    for (number, why) in MISSING {
        let _ = writeln!(text, "{number:>2} missing: {why}");
    }
    let covered = (1..=52).filter(|number| {
        rows.iter().any(|row| row.number == *number) != MISSING.iter().any(|(one, _)| one == number)
    });
    println!("{text}");
    assert_eq!(
        covered.count(),
        52,
        "each fault is a row or said to be missing"
    );
    assert_eq!(wrong, 0, "{wrong} rows are wrong:\n{text}");
}
