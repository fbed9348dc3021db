//! The websocket handshake (RFC 6455, section 4.2.2) and the echo of one short text frame.

use std::io::{self, Read};

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use crate::http::{After, Connection, Head};

/// The value that RFC 6455 joins to every key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Upgrades the connection and echoes one text frame of at most 125 bytes; with `?keep` in the path
/// every one, until the other side ends.
///
/// Like the real server it refuses an `Origin` that is not the `Host` of the request.
///
/// # Errors
/// When the connection breaks.
pub(crate) fn upgrade(head: &Head, connection: &mut Connection) -> io::Result<After> {
    let asked = head
        .header("upgrade")
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let joined = head
        .header("connection")
        .is_some_and(|value| value.to_ascii_lowercase().contains("upgrade"));
    let Some(key) = head.header("sec-websocket-key").filter(|_| asked && joined) else {
        connection.answer(
            "400 Bad Request",
            &[],
            b"stand-in: not a websocket handshake\n",
        )?;
        return Ok(After::KeepOpen);
    };
    if let Some(origin) = head.header("origin") {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        if head.header("host") != Some(host) {
            connection.answer("403 Forbidden", &[], b"stand-in: Origin is not Host\n")?;
            return Ok(After::KeepOpen);
        }
    }
    connection.head(
        "101 Switching Protocols",
        &[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", &accept(key)),
            ("X-Stand-In", "mattermost"),
            ("X-Stand-In-Node", &crate::nodes::host_name()),
        ],
    )?;
    while let Some(text) = read_frame(connection)? {
        let length = u8::try_from(text.len()).unwrap_or_default();
        let mut frame = vec![0x81, length];
        frame.extend_from_slice(&text);
        connection.send(&frame)?;
        if head.query != "keep" {
            break;
        }
    }
    Ok(After::Close)
}

/// What the server answers to a client's key.
fn accept(key: &str) -> String {
    let digest = Sha1::digest(format!("{key}{MAGIC}"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// One unmasked short text frame; none for any other frame.
fn read_frame(connection: &mut Connection) -> io::Result<Option<Vec<u8>>> {
    let stream = connection.stream();
    let mut head = [0_u8; 6];
    stream.read_exact(&mut head)?;
    let [kind, length, mask @ ..] = head;
    if kind != 0x81 || !(0x80..=0x80 + 125).contains(&length) {
        return Ok(None);
    }
    let mut text = vec![0_u8; usize::from(length - 0x80)];
    stream.read_exact(&mut text)?;
    for (byte, key) in text.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_the_key_of_the_rfc() {
        assert_eq!(
            super::accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
