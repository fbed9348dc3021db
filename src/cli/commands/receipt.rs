//! `haversack receipt`, and what `haversack build` makes of one.

#[cfg(feature = "connected")]
use std::path::Path;

use haversack::bundle::header::Created;
use haversack::bundle::receipt::Receipt;
#[cfg(feature = "connected")]
use haversack::bundle::{
    self, Base, ToSign,
    receipt::{Code, MAX_RECEIPT, ReceiptError, SignedReceipt},
};
use haversack::event::Event;
use haversack::fs;
#[cfg(feature = "connected")]
use haversack::trust::key::{MAX_KEY_TEXT, VerifyingKey};
#[cfg(feature = "connected")]
use haversack::trust::sshsig;
use haversack::verify::{self, Verdict};
use serde_json::json;

use super::Context;
use super::verify::text as report_text;
use crate::cli::args::ReceiptArgs;
#[cfg(feature = "connected")]
use crate::cli::custodian::of_key;
use crate::cli::custodian::signing_key;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::surroundings;
use crate::cli::trusting::{Trusting, places};

/// Verifies every byte, remembers the bundle, and writes the receipt.
pub(crate) fn run(args: &ReceiptArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let key = signing_key(&args.key)?;
    let mut trusting = Trusting::load(&args.trust)?;
    let (trust, memory, options) = (&trusting.trust, &trusting.memory, &trusting.options);
    let (observer, cancel) = (context.observer, context.cancel);
    let dirs = places(&args.bundle);
    let report = verify::verify(&dirs, trust, memory, options, observer, cancel)?;
    if report.verdict != Verdict::Good {
        context.output.result(&report, &report_text(&report));
        return Ok(report.id().map_or(Class::Internal, Class::of_id));
    }
    for warning in &report.warnings {
        let (id, text) = (warning.id, warning.text.as_str());
        observer.on(&Event::Warning { id, text });
    }
    let reason = report.override_reason.as_deref();
    trusting
        .memory
        .record(&report.header, &report.identity, reason)?;
    let now = Created::from_epoch(surroundings::now().as_second());
    let received = now.unwrap_or(report.header.created);
    let receipt = Receipt::new(&report.header, report.identity, received);
    let text = receipt
        .sign(&key)
        .map_err(|error| Failure::new("E281", &error, None))?;
    fs::write_atomic(&args.output, text.as_bytes(), 0o644)?;
    let code = receipt.code().to_string();
    let value = json!({ "receipt": args.output, "identity": report.identity, "code": code });
    let shown = format!(
        "{}  receipt   {}\n  code      {code}   (says which bundle; only the file proves who says so)\n",
        report_text(&report),
        args.output.display(),
    );
    context.output.result(&value, &shown);
    Ok(Class::Ok)
}

/// The bundle in this folder as the base of a delta, when the isolated side has it, as far as that was told.
#[cfg(feature = "connected")]
pub(super) fn base_of(
    folder: &Path,
    acknowledged: Option<&str>,
    isolated_key: Option<&Path>,
    context: &Context<'_>,
) -> Result<Base, Failure> {
    let list = bundle::to_sign(folder)?;
    let base =
        Base::new(&list.sums).map_err(|error| Failure::new(error.id(), &error, error.hint()))?;
    let Some(told) = acknowledged else {
        signed(folder, &list, context)?;
        return Ok(base);
    };
    if let Ok(code) = told.parse::<Code>() {
        if code.is_of(&base.identity()) {
            return Ok(base);
        }
        return Err(ReceiptError::Other {
            acknowledged: code.to_string(),
            base: Code::of(&base.identity()).to_string(),
        }
        .into());
    }
    if fs::examine(Path::new(told))?.is_none() {
        // No code has these characters: a file was meant.
        if told.contains(['.', '/', '_']) {
            return Err(Failure::plain(
                "E295",
                format!("there is no file {told}"),
                "name the receipt that came from the isolated side, or give its code",
            ));
        }
        return Err(ReceiptError::Code(told.to_owned()).into());
    }
    let Some(pem) = isolated_key else {
        return Err(Failure::usage(
            "a receipt proves nothing without the key of the isolated side",
            "give its public key with --isolated-key",
        ));
    };
    let text = fs::read_text(pem, u64::try_from(MAX_KEY_TEXT).unwrap_or(u64::MAX))?;
    let key = VerifyingKey::from_pem(&text).map_err(|error| of_key(&error, pem))?;
    let receipt = SignedReceipt::parse(&fs::read_text(Path::new(told), MAX_RECEIPT)?)?;
    receipt.check(&key)?;
    if receipt.receipt.identity != base.identity() {
        return Err(ReceiptError::Other {
            acknowledged: receipt.receipt.identity.label(),
            base: base.identity().label(),
        }
        .into());
    }
    Ok(base)
}

/// Refuses a base whose list is not the one that was signed, and warns of one that nobody signed. Whose
/// signature it is, the isolated side says: with `--acknowledged`.
#[cfg(feature = "connected")]
fn signed(folder: &Path, list: &ToSign, context: &Context<'_>) -> Result<(), Failure> {
    let sig = folder.join("sig");
    let mut refused = None;
    let limit = u64::try_from(sshsig::MAX_ARMOR).unwrap_or(u64::MAX);
    let full = list.sums.full();
    let full = full.map_err(|error| Failure::new(error.id(), &error, error.hint()))?;
    let full = full.render().into_bytes();
    if fs::examine(&sig)?.is_some() {
        for name in fs::list(&sig)? {
            let path = sig.join(&name);
            if path.extension().is_none_or(|ending| ending != "sshsig") {
                continue;
            }
            let armored = fs::read(&path, limit)?;
            let good = sshsig::verify(&armored, &list.bytes);
            match good.or_else(|_| sshsig::verify(&armored, &full)) {
                Ok(_) => return Ok(()),
                Err(error) => refused = Some((path, error)),
            }
        }
    }
    if let Some((path, error)) = refused {
        let mut failure = Failure::new(
            "E402",
            &error,
            Some("name the folder as it was built and signed, or give its receipt with --acknowledged".to_owned()),
        );
        let message = format!(
            "the base was changed after it was signed: {} does not match its SHA256SUMS",
            path.display()
        );
        failure.messages.insert(0, message);
        return Err(failure);
    }
    let text = format!(
        "the base {} has no signature that shows whether its list was changed: compare its identity {} with the isolated side, or \
         give its receipt with --acknowledged",
        folder.display(),
        list.identity
    );
    context.observer.on(&Event::Warning {
        id: "W903",
        text: &text,
    });
    Ok(())
}
