//! What the commands about custody are told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use haversack::custody::{self, Head};
use haversack::types::name::{Name, ParseNameError};
use haversack::types::phrase::Phrase;

/// A chain of custody: who held a bundle, when, and what they did with it.
#[derive(Debug, Subcommand)]
pub(crate) enum CustodyCommand {
    /// Add an event to a log; begins one about --of when there is none.
    #[command(
        after_help = "Examples:\n  haversack custody add custody.jsonl --of out/mattermost-42 --actor \"Ann Example\" --role courier \\\n    \
                            --action carried --from \"low side\" --to \"high side\" --second \"Bob Example\" --note \"seal 4711\"\n  \
                            haversack custody add before.jsonl --of mattermost.lock --actor \"Cleo Example\" --role reviewer \\\n    \
                            --action reviewed --key cleo.key"
    )]
    Add(Box<CustodyAddArgs>),
    /// Prove that a log is whole; finds what was edited, removed, moved or cut off, the last event only by --head or on the host that wrote it.
    #[command(
        after_help = "Examples:\n  haversack custody verify custody.jsonl --of /media/disc/mattermost-42 --head \"0a1b 2c3d 4e5f 6071\"\n  \
                            haversack custody verify ours.jsonl theirs.jsonl    (is one the continuation of the other?)\n\n\
                      A chain cannot show by itself that its last event was changed, or that the last events were taken off: compare \
                      the head with the one on the sign-off sheet, or give that one as --head. The host that wrote the last event \
                      remembers it in its state folder, and refuses a log at the same path that lacks it (E364)."
    )]
    Verify(CustodyVerifyArgs),
    /// Print sign-off sheet and labels of a bundle, as text or as a page to print.
    #[command(
        after_help = "Examples:\n  haversack custody export out/mattermost-42 --log custody.jsonl\n  haversack custody export \
                            out/mattermost-42 --format html --output sheet.html   (print it from a browser; needs no network)"
    )]
    Export(CustodyExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CustodyAddArgs {
    /// The log.
    pub(crate) log: PathBuf,
    /// The bundle, or the file, that the log is about.
    #[arg(long, value_name = "PATH")]
    pub(crate) of: Option<PathBuf>,
    /// Who.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Phrase,
    /// As what: builder, reviewer, transfer-officer, witness, courier, receiver, installer; or other:WORD.
    #[arg(long, value_name = "WORD", value_parser = role)]
    pub(crate) role: Name,
    /// What was done: built, signed, reviewed, scanned, written, carried, received, verified, staged,
    /// repaired, destroyed; or other:WORD.
    #[arg(long, value_name = "WORD", value_parser = action)]
    pub(crate) action: Name,
    /// The file that it was done with, such as a scan report; what the log is about, when not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Option<PathBuf>,
    /// A volume or medium that it was done with; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) volume: Vec<Phrase>,
    /// Where it came from.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Option<Phrase>,
    /// Where it went.
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Option<Phrase>,
    /// The second person, where two are needed.
    #[arg(long, value_name = "NAME")]
    pub(crate) second: Option<Phrase>,
    /// What came out.
    #[arg(long, value_name = "TEXT", default_value = "ok")]
    pub(crate) result: Phrase,
    /// Anything else.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<Phrase>,
    /// Sign the event with this private key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Digest of an event that must be in the log, as it stands on the sheet.
    #[arg(long, value_name = "HEX")]
    pub(crate) head: Option<Head>,
    /// Folder that remembers the last event that this host wrote into each log.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_STATE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CustodyVerifyArgs {
    /// The log; with a second one, also whether one continues the other.
    #[arg(required = true, num_args = 1..=2, value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// The bundle, or the file, that it must be about. The log that travels in a bundle is proved too.
    #[arg(long, value_name = "PATH")]
    pub(crate) of: Option<PathBuf>,
    /// Digest of an event that must be in it, as it stands on the sheet.
    #[arg(long, value_name = "HEX")]
    pub(crate) head: Option<Head>,
    /// Folder that remembers the last event that this host wrote into each log.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Trust directory: say who holds the keys that signed events.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_TRUST")]
    pub(crate) trust: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CustodyExportArgs {
    /// The bundle, in every place where some of it lies.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The log; its events and its head are printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// What is printed.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) what: Paper,
    /// How.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: PaperFormat,
    /// Write it into this file instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What is printed for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Paper {
    /// The sign-off sheet and the labels.
    All,
    /// The sign-off sheet alone.
    Sheet,
    /// The labels alone, one for each volume.
    Labels,
}

/// How paper is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PaperFormat {
    /// Plain text.
    Text,
    /// A page to print, complete in itself.
    Html,
}

/// The log that a command writes itself into.
#[derive(Debug, Args)]
pub(crate) struct CustodianArgs {
    /// Write this run into a custody log; it begins with it when there is none.
    #[arg(long, value_name = "LOG", requires = "actor")]
    pub(crate) custody: Option<PathBuf>,
    /// Who runs this, for the custody log and the report.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<Phrase>,
    /// Sign the event in the custody log with this private key.
    #[arg(long, value_name = "FILE", requires = "custody")]
    pub(crate) custody_key: Option<PathBuf>,
}

fn role(text: &str) -> Result<Name, String> {
    word(text, &custody::ROLES)
}

fn action(text: &str) -> Result<Name, String> {
    word(text, &custody::ACTIONS)
}

/// One of the words that are known, or another one when it is said to be one: slips are not written down.
fn word(text: &str, known: &[&str]) -> Result<Name, String> {
    let other = text.strip_prefix("other:");
    if other.is_none() && !known.contains(&text) {
        return Err(format!(
            "use one of {}; or other:WORD for a word of your own",
            known.join(", ")
        ));
    }
    other
        .unwrap_or(text)
        .parse()
        .map_err(|error: ParseNameError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_not_listed_are_only_taken_when_they_are_said_to_be_others() {
        assert_eq!(role("courier").unwrap().as_str(), "courier");
        assert!(role("king").unwrap_err().contains("transfer-officer"));
        assert_eq!(role("other:king").unwrap().as_str(), "king");
        assert!(action("stolen").unwrap_err().contains("destroyed"));
        assert_eq!(action("repaired").unwrap().as_str(), "repaired");
        assert!(action("other:No Word").is_err());
    }
}
