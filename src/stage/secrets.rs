//! The secrets of a deployment: made once from a random source, kept for every later stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2_10::{Digest as _, Sha256};

use crate::fs::{self, PathError};
use crate::stage::given;
use crate::types::secret::Secret;

/// Length of a generated password; rule 59 asks for at least 24.
const PASSWORD_LENGTH: usize = 32;
/// Shortest secret that an operator may put in place of a generated one (rule 59).
const MIN_LENGTH: usize = 16;
/// Longest secret that another organization gave, in characters.
const MAX_FOREIGN: usize = 512;
/// Iterations of PBKDF2, PostgreSQL's `scram_iterations` default.
const SCRAM_ITERATIONS: u32 = 4096;
const SCRAM_SALT: usize = 16;

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &[u8] = b"0123456789";
/// The special characters that need no escaping in a URL, a shell word, a unit or YAML.
const SPECIAL: &[u8] = b"-._~";

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The random source failed.
    #[error("the random source of the operating system failed")]
    Random(#[source] std::io::Error),
    /// A kept secret is unfit.
    #[error("secret {}: {problem}; {remedy}", path.display())]
    Unfit {
        /// Its file.
        path: PathBuf,
        /// What is wrong; never the secret.
        problem: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Secrets that only the operator has are not there; each with what it is.
    #[error("{}", .0.iter().map(|(name, what)| format!("the secret `{name}` ({what}) is missing")).collect::<Vec<_>>().join("; "))]
    Missing(Vec<(&'static str, &'static str)>),
    /// A folder of secrets, or a file in it, is not as it must be.
    #[error("{} {problem}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong; never the secret.
        problem: String,
    },
    /// The folder or a file of it cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A source of random bytes.
pub trait Random: Sync {
    /// Fills `buffer` with unpredictable bytes.
    ///
    /// # Errors
    /// When the source fails.
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()>;
}

/// The random source of the operating system (`getrandom(2)`).
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(buffer).map_err(std::io::Error::from)
    }
}

/// What a secret is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// 32 characters of letters, digits and `-._~`, each class at least once.
    Password,
    /// 32 letters and digits: for keys whose reader takes nothing else, and account names.
    Alphanumeric,
    /// The salt of a SCRAM verifier: 16 bytes, base64.
    Salt,
    /// What another organization gave: any printable characters, not checked for strength.
    Foreign,
    /// The text of a licence file.
    License,
}

/// The secrets of a staged tree: those that are given, those in its folder `secrets/`, and new ones.
#[derive(Debug)]
pub(super) struct SecretStore<'a> {
    folder: PathBuf,
    given_in: PathBuf,
    given: BTreeMap<&'static str, Secret>,
    random: &'a dyn Random,
    known: BTreeMap<&'static str, Secret>,
    made: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'a> SecretStore<'a> {
    /// The store in `folder`, which need not exist yet; what the folder `given` holds goes before
    /// it. Nothing is written before [`Self::write_to`].
    ///
    /// # Errors
    /// When `given` is not a folder of secrets.
    pub(super) fn open(
        folder: &Path,
        given: Option<&Path>,
        random: &'a dyn Random,
    ) -> Result<Self, SecretError> {
        Ok(Self {
            folder: folder.to_owned(),
            given_in: given.unwrap_or(folder).to_owned(),
            given: given.map(given::read).transpose()?.unwrap_or_default(),
            random,
            known: BTreeMap::new(),
            made: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// The secret `name`: the given one, the kept one, or a new one.
    ///
    /// # Errors
    /// When it cannot be read or is unfit, or the random source fails.
    pub(super) fn get(&mut self, name: &'static str, shape: Shape) -> Result<Secret, SecretError> {
        if let Some(found) = self.find(name, shape)? {
            return Ok(found);
        }
        let secret = Secret::new(generate(shape, self.random)?);
        self.made.push(name);
        self.known.insert(name, secret.clone());
        Ok(secret)
    }

    /// The secret `name`, which only the operator has. When it is not there, the secret is empty,
    /// and [`Self::complete`] tells it.
    ///
    /// # Errors
    /// When it cannot be read or is unfit.
    pub(super) fn required(
        &mut self,
        name: &'static str,
        shape: Shape,
    ) -> Result<Secret, SecretError> {
        let found = self.find(name, shape)?;
        if found.is_none() {
            self.missing.push(name);
        }
        Ok(found.unwrap_or_else(|| Secret::new(String::new())))
    }

    /// The secret `name`, when it was given or kept.
    ///
    /// # Errors
    /// When it cannot be read or is unfit.
    pub(super) fn find(
        &mut self,
        name: &'static str,
        shape: Shape,
    ) -> Result<Option<Secret>, SecretError> {
        if let Some(known) = self.known.get(name) {
            return Ok(Some(known.clone()));
        }
        let path = self.folder.join(name);
        let secret = match self.given.get(name) {
            Some(given) => given.clone(),
            None if fs::examine(&path)?.is_some() => given::text(&path)?,
            None => return Ok(None),
        };
        check(secret.reveal(), shape).map_err(|problem| self.unfit_as(name, shape, problem))?;
        self.known.insert(name, secret.clone());
        Ok(Some(secret))
    }

    /// Whether nothing is missing.
    ///
    /// # Errors
    /// With every required secret that is not there.
    pub(super) fn complete(&self) -> Result<(), SecretError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let what = |name: &&'static str| (*name, given::meaning(name).unwrap_or_default());
        Err(SecretError::Missing(
            self.missing.iter().map(what).collect(),
        ))
    }

    fn unfit_as(&self, name: &str, shape: Shape, problem: &'static str) -> SecretError {
        let given = self.given.contains_key(name);
        let folder = if given { &self.given_in } else { &self.folder };
        SecretError::Unfit {
            path: folder.join(name),
            problem,
            remedy: match shape {
                Shape::Foreign | Shape::License => "write it there as it was given to you",
                _ if given => "put a better one there, or remove the file to have one made",
                _ => "put a better one there, or remove the file and stage again to have one made",
            },
        }
    }

    /// The error for a secret that turned out unfit.
    pub(super) fn unfit(&self, name: &str, problem: &'static str) -> SecretError {
        self.unfit_as(name, Shape::Salt, problem)
    }

    /// Names of the secrets that were made and not found.
    #[must_use]
    pub(super) fn made(&self) -> &[&'static str] {
        &self.made
    }

    /// Writes the new and the given secrets into `folder`: it is 0700, they are 0600.
    ///
    /// # Errors
    /// When the folder or a file cannot be written.
    pub(super) fn write_to(&self, folder: &Path) -> Result<(), SecretError> {
        fs::create_dir_all(folder, 0o700)?;
        fs::set_mode(folder, 0o700)?;
        let made = self
            .made
            .iter()
            .filter_map(|name| Some((*name, self.known.get(name)?)));
        let given = self.given.iter().map(|(name, secret)| (*name, secret));
        for (name, secret) in made.chain(given) {
            let line = format!("{}\n", secret.reveal());
            fs::write_atomic(&folder.join(name), line.as_bytes(), 0o600)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for dyn Random + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

fn generate(shape: Shape, random: &dyn Random) -> Result<String, SecretError> {
    match shape {
        Shape::Salt => {
            let mut salt = [0; SCRAM_SALT];
            random.fill(&mut salt).map_err(SecretError::Random)?;
            Ok(STANDARD.encode(salt))
        }
        Shape::Password => draw(&[LOWER, UPPER, DIGIT, SPECIAL], random),
        // Never made: `required` and `find` only.
        Shape::Foreign | Shape::License => Ok(String::new()),
        Shape::Alphanumeric => draw(&[LOWER, UPPER, DIGIT], random),
    }
}

/// Draws uniformly from all classes until each is there, the first character a letter.
fn draw(classes: &[&[u8]], random: &dyn Random) -> Result<String, SecretError> {
    let alphabet: Vec<u8> = classes.concat();
    loop {
        let mut text = String::with_capacity(PASSWORD_LENGTH);
        while text.len() < PASSWORD_LENGTH {
            text.push(pick(&alphabet, random)?);
        }
        let has = |class: &&[u8]| text.bytes().any(|byte| class.contains(&byte));
        if classes.iter().all(has) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(text);
        }
    }
}

/// One character, without the bias of a plain remainder.
fn pick(alphabet: &[u8], random: &dyn Random) -> Result<char, SecretError> {
    loop {
        let mut byte = [0];
        random.fill(&mut byte).map_err(SecretError::Random)?;
        // Alphabets have at most 66 characters, so 7 bits suffice.
        let index = usize::from(byte.first().copied().unwrap_or(0) & 0x7f);
        if let Some(found) = alphabet.get(index) {
            return Ok(char::from(*found));
        }
    }
}

fn check(text: &str, shape: Shape) -> Result<(), &'static str> {
    if shape == Shape::Salt {
        let salt = STANDARD.decode(text).map_err(|_| "it is not base64")?;
        return if salt.len() >= SCRAM_SALT {
            Ok(())
        } else {
            Err("the salt is shorter than 16 bytes")
        };
    }
    if shape == Shape::Foreign {
        return match text.chars().count() {
            0 => Err("it is empty"),
            1..=MAX_FOREIGN if text.chars().any(char::is_control) => {
                Err("it holds a line break or control character")
            }
            1..=MAX_FOREIGN if text.trim() != text => Err("white space stands around it"),
            1..=MAX_FOREIGN => Ok(()),
            _ => Err("it has more than 512 characters"),
        };
    }
    if shape == Shape::License {
        let plain = |c: char| c.is_ascii_graphic() || c.is_ascii_whitespace();
        return match text.trim() {
            "" => Err("it is empty"),
            text if text.chars().all(plain) => Ok(()),
            _ => Err("it holds characters that no licence file has"),
        };
    }
    let has = |class: &[u8]| text.bytes().any(|byte| class.contains(&byte));
    if text.len() < MIN_LENGTH {
        return Err("shorter than 16 characters");
    }
    if text.chars().any(|c| !c.is_ascii_graphic()) {
        return Err("it holds white space, a control or a non-ASCII character");
    }
    if text.contains(['\'', '"', '\\', '$', '%', '`']) {
        return Err(
            "it holds a quote, backslash, `$`, `%` or backtick, which readers of configuration files take differently",
        );
    }
    if !(has(LOWER) && has(UPPER) && has(DIGIT)) {
        return Err("it needs lower-case and upper-case letters and digits");
    }
    match shape {
        Shape::Password if !text.contains(|c: char| c.is_ascii_punctuation()) => {
            Err("it needs a special character, one of -._~")
        }
        Shape::Alphanumeric if !text.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Err("it may hold letters and digits only")
        }
        _ => Ok(()),
    }
}

/// The text that PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803 §3, RFC 7677), so that
/// the password itself is in no SQL file and no server log.
///
/// # Errors
/// When the salt is not base64.
pub(super) fn scram_verifier(
    password: &Secret,
    salt_base64: &Secret,
) -> Result<String, &'static str> {
    let salt = STANDARD
        .decode(salt_base64.reveal())
        .map_err(|_| "it is not base64")?;
    // SASLprep leaves printable ASCII as it is, and `check` lets nothing else through.
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
        password.reveal().as_bytes(),
        &salt,
        SCRAM_ITERATIONS,
    );
    let client = hmac_sha256(&salted, b"Client Key");
    let stored = Sha256::digest(client);
    let server = hmac_sha256(&salted, b"Server Key");
    Ok(format!(
        "SCRAM-SHA-256${SCRAM_ITERATIONS}:{}${}:{}",
        STANDARD.encode(&salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    ))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length (RFC 2104 §2), so this cannot fail.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn passwords_hold_every_class_and_nothing_that_needs_escaping() {
        for _ in 0..200 {
            let text = generate(Shape::Password, &OsRandom).unwrap();
            assert_eq!(text.len(), 32);
            assert_eq!(check(&text, Shape::Password), Ok(()));
            assert_eq!(crate::stage::quote::percent(&text), text);
        }
    }

    #[test]
    fn the_verifier_is_the_one_of_rfc_7677() {
        // RFC 7677 §3: user "user", password "pencil", and its salt and 4096 iterations. The
        // stored and server keys were computed with Python's hashlib from these.
        let verifier = scram_verifier(
            &Secret::new("pencil".to_owned()),
            &Secret::new("W22ZaJ0SNY7soEsUEjb6gQ==".to_owned()),
        )
        .unwrap();
        assert_eq!(
            verifier,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn secrets_are_kept_and_private() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("secrets");
        let mut first = SecretStore::open(&folder, None, &OsRandom).unwrap();
        let kept = first.get("db-password", Shape::Password).unwrap();
        first.write_to(&folder).unwrap();
        let mut second = SecretStore::open(&folder, None, &OsRandom).unwrap();
        assert_eq!(second.get("db-password", Shape::Password).unwrap(), kept);
        assert_eq!(second.made(), <&[&str]>::default());
        let bits = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(bits(&folder), 0o700);
        assert_eq!(bits(&folder.join("db-password")), 0o600);
    }

    #[test]
    fn weak_secrets_of_the_operator_are_refused_without_repeating_them() {
        let root = tempfile::tempdir().unwrap();
        for (text, problem) in [
            ("Short1-", "shorter"),
            ("alllowercase-1234567", "upper-case"),
            ("NoSpecialButLong123456", "special"),
            ("Has space-1234567890", "white space"),
            ("Has'quote-1234567890", "quote"),
        ] {
            std::fs::write(root.path().join("db-password"), text).unwrap();
            let error = SecretStore::open(root.path(), None, &OsRandom)
                .unwrap()
                .get("db-password", Shape::Password)
                .unwrap_err()
                .to_string();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_broken_random_source_is_an_error() {
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> std::io::Result<()> {
                Err(std::io::Error::other("no entropy"))
            }
        }
        let root = tempfile::tempdir().unwrap();
        let result = SecretStore::open(root.path(), None, &Broken)
            .unwrap()
            .get("x", Shape::Alphanumeric);
        assert!(matches!(result, Err(SecretError::Random(_))));
    }
}
