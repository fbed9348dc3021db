//! Messages about signatures, keys and other evidence (exit code 4).

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
    m(
        "E401",
        "No signature is by a key that the trust directory holds.",
        "Compare the key's fingerprint with the builder by phone, then add its .pem to the trust directory.",
    ),
    m(
        "E402",
        "A signature is damaged, or is over another list.",
        "Bring SHA256SUMS and sig/ again from the medium.",
    ),
    m(
        "E403",
        "Fewer trusted keys have signed than the policy asks for, or a role is missing.",
        "Have the missing person sign: `haversack sign BUNDLE --key KEY`.",
    ),
    m(
        "E404",
        "A signature was made for another purpose (its namespace).",
        "Sign with `haversack sign`, or `ssh-keygen -Y sign -n haversack-bundle`.",
    ),
    m(
        "E405",
        "The certificate of a CMS signature was not valid at the time that the policy asks for.",
        "Sign with a certificate in use, correct the clock, or set `cms-time` in policy.toml.",
    ),
    m(
        "E406",
        "The key that signed was revoked, by policy.toml or revoked.toml of the trust directory.",
        "Have the bundle signed by a key that is still trusted.",
    ),
    m(
        "E407",
        "An upstream's OpenPGP key has expired.",
        "Fetch the renewed key from its publisher; the fingerprint stays the same.",
    ),
    m(
        "E408",
        "The policy asks for a CMS signature, and there is none that was found to be good; one that could not be checked never counts.",
        "Have it signed by the PKI of the organisation, and check it where openssl is installed.",
    ),
    m(
        "E411",
        "An upstream's checksum file does not state the digest, or states two.",
        "Look at the file; correct the manifest.",
    ),
    m(
        "E412",
        "A key file does not hold the fingerprint that the manifest pins.",
        "Find out why the key changed before you change the pin.",
    ),
    m(
        "E413",
        "An upstream's signature over a file does not hold.",
        "Do not use the file; fetch it again from another place, and ask upstream.",
    ),
    m(
        "E414",
        "The signature of a package index does not hold for the keyring that was named.",
        "Check the mirror and the keyring; never turn the check off.",
    ),
    m(
        "E415",
        "A package index is older than its own `Valid-Until` allows.",
        "Use a mirror that is up to date, or state `accept-expired` with a reason in the manifest.",
    ),
    m(
        "E416",
        "A signed package index is of another suite than was asked for.",
        "Correct the suite in the manifest, or use another mirror: this one answers with the wrong index.",
    ),
    m(
        "E417",
        "A signed package index is older than the one in the lock before: an old state is replayed.",
        "Use a mirror that is up to date. When the publisher did go back: `haversack lock MANIFEST --update NAME`.",
    ),
];
