//! The table of faults: each is produced for real, and the program must end with the exit code and
//! the message that its users rely on, and lose nothing.

mod connected;
mod content;
mod isolated;
mod trusting;
mod volumes;
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

/// How many faults users are promised an answer to.
const FAULTS: u8 = 52;

#[test]
fn each_fault_ends_with_its_exit_code_and_message_and_nothing_is_lost() {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(content::rows());
    rows.extend(isolated::rows());
    rows.extend(connected::rows());
    rows.extend(trusting::rows());
    rows.extend(volumes::rows());
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
    let missing: Vec<u8> = (1..=FAULTS)
        .filter(|number| !rows.iter().any(|row| row.number == *number))
        .collect();
    let met = usize::from(FAULTS) - missing.len();
    let _ = writeln!(text, "{met} of {FAULTS} faults, in {} cases", rows.len());
    println!("{text}");
    assert!(missing.is_empty(), "no case of the faults {missing:?}");
    assert_eq!(wrong, 0, "{wrong} rows are wrong:\n{text}");
}
