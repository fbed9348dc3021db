//! The push proxy: reads its JSON, answers `/version` and `/api/v1/send_push`, forwards nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::http::{self, After, Body, Handler};
use crate::{Failure, PUSH_VERSION, log, notify};

/// The longest notification that is read.
const MAX_MESSAGE: u64 = 64 * 1024;

/// Serves until the process ends.
///
/// # Errors
/// When the configuration cannot be read or the address not be bound.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let at = args
        .iter()
        .position(|arg| matches!(arg.as_str(), "-config" | "--config"));
    let path = at
        .and_then(|at| args.get(at + 1))
        .ok_or("-config FILE is missing")?;
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let address = config
        .get("ListenAddress")
        .and_then(Value::as_str)
        .ok_or("ListenAddress is missing")?;
    let listener = http::listen(address)?;
    log::info(&format!(
        "stand-in push proxy listens on {address}; it forwards nothing"
    ));
    notify::ready()?;
    let handler: Arc<Handler> = Arc::new(|head, connection| {
        match (head.method.as_str(), head.path.as_str()) {
            ("GET", "/version") => connection.json(
                "200 OK",
                &json!({ "stand_in": true, "version": PUSH_VERSION }),
            )?,
            ("GET", "/") => {
                connection.answer("200 OK", &[], b"stand-in for mattermost-push-proxy\n")?;
            }
            ("POST", "/api/v1/send_push" | "/api/v1/ack") => {
                let mut message = Vec::new();
                if connection.body(head, MAX_MESSAGE, &mut message)? == Body::TooLong {
                    connection.json("413 Payload Too Large", &json!({ "stand_in": true }))?;
                    return Ok(After::Close);
                }
                let known = serde_json::from_slice::<Value>(&message).is_ok();
                let (status, word) = if known {
                    ("200 OK", "OK")
                } else {
                    ("400 Bad Request", "FAIL")
                };
                connection.json(
                    status,
                    &json!({ "status": word, "stand_in": true, "delivered": false }),
                )?;
            }
            _ => connection.json("404 Not Found", &json!({ "stand_in": true }))?,
        }
        Ok(After::KeepOpen)
    });
    http::serve(&listener, &handler);
    Ok(())
}
