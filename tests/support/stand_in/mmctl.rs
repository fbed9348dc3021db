//! `mmctl --local system status`: asks the server over its local socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::{Failure, log};

/// Where the real `mmctl` looks unless told otherwise.
const DEFAULT_SOCKET: &str = "/var/tmp/mattermost_local.socket";

/// Asks the server for its state and prints the answer.
///
/// # Errors
/// When no server listens there, or it does not say that it is well.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if !args.iter().any(|arg| arg == "--local") {
        return Err("the stand-in for mmctl only knows: mmctl --local system status".into());
    }
    let path =
        std::env::var("MMCTL_LOCAL_SOCKET_PATH").unwrap_or_else(|_| DEFAULT_SOCKET.to_owned());
    let mut stream = UnixStream::connect(&path).map_err(|error| format!("{path}: {error}"))?;
    stream.write_all(
        b"GET /api/v4/system/ping HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    log::plain(answer.rsplit("\r\n\r\n").next().unwrap_or_default().trim());
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err("the server is not well".into())
    }
}
