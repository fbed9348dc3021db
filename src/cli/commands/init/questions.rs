//! The questions of `init`, asked on a terminal.

use std::fmt::Display;
use std::io::{BufRead, Read as _, Write};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use haversack::event::{Cancel, Cancelled};
use haversack::init;
use haversack::plan::deployment::{Edition, Purpose, Role};
use haversack::types::target::Distribution;

use crate::cli::args::{InitArgs, StorageKind, arch, edition};
use crate::cli::failure::Failure;

/// Longest answer, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Between two looks at whether the user asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Asks, and asks again until an answer is good.
pub(super) struct Asker<'a> {
    lines: Receiver<String>,
    output: &'a mut dyn Write,
    cancel: &'a Cancel,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        lines: Receiver<String>,
        output: &'a mut dyn Write,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            lines,
            output,
            cancel,
        }
    }

    /// The answer to one question; an empty line gives the default.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            // A terminal that cannot be written to cannot be read from either.
            let _ = match default {
                Some(default) => write!(self.output, "{question} [{default}]: "),
                None => write!(self.output, "{question}: "),
            };
            let _ = self.output.flush();
            let line = self.line()?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => continue,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(why) => {
                    let _ = writeln!(self.output, "  {why}");
                }
            }
        }
    }

    fn line(&mut self) -> Result<String, Failure> {
        loop {
            if self.cancel.is_requested() {
                return Err(Cancelled.into());
            }
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::usage(
                        "the answers ended before the questions; nothing was written",
                        "answer all of them, or give them as options",
                    ));
                }
            }
        }
    }
}

/// The lines of a terminal, read by a thread: who waits for an answer can be interrupted.
pub(super) fn lines(mut input: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(0);
    std::thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut input).take(MAX_ANSWER);
            let more = matches!(limited.read_until(b'\n', &mut line), Ok(1..));
            let text = String::from_utf8_lossy(&line).into_owned();
            if !more || sender.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

/// Fills in what the options leave open.
pub(super) fn ask(args: &mut InitArgs, asker: &mut Asker<'_>) -> Result<(), Failure> {
    if args.distribution.is_none() {
        let names: Vec<&str> = Distribution::ALL.iter().map(|one| one.as_str()).collect();
        let question = format!("Distribution of the hosts ({})", names.join(", "));
        args.distribution = Some(asker.ask(&question, Some("debian-12"), parsed)?);
    }
    if args.arch.is_none() {
        args.arch = Some(asker.ask("Architecture (amd64, arm64)", Some("amd64"), arch)?);
    }
    if args.edition.is_none() {
        let names: Vec<&str> = Edition::ALL.iter().map(|one| one.as_str()).collect();
        let question = format!("Edition ({})", names.join(", "));
        args.edition = Some(asker.ask(&question, Some("entry"), edition)?);
    }
    if args.site.is_none() {
        let question = "Address of the site, such as https://chat.example.internal";
        args.site = Some(asker.ask(question, None, parsed)?);
    }
    if args.hosts.is_empty() {
        if !args.ha && args.edition.is_some_and(Edition::is_enterprise) {
            args.ha = asker.ask("Several application servers (yes, no)", Some("no"), yes)?;
        }
        let question =
            "Hosts, as NAME=ADDRESS for one, else NAME=ADDRESS,ROLE,NAME=ADDRESS,ROLE,...";
        let list = asker.ask(question, None, |text| match init::hosts([text]) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        })?;
        args.hosts.push(list);
    }
    if args.storage.is_none() {
        let default = if args.ha { "minio" } else { "local" };
        let question = "Files (local folder, minio on a host, s3 service that exists, nfs)";
        args.storage = Some(asker.ask(question, Some(default), storage)?);
    }
    if args.storage == Some(StorageKind::S3) && args.s3_endpoint.is_none() {
        let question = "Address of the S3 service, such as https://s3.example.internal:9000";
        args.s3_endpoint = Some(asker.ask(question, None, parsed)?);
    }
    let hosts = init::hosts(args.hosts.iter().map(String::as_str)).unwrap_or_default();
    let has = |role| hosts.iter().any(|host| host.roles.contains(&role));
    // An only host without roles gets the database too.
    let alone = hosts.len() == 1 && hosts.iter().all(|host| host.roles.is_empty());
    let (nfs_here, database_here) = (has(Role::Nfs), alone || has(Role::Db));
    let nfs = args.storage == Some(StorageKind::Nfs);
    if nfs && args.nfs_server.is_none() && !nfs_here {
        let question = "Name or address of the NFS server";
        args.nfs_server = Some(asker.ask(question, None, parsed)?);
    }
    if args.database.is_none() && !database_here {
        let question = "Name or address of the database server, for no host has the role db";
        args.database = Some(asker.ask(question, None, parsed)?);
    }
    if args.user_network.is_empty() {
        let question = "Networks of the users, such as 10.30.0.0/16";
        args.user_network = asker.ask(question, None, list)?;
    }
    if args.admin_network.is_empty() {
        let question = "Networks of the administrators";
        args.admin_network = asker.ask(question, None, list)?;
    }
    Ok(())
}

/// The command that gives the same answers without questions.
pub(super) fn as_command(args: &InitArgs) -> String {
    let mut words = vec![
        "haversack init".to_owned(),
        quoted(&args.folder.display().to_string()),
    ];
    let mut add = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name} {value}")));
    };
    add("distribution", args.distribution.map(|one| one.to_string()));
    add("arch", args.arch.map(|one| one.to_string()));
    add("edition", args.edition.map(|one| one.to_string()));
    add("site", args.site.as_ref().map(ToString::to_string));
    add(
        "hosts",
        joined(&args.hosts).map(|list| list.replace(' ', ",")),
    );
    add("storage", args.storage.map(|one| word(one).to_owned()));
    add(
        "s3-endpoint",
        args.s3_endpoint.as_ref().map(ToString::to_string),
    );
    add(
        "nfs-server",
        args.nfs_server.as_ref().map(ToString::to_string),
    );
    add("database", args.database.as_ref().map(ToString::to_string));
    add("user-network", joined(&args.user_network));
    add("admin-network", joined(&args.admin_network));
    add("people", args.people.map(|count| count.to_string()));
    add("dns", joined(&args.dns));
    add("ntp", joined(&args.ntp));
    add("with", joined(&args.with));
    for (on, flag) in [(args.ha, "--ha"), (args.push, "--push")] {
        if on {
            words.push(flag.to_owned());
        }
    }
    if args
        .purpose
        .is_some_and(|purpose| purpose != Purpose::Production)
    {
        words.extend(args.purpose.map(|purpose| format!("--purpose {purpose}")));
    }
    words.join(" ")
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn joined<T: Display>(list: &[T]) -> Option<String> {
    let words: Vec<String> = list.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}

const fn word(kind: StorageKind) -> &'static str {
    match kind {
        StorageKind::Local => "local",
        StorageKind::Minio => "minio",
        StorageKind::S3 => "s3",
        StorageKind::Nfs => "nfs",
    }
}

fn parsed<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>, String>
where
    T::Err: Display,
{
    text.split([',', ' '])
        .filter(|word| !word.is_empty())
        .map(parsed)
        .collect()
}

fn yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("answer yes or no".to_owned()),
    }
}

fn storage(text: &str) -> Result<StorageKind, String> {
    clap::ValueEnum::from_str(text, true)
        .map_err(|_| "there are local, minio, s3 and nfs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(given: InitArgs, lines: &str) -> (Result<(), String>, InitArgs, String) {
        let (mut args, mut shown) = (given, Vec::new());
        let cancel = Cancel::new();
        let input = super::lines(std::io::Cursor::new(lines.to_owned()));
        let result = ask(&mut args, &mut Asker::new(input, &mut shown, &cancel));
        let result = result.map_err(|failure| failure.messages.join("; "));
        (result, args, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn empty_lines_give_defaults_and_wrong_answers_are_asked_again() {
        let lines = "\n\n\nhttp://chat\n\nhttps://chat.mm.internal\nmm1\nmm1=10.20.0.10\n\n10.30.0.0/16\n10.20.9.0/28, 10.20.8.0/28\n";
        let (result, args, shown) = asked(InitArgs::default(), lines);
        assert_eq!(result, Ok(()), "{shown}");
        assert_eq!(args.distribution, Some(Distribution::Debian12));
        assert_eq!(args.edition, Some(Edition::Entry));
        assert_eq!(args.site.unwrap().to_string(), "https://chat.mm.internal");
        assert_eq!(args.hosts, ["mm1=10.20.0.10"]);
        assert_eq!(args.storage, Some(StorageKind::Local));
        assert_eq!((args.user_network.len(), args.admin_network.len()), (1, 2));
        assert!(!args.ha && args.database.is_none());
        assert!(
            shown.contains("  `http://chat` does not begin with https://\n"),
            "{shown}"
        );
        assert!(shown.contains("  `mm1` is neither NAME=ADDRESS"), "{shown}");
        assert_eq!(shown.matches("Address of the site").count(), 3, "{shown}");
    }

    #[test]
    fn asks_only_what_the_options_leave_open() {
        let given = InitArgs {
            distribution: Some(Distribution::Rocky9),
            arch: arch("arm64").ok(),
            edition: Some(Edition::Enterprise),
            site: "https://chat.mm.internal".parse().ok(),
            storage: Some(StorageKind::S3),
            user_network: vec!["10.30.0.0/16".parse().unwrap()],
            ..InitArgs::default()
        };
        let lines = "perhaps\nyes\nweb1=10.20.0.5,proxy,app1=10.20.0.11,app\nhttps://s3.mm.internal:9000\ndb.mm.internal\n10.20.9.0/28\n";
        let (result, args, shown) = asked(given, lines);
        assert_eq!(result, Ok(()), "{shown}");
        assert!(args.ha);
        assert_eq!(
            args.s3_endpoint.unwrap().to_string(),
            "https://s3.mm.internal:9000"
        );
        assert_eq!(args.database.unwrap().to_string(), "db.mm.internal");
        assert_eq!(shown.matches(": ").count(), 6, "{shown}");
    }

    #[test]
    fn the_answers_make_a_command_that_gives_the_same_answers() {
        use clap::Parser as _;

        let lines = "debian-13\n\nteam\nhttps://chat.mm.internal\nmm1=10.20.0.10 proxy app\nnfs\nnfs.mm.internal\ndb.mm.internal\n10.30.0.0/16 10.31.0.0/16\n10.20.9.0/28\n";
        let given = InitArgs {
            folder: "site".into(),
            push: true,
            with: vec![init::Rows::Sbom],
            purpose: Some(Purpose::Evaluation),
            ..InitArgs::default()
        };
        let (result, args, shown) = asked(given, lines);
        assert_eq!(result, Ok(()), "{shown}");
        let command = as_command(&args);
        assert_eq!(
            command,
            "haversack init site --distribution debian-13 --arch amd64 --edition team --site https://chat.mm.internal \
             --hosts mm1=10.20.0.10,proxy,app --storage nfs --nfs-server nfs.mm.internal --database db.mm.internal \
             --user-network 10.30.0.0/16,10.31.0.0/16 --admin-network 10.20.9.0/28 --with sbom --push --purpose evaluation"
        );
        let parsed = crate::cli::args::Cli::try_parse_from(command.split(' ')).unwrap();
        let crate::cli::args::Command::Init(again) = parsed.command else {
            panic!("another command");
        };
        assert_eq!(as_command(&again), command);
    }

    #[test]
    fn a_folder_with_a_space_stays_one_word() {
        for (word, shown) in [
            ("site", "site"),
            ("my site", "'my site'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn the_end_of_the_answers_is_a_refusal() {
        let (result, _, _) = asked(InitArgs::default(), "debian-13\n");
        assert_eq!(
            result,
            Err("the answers ended before the questions; nothing was written".to_owned())
        );
    }

    #[test]
    fn an_interrupt_ends_the_questions() {
        let cancel = Cancel::new();
        cancel.request();
        let (input, mut shown) = (lines("debian-12\n".as_bytes()), Vec::new());
        let mut asker = Asker::new(input, &mut shown, &cancel);
        let failure = ask(&mut InitArgs::default(), &mut asker).unwrap_err();
        assert_eq!(failure.id, "E130");
    }
}
