//! The sample upstream: a small web server on the loopback interface that publishes stand-in
//! archives of the layout of the real ones, with checksum files and `OpenPGP` signatures.
//!
//! The quickstart and the tests lock and build from it where the real upstreams cannot be reached.
//! Every archive has `stand-in` in its name, and every program in it says that it is one.
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own, not part of the library"
)]

mod archives;
mod evidence;
#[path = "../stand_in/http.rs"]
#[expect(dead_code, reason = "the stand-ins use more of it")]
mod http;
mod serve;

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

/// Whatever ends the program, as one line.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The port that `manifests/quickstart.toml` names.
const DEFAULT_PORT: u16 = 18_765;

const USAGE: &str = "usage: sample-upstream [--port PORT] [--dir DIR] [--until-stdin-closes]

Publishes stand-in archives on http://127.0.0.1:PORT (default 18765; 0 chooses a free one), written
to DIR (default: sample-upstream-files beside this program). Ends on SIGTERM, or with
--until-stdin-closes when its standard input ends.";

/// What the command line says.
#[derive(Debug)]
struct Options {
    port: u16,
    dir: PathBuf,
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("sample-upstream: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Failure> {
    let own = std::env::current_exe()?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let mut options = Options {
        port: DEFAULT_PORT,
        dir: folder.join("sample-upstream-files"),
        until_stdin_closes: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => options.port = args.next().ok_or(USAGE)?.parse()?,
            "--dir" => options.dir = PathBuf::from(args.next().ok_or(USAGE)?),
            "--until-stdin-closes" => options.until_stdin_closes = true,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Failure> {
    // The port first: a second server on it must not touch the files of the first.
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .map_err(|error| format!("cannot listen on 127.0.0.1:{}: {error}", options.port))?;
    let port = listener.local_addr()?.port();
    let program = std::env::current_exe()?.with_file_name("stand-in");
    let program = std::fs::read(&program).map_err(|error| {
        format!(
            "{}: {error}; build it with: cargo build --examples",
            program.display()
        )
    })?;
    archives::write(&options.dir, &program)?;
    evidence::write(&options.dir)?;
    let site = serve::Site::of(&options.dir)?;
    say(
        &mut std::io::stdout(),
        &format!("sample upstream (stand-ins) ready on http://127.0.0.1:{port}"),
    );
    let server = thread::spawn(move || site.serve(&listener));
    if options.until_stdin_closes {
        std::io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    server.join().map_err(|_| "the server thread ended")?;
    Ok(())
}

/// Writes a line; whether somebody still reads it does not matter.
fn say(out: &mut dyn std::io::Write, line: &str) {
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    drop(written);
}
