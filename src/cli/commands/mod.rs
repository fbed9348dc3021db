//! One file a command: arguments in, library calls, a result printed.

pub(crate) mod audit;
#[cfg(feature = "connected")]
pub(crate) mod build;
pub(crate) mod custody;
pub(crate) mod diff;
pub(crate) mod dossier;
pub(crate) mod explain;
pub(crate) mod gather;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod lint;
#[cfg(feature = "connected")]
pub(crate) mod lock;
pub(crate) mod media;
#[cfg(feature = "connected")]
pub(crate) mod outdated;
pub(crate) mod patch;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod receipt;
pub(crate) mod receive;
pub(crate) mod reference;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod sign;
pub(crate) mod stage;
pub(crate) mod stream;
pub(crate) mod trust;
pub(crate) mod verify;

use haversack::event::{Cancel, Observer};

use super::output::Output;

/// What every command is given.
pub(crate) struct Context<'a> {
    /// Where the result goes.
    pub(crate) output: Output,
    /// Who watches the progress.
    pub(crate) observer: &'a dyn Observer,
    /// Whether the user asked to stop.
    pub(crate) cancel: &'a Cancel,
}

/// The line that names programs which are not the real ones; nothing when all are.
fn stand_ins_line<Name: AsRef<str>>(names: &[Name]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!(
        "  STAND-INS  {} (not the real programs)\n",
        names.join(", ")
    )
}

/// A line for each file that nobody upstream vouches for.
fn first_lock_lines(files: &[String]) -> String {
    let line = |file: &String| format!("  FIRST LOCK {file}\n");
    files.iter().map(line).collect()
}

/// The line that says that a bundle was accepted by override; nothing when it was not.
fn override_line(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| {
        let safe: String = reason
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        format!("  OVERRIDE  against what was accepted before, by --allow-rollback: {safe}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_have_a_line_and_real_programs_have_none() {
        assert_eq!(
            stand_ins_line(&["mattermost", "minio"]),
            "  STAND-INS  mattermost, minio (not the real programs)\n"
        );
        assert_eq!(stand_ins_line::<&str>(&[]), "");
    }
}
