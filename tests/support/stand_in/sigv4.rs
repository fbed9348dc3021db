//! AWS Signature Version 4 for S3, as the client signs and the server checks.

use hmac::{Hmac, Mac as _};
use sha2_10::Sha256;

/// What a signature covers.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    /// Such as `PUT`.
    pub(crate) method: &'a str,
    /// The path as sent, percent-encoded.
    pub(crate) path: &'a str,
    /// The query as sent.
    pub(crate) query: &'a str,
    /// The signed headers, lower case, sorted by name.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    /// Value of `x-amz-content-sha256`.
    pub(crate) payload: &'a str,
    /// Value of `x-amz-date`, such as `20261123T180000Z`.
    pub(crate) time: &'a str,
    /// Such as `us-east-1`.
    pub(crate) region: &'a str,
}

impl Signed<'_> {
    /// `<day>/<region>/s3/aws4_request`.
    pub(crate) fn scope(&self) -> String {
        let day = self.time.get(..8).unwrap_or_default();
        format!("{day}/{}/s3/aws4_request", self.region)
    }

    /// The names of the signed headers, joined by `;`.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }

    /// The signature, in lower-case hex.
    pub(crate) fn signature(&self, secret: &str) -> String {
        let mut query: Vec<String> = self
            .query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| {
                if part.contains('=') {
                    part.to_owned()
                } else {
                    format!("{part}=")
                }
            })
            .collect();
        query.sort();
        let lines = self.headers.iter();
        let headers: String = lines
            .flat_map(|(name, value)| {
                [
                    *name, ":", *value, "
",
                ]
            })
            .collect();
        let request = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            query.join("&"),
            self.names(),
            self.payload
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            self.time,
            self.scope(),
            sha256(request.as_bytes())
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in self.scope().split('/') {
            key = mac(&key, part.as_bytes());
        }
        hex(&mac(&key, text.as_bytes()))
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}

/// HMAC-SHA-256.
pub(crate) fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so the error cannot happen.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length"));
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
