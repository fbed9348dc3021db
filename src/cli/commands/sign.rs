//! `haversack sign`: adds a signature to a bundle.

use std::fmt::Write as _;
use std::path::Path;

use haversack::bundle::{self, SignedBundle};
use haversack::fs;
use haversack::trust::key::{MAX_KEY_TEXT, MAX_SIGNATURE, VerifyingKey};
use serde_json::json;

use super::Context;
use crate::cli::args::SignArgs;
use crate::cli::custodian::{self, Deed, of_key, signing_key};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Signs with a key given, tells what a key elsewhere must sign, or adds what it has signed.
pub(crate) fn run(args: &SignArgs, context: &Context<'_>) -> Result<Class, Failure> {
    if args.detached {
        return detached(&args.bundle, context);
    }
    custodian::prepare(&args.custodian, std::slice::from_ref(&args.bundle))?;
    let signed = match (&args.key, &args.attach, &args.public) {
        (Some(key), _, _) => bundle::sign(&args.bundle, &signing_key(key)?)?,
        (None, Some(signature), Some(public)) => attach(&args.bundle, signature, public)?,
        _ => {
            return Err(Failure::usage(
                "nothing to sign with",
                "give --key, or --attach with --public",
            ));
        }
    };
    let note = format!("by the key {}", signed.key);
    let deed = Deed {
        role: "builder",
        action: "signed",
        identity: signed.identity,
        result: "ok",
        note: Some(&note),
        state: None,
    };
    custodian::record(&args.custodian, &deed)?;
    let value = json!({
        "bundle": signed.path,
        "identity": signed.identity,
        "key": signed.key,
        "written": signed.written,
    });
    let text = text(&signed) + &still_missing(&args.bundle, &signed)?;
    context.output.result(&value, &text);
    Ok(Class::Ok)
}

/// Of a delta both lists are signed: what is said while a key has signed one of them only.
fn still_missing(bundle: &Path, signed: &SignedBundle) -> Result<String, Failure> {
    if bundle::to_sign(bundle)?.sums.header().base.is_none() {
        return Ok(String::new());
    }
    let has =
        |ending: &str| fs::examine(&bundle.join("sig").join(format!("{}{ending}", signed.key)));
    Ok(match (has(".sig")?, has(".full.sig")?) {
        (Some(_), None) => format!(
            "  NOT YET  by this key: the list of the full bundle, without which the delta is not taken in; {OF_DELTA}"
        ),
        (None, Some(_)) => {
            "  NOT YET  by this key: the SHA256SUMS of the delta itself\n".to_owned()
        }
        _ => String::new(),
    })
}

fn text(signed: &SignedBundle) -> String {
    let mut text = format!(
        "signed {}\n  identity {}\n  by key   {}\n",
        signed.path.display(),
        signed.identity,
        signed.key
    );
    for path in &signed.written {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  wrote    {}", path.display());
    }
    text
}

/// What is said of a delta besides.
const OF_DELTA: &str = "this is a delta: the list of the full bundle is signed too, in the same way. It is made by\n  \
     (sed -n 's/^# base .*/# base none/; /^#/p' SHA256SUMS; grep -v '^#' SHA256SUMS | sed 's|  base/|  |' | LC_ALL=C sort -k 2) \
     > full.list\n";

fn detached(bundle: &Path, context: &Context<'_>) -> Result<Class, Failure> {
    let wanted = bundle::to_sign(bundle)?;
    let list = bundle.join("SHA256SUMS");
    let (list, dir) = (list.display(), bundle.display());
    let text = format!(
        "sign the file {list}\n  its SHA-256 is {identity}\nwith a P-384 key kept elsewhere:\n  openssl dgst -sha384 -sign KEY \
         -out answer.sig SHA256SUMS\nthen add the answer:\n  haversack sign {dir} --attach answer.sig --public KEY.pem\n",
        identity = wanted.identity,
    );
    let text = if wanted.sums.header().base.is_some() {
        format!("{text}{OF_DELTA}")
    } else {
        text
    };
    let value = json!({ "file": bundle.join("SHA256SUMS"), "identity": wanted.identity });
    context.output.result(&value, &text);
    Ok(Class::Ok)
}

fn attach(bundle: &Path, signature: &Path, public: &Path) -> Result<SignedBundle, Failure> {
    let pem = fs::read_text(public, size(MAX_KEY_TEXT))?;
    let key = VerifyingKey::from_pem(&pem).map_err(|error| of_key(&error, public))?;
    let bytes = fs::read(signature, size(MAX_SIGNATURE))?;
    Ok(bundle::attach(bundle, &key, &bytes)?)
}

fn size(limit: usize) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}
