//! CMS signatures (RFC 5652) of an organisation's own PKI, checked by the host's `openssl`: what a smart
//! card makes, without a validator of certificate paths in this program.
//!
//! `sig/<name>.p7s` is a detached, binary signature over `SHA256SUMS`, DER or PEM. The policy names
//! certificates (`cms-pins`: these signers, whoever issued them) or authorities (`cms-authorities`: any
//! signer whose certificate leads to one). The calls, for OpenSSL 3 (1.1.1 does not
//! know `-no-CAstore`, and refuses every signature by an authority):
//! ```text
//! openssl cms -verify -binary -content LIST -nointern -certfile PIN -noverify …
//! openssl cms -verify -binary -content LIST -CAfile AUTHORITIES -no-CApath -no-CAstore -purpose any -attime SECONDS …
//! ```
//! `-noverify` alone would accept any signer, and without `-no-CApath` and `-no-CAstore` (and an empty `SSL_CERT_DIR`) the
//! authorities of the operating system would be trusted as well. With a pin, `openssl` does not look at the
//! dates of the certificate; this module does.
//!
//! Where there is no `openssl`, a signature is *not checked*; it never counts as good.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::Encode as _;

use crate::fs;
use crate::trust::directory::Trust;
use crate::trust::judge::SignatureFile;
use crate::trust::policy::{Cms, CmsTime};
use crate::types::digest::Digest;

/// Where `openssl` is looked for.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
/// Longest certificate file that is read back, in bytes.
const MAX_CERTIFICATE: u64 = 256 * 1024;

/// What came out for one CMS signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CmsResult {
    /// The file in `sig/`.
    pub file: String,
    /// What came out.
    #[serde(flatten)]
    pub verdict: CmsVerdict,
}

/// What came out for a CMS signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum CmsVerdict {
    /// It is good, by a certificate that the policy accepts.
    Good {
        /// Whom the certificate names.
        subject: String,
        /// SHA-256 of the key of the certificate (SPKI DER).
        fingerprint: Digest,
    },
    /// It does not hold, or is by a certificate that the policy does not accept.
    Bad {
        /// Why.
        reason: String,
    },
    /// The certificate was not valid at the time that the policy asks for.
    Dates {
        /// Why.
        reason: String,
    },
    /// The key of the certificate was revoked.
    Revoked {
        /// Why.
        reason: String,
    },
    /// It was not checked.
    NotChecked {
        /// Why not.
        reason: String,
    },
}

/// Checks every CMS signature among `files` over `list`, as of `at` (seconds since 1970). Without a CMS
/// rule in the policy none is checked, and nothing is returned.
#[must_use]
pub fn examine(trust: &Trust, list: &[u8], files: &[SignatureFile], at: i64) -> Vec<CmsResult> {
    let Some(rule) = &trust.policy().cms else {
        return Vec::new();
    };
    let files = files.iter().filter(|file| {
        file.name
            .rsplit_once('.')
            .is_some_and(|(_, end)| end == "p7s")
    });
    let results = files.map(|file| CmsResult {
        file: file.name.clone(),
        verdict: look(trust, rule, list, file, at)
            .unwrap_or_else(|reason| CmsVerdict::NotChecked { reason }),
    });
    results.collect()
}

/// The verdict on one signature; a text when it could not be checked.
fn look(
    trust: &Trust,
    rule: &Cms,
    list: &[u8],
    file: &SignatureFile,
    at: i64,
) -> Result<CmsVerdict, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let room = Room {
        openssl: trust.openssl(),
        folder: folder.path(),
        form: if file.bytes.starts_with(b"-----BEGIN") {
            "PEM"
        } else {
            "DER"
        },
    };
    room.put("list", list)?;
    room.put("signature", &file.bytes)?;
    fs::create_dir_all(&folder.path().join("none"), 0o700).map_err(|error| error.to_string())?;
    let mut worst: Option<CmsVerdict> = None;
    for name in &rule.pins {
        let Some(pem) = trust.certificate(name) else {
            continue;
        };
        room.put("pin", pem.as_bytes())?;
        let call = ["-nointern", "-certfile", "pin", "-noverify"];
        match room.verify(&call)? {
            Ok(signer) => return Ok(judge_signer(trust, &signer, at)),
            Err(reason) => worst = worst.or(Some(CmsVerdict::Bad { reason })),
        }
    }
    if !rule.authorities.is_empty() {
        let all: Vec<&str> = rule
            .authorities
            .iter()
            .filter_map(|name| trust.certificate(name))
            .collect();
        room.put("authorities", all.join("\n").as_bytes())?;
        let time = at.to_string();
        let call = [
            "-CAfile",
            "authorities",
            "-no-CApath",
            "-no-CAstore",
            "-purpose",
            "any",
            "-attime",
            &time,
        ];
        match room.verify(&call)? {
            Ok(signer) => return Ok(judge_signer(trust, &signer, at)),
            Err(reason) => {
                let late = ["certificate has expired", "certificate is not yet valid"];
                worst = Some(if late.iter().any(|words| reason.contains(words)) {
                    let dates = room.dates(trust, at)?;
                    CmsVerdict::Dates {
                        reason: dates.unwrap_or(reason),
                    }
                } else {
                    CmsVerdict::Bad { reason }
                });
            }
        }
    }
    Ok(worst.unwrap_or_else(|| CmsVerdict::Bad {
        reason: "the policy names no certificate to check it with".to_owned(),
    }))
}

/// What the certificates of a good signature mean for the policy.
fn judge_signer(trust: &Trust, pem: &str, at: i64) -> CmsVerdict {
    let Ok(certificates) = Certificate::load_pem_chain(pem.as_bytes()) else {
        return CmsVerdict::Bad {
            reason: "the certificate of the signer cannot be read".to_owned(),
        };
    };
    let mut good = None;
    for certificate in &certificates {
        let fields = certificate.tbs_certificate();
        let Ok(spki) = fields.subject_public_key_info().to_der() else {
            return CmsVerdict::Bad {
                reason: "the key of the signer cannot be read".to_owned(),
            };
        };
        let fingerprint = Digest::of(&spki);
        let subject = fields.subject().to_string();
        if let Some(revoked) = trust.revoked(&fingerprint) {
            return CmsVerdict::Revoked {
                reason: format!("{subject}: {revoked}"),
            };
        }
        let second = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let validity = fields.validity();
        if at < second(validity.not_before) || at > second(validity.not_after) {
            return CmsVerdict::Dates {
                reason: format!(
                    "{subject}: the certificate is valid from {} to {}, and {} {}",
                    validity.not_before,
                    validity.not_after,
                    match trust.policy().cms.as_ref().map(|rule| rule.time) {
                        Some(CmsTime::Signing) => "the bundle says that it was made at",
                        Some(CmsTime::Clock) | None => "the clock of this host says",
                    },
                    jiff::Timestamp::from_second(at)
                        .map_or_else(|_| at.to_string(), |at| at.to_string())
                ),
            };
        }
        good = Some(CmsVerdict::Good {
            subject,
            fingerprint,
        });
    }
    good.unwrap_or_else(|| CmsVerdict::Bad {
        reason: "openssl named no signer".to_owned(),
    })
}

/// A temporary folder in which `openssl` works.
struct Room<'a> {
    openssl: Option<&'a Path>,
    folder: &'a Path,
    form: &'static str,
}

impl Room<'_> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        fs::write_unsynced(&self.folder.join(name), bytes, 0o600).map_err(|error| error.to_string())
    }

    /// What the dates of the signer's certificate are, when they are what is wrong. Nothing is decided by
    /// this call: it accepts any signer.
    fn dates(&self, trust: &Trust, at: i64) -> Result<Option<String>, String> {
        let Ok(signer) = self.verify(&["-noverify"])? else {
            return Ok(None);
        };
        Ok(match judge_signer(trust, &signer, at) {
            CmsVerdict::Dates { reason } => Some(reason),
            _ => None,
        })
    }

    /// The certificates of the signers when the signature is good; why not, when it is not.
    fn verify(&self, trust: &[&str]) -> Result<Result<String, String>, String> {
        let program = match self.openssl {
            Some(path) => path.to_owned(),
            None => find().ok_or("openssl is not installed on this host")?,
        };
        let signer = self.folder.join("signer");
        fs::remove_file(&signer).map_err(|error| error.to_string())?;
        let output = Command::new(&program)
            .args(["cms", "-verify", "-binary", "-inform", self.form])
            .args(["-in", "signature", "-content", "list", "-out", "/dev/null"])
            .args(["-signer", "signer"])
            .args(trust)
            .current_dir(self.folder)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            // Only what the policy names is an authority.
            .env("SSL_CERT_DIR", self.folder.join("none"))
            .env("SSL_CERT_FILE", self.folder.join("none/none"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        if output.status.success() {
            let pem = fs::read_text(&signer, MAX_CERTIFICATE).map_err(|error| error.to_string())?;
            return Ok(Ok(pem));
        }
        Ok(Err(reason(&output.stderr)))
    }
}

/// The `openssl` of the host.
fn find() -> Option<PathBuf> {
    PATH.split(':')
        .map(|folder| Path::new(folder).join("openssl"))
        .find(|path| fs::facts(path).is_ok_and(|facts| facts.mode & 0o111 != 0))
}

/// What `openssl` said, in one line.
fn reason(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    // `…:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DETAIL`
    let detail = text
        .split("Verify error:")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let line = detail
        .or_else(|| text.split(":error:").nth(1)?.split(':').nth(3))
        .unwrap_or("openssl refused it")
        .trim();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}
