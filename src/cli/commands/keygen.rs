//! `haversack keygen`: a signing key pair.

use std::path::{Path, PathBuf};

use haversack::fs;
use haversack::trust::key::SigningKey;
use haversack::trust::sshsig;
use serde::Serialize;

use super::Context;
use crate::cli::args::KeygenArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    key_id: String,
    fingerprint: String,
    private: PathBuf,
    public: PathBuf,
    allowed_signers: PathBuf,
}

/// Makes the pair; never replaces one.
pub(crate) fn run(args: &KeygenArgs, context: &Context<'_>) -> Result<Class, Failure> {
    if !names_a_file(&args.prefix) {
        return Err(Failure::usage(
            format!(
                "{} is a folder, not the name of a key",
                args.prefix.display()
            ),
            "add a name: `keys/release` gives `keys/release.key` and `keys/release.pem`",
        ));
    }
    let beside = |ending: &str| {
        let mut path = args.prefix.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public, allowed) = (beside(".key"), beside(".pem"), beside(".allowed_signers"));
    for path in [&private, &public, &allowed] {
        if fs::examine(path)?.is_some() {
            let message = format!(
                "{} is there already; a key is never replaced",
                path.display()
            );
            return Err(Failure::usage(message, "choose another name"));
        }
    }
    if let Some(folder) = args
        .prefix
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder, 0o700)?;
    }
    let key = SigningKey::generate().map_err(|error| Failure::new("E601", &error, error.hint()))?;
    let internal = |error: &dyn std::error::Error| Failure::new("E990", error, None);
    let secret = key.to_pem().map_err(|error| internal(&error))?;
    let verifying = key.verifying_key();
    let pem = verifying.to_pem().map_err(|error| internal(&error))?;
    let name = args.prefix.file_name().map_or_else(
        || "haversack".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    fs::write_atomic(&private, secret.reveal().as_bytes(), 0o600)?;
    fs::write_atomic(&public, pem.as_bytes(), 0o644)?;
    let line = sshsig::allowed_signers_line(&principal(&name), verifying) + "\n";
    fs::write_atomic(&allowed, line.as_bytes(), 0o644)?;
    let made = Made {
        key_id: verifying.key_id().to_string(),
        fingerprint: verifying.fingerprint().to_string(),
        private,
        public,
        allowed_signers: allowed,
    };
    context.output.result(&made, &text(&made));
    Ok(Class::Ok)
}

/// Whether a path ends in a name; [`Path`] itself does not see a slash at the end.
fn names_a_file(path: &Path) -> bool {
    path.file_name().is_some() && !path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// The name a signer goes by in an `allowed_signers` file: no white space, no pattern characters.
fn principal(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn text(made: &Made) -> String {
    let show = |path: &Path| path.display().to_string();
    format!(
        "key {}\n  fingerprint {}\n  {}   keep secret; sign with it\n  {}   carry to the isolated side's trust \
         directory, and compare the fingerprint by phone\n  {}   for ssh-keygen -Y verify\n",
        made.key_id,
        grouped(&made.fingerprint),
        show(&made.private),
        show(&made.public),
        show(&made.allowed_signers)
    )
}

/// Hex digits in groups of four, as people read them to each other.
fn grouped(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_no_name_of_a_key() {
        for path in ["keys/", "/", "..", "keys/.."] {
            assert!(!names_a_file(Path::new(path)), "{path}");
        }
        for path in ["release", "keys/release", "keys/release.2026"] {
            assert!(names_a_file(Path::new(path)), "{path}");
        }
    }
}
