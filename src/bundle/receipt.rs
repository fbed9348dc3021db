//! What the isolated side has taken in, in a form that can be carried, typed, and proved.
//!
//! A receipt is one small text that a key of the isolated side has signed; the connected side holds it
//! against the bundle that it builds a delta on. Its code is for where no file may leave: a person reads it
//! out or types it. The code says *which* bundle, with characters that show a slip; it proves nothing about
//! who says so. Only the signed file does.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundle::header::{Created, Header, Sequence};
use crate::trust::key::{KeyId, SignatureError, SigningKey, VerifyingKey};
use crate::types::digest::Digest;
use crate::types::name::Name;

/// Longest receipt, in bytes.
pub const MAX_RECEIPT: u64 = 1024;
/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// The digits of a code (Crockford's Base32): no I, L, O and U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many digits of a code say which bundle: 80 bits of its identity.
const DATA: usize = 16;
/// The two last digits are what the others leave when divided by this prime.
const PRIME: u128 = 1021;

/// What the isolated side says that it has taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Name of the bundle.
    pub name: Name,
    /// Its sequence.
    pub sequence: Sequence,
    /// Its identity; of a delta, that of the full bundle that it makes.
    pub identity: Digest,
    /// When it was taken in, by the clock of that side; nothing is decided by it.
    pub received: Created,
}

/// A receipt and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// What is said.
    pub receipt: Receipt,
    /// The key that the text names.
    pub key: KeyId,
    /// The bytes that are signed.
    signed: String,
    signature: Vec<u8>,
}

/// The short form of a receipt: `7ZK4-9P0C-QX3M-TB5D-A1`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; 10]);

/// Why a receipt or code says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is no receipt, or not written the one way.
    #[error("no receipt: {0}")]
    Malformed(&'static str),
    /// It is of a newer format.
    #[error("a receipt of format {0}, this program knows {FORMAT}")]
    Newer(u64),
    /// A code has a slip in it.
    #[error("`{0}` is no code of a receipt: a character is wrong, missing or in another's place")]
    Code(String),
    /// The signature is not by the key that was expected.
    #[error("the receipt is not signed by the key {0}")]
    Signature(KeyId, #[source] SignatureError),
    /// It is for another bundle.
    #[error("the receipt is for the bundle {acknowledged}, and the base is {base}")]
    Other {
        /// The bundle that was taken in.
        acknowledged: String,
        /// The bundle at hand.
        base: String,
    },
}

impl ReceiptError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Code(_) => "E295",
            Self::Newer(_) => "E520",
            Self::Signature(..) => "E402",
            Self::Other { .. } => "E512",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Malformed(_) => "carry the receipt out again, byte for byte",
            Self::Newer(_) => "use the haversack that the isolated side uses",
            Self::Code(_) => "read the code aloud once more",
            Self::Signature(..) => "compare the key with the isolated side by phone",
            Self::Other { .. } => {
                "build on the bundle that the isolated side has, or build the full bundle"
            }
        };
        Some(text.to_owned())
    }
}

impl Receipt {
    /// The receipt of a bundle of this header and identity.
    #[must_use]
    pub fn new(header: &Header, identity: Digest, received: Created) -> Self {
        Self {
            name: header.name.clone(),
            sequence: header.sequence,
            identity,
            received,
        }
    }

    /// The code of it.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::of(&self.identity)
    }

    /// The signed text.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SignatureError> {
        let signed = self.text(key.verifying_key().key_id());
        let signature = STANDARD.encode(key.sign(signed.as_bytes())?);
        Ok(format!("{signed}signature {signature}\n"))
    }

    /// What is signed.
    fn text(&self, key: KeyId) -> String {
        format!(
            "haversack-receipt {FORMAT}\nname {}\nsequence {}\nidentity {}\nreceived {}\nkey {key}\n",
            self.name, self.sequence, self.identity, self.received
        )
    }
}

impl SignedReceipt {
    /// Reads a receipt. Only the one text of each is accepted; its signature is not checked yet.
    ///
    /// # Errors
    /// When it is no receipt.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let wrong = ReceiptError::Malformed;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_RECEIPT {
            return Err(wrong("it is longer than 1024 bytes"));
        }
        let lines: Vec<&str> = text.lines().collect();
        let first = lines
            .first()
            .and_then(|line| line.strip_prefix("haversack-receipt "));
        match first.map(str::parse::<u64>) {
            Some(Ok(format)) if format > u64::from(FORMAT) => {
                return Err(ReceiptError::Newer(format));
            }
            Some(Ok(_)) => {}
            _ => return Err(wrong("it does not begin with `haversack-receipt 1`")),
        }
        let [_, name, sequence, identity, received, key, signature] = lines.as_slice() else {
            return Err(wrong("it must have seven lines"));
        };
        let receipt = Receipt {
            name: field(name, "name ").ok_or(wrong("`name` is wrong"))?,
            sequence: field(sequence, "sequence ").ok_or(wrong("`sequence` is wrong"))?,
            identity: field(identity, "identity ").ok_or(wrong("`identity` is wrong"))?,
            received: field(received, "received ").ok_or(wrong("`received` is wrong"))?,
        };
        let signature = signature
            .strip_prefix("signature ")
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(wrong("`signature` is wrong"))?;
        let key: KeyId = field(key, "key ").ok_or(wrong("`key` is wrong"))?;
        let signed = receipt.text(key);
        let whole = format!("{signed}signature {}\n", STANDARD.encode(&signature));
        if whole != text {
            return Err(wrong("it is not written the one way"));
        }
        Ok(Self {
            receipt,
            key,
            signed,
            signature,
        })
    }

    /// Checks that this key signed it.
    ///
    /// # Errors
    /// When it did not.
    pub fn check(&self, key: &VerifyingKey) -> Result<(), ReceiptError> {
        key.verify(self.signed.as_bytes(), &self.signature)
            .map_err(|source| ReceiptError::Signature(key.key_id(), source))
    }
}

impl Code {
    /// The code of the bundle of this identity.
    #[must_use]
    pub fn of(identity: &Digest) -> Self {
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().zip(identity.as_bytes()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Whether it stands for the bundle of this identity.
    #[must_use]
    pub fn is_of(&self, identity: &Digest) -> bool {
        *self == Self::of(identity)
    }

    fn number(self) -> u128 {
        self.0
            .iter()
            .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        let check = number.checked_rem(PRIME).unwrap_or(0);
        let digit = |value: u128| {
            let at = usize::try_from(value & 31).unwrap_or(0);
            char::from(DIGITS.get(at).copied().unwrap_or(b'0'))
        };
        for at in 0..DATA {
            if at > 0 && at.is_multiple_of(4) {
                f.write_str("-")?;
            }
            let shift = u32::try_from(DATA.saturating_sub(1).saturating_sub(at)).unwrap_or(0);
            write!(f, "{}", digit(number >> shift.saturating_mul(5)))?;
        }
        write!(f, "-{}{}", digit(check >> 5), digit(check))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

impl FromStr for Code {
    type Err = ReceiptError;

    /// Reads a code as people write it: any case, `-` and spaces anywhere, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            ReceiptError::Code(
                text.chars()
                    .take(40)
                    .flat_map(char::escape_default)
                    .collect(),
            )
        };
        let mut values: Vec<u128> = Vec::new();
        for letter in text.chars().filter(|letter| !matches!(letter, '-' | ' ')) {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let at = DIGITS.iter().position(|digit| char::from(*digit) == letter);
            let value = at.and_then(|at| u128::try_from(at).ok());
            values.push(value.ok_or_else(wrong)?);
            if values.len() > DATA.saturating_add(2) {
                return Err(wrong());
            }
        }
        let (data, check) = values.split_at_checked(DATA).ok_or_else(wrong)?;
        let join = |values: &[u128]| values.iter().fold(0_u128, |all, one| (all << 5) | one);
        let number = join(data);
        if check.len() != 2 || number.checked_rem(PRIME) != Some(join(check)) {
            return Err(wrong());
        }
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().rev().zip(number.to_le_bytes()) {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

fn field<T: FromStr>(line: &str, key: &str) -> Option<T> {
    line.strip_prefix(key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Receipt {
        Receipt {
            name: "demo".parse().unwrap(),
            sequence: Sequence::new(42).unwrap(),
            identity: Digest::of(b"list"),
            received: Created::from_epoch(1_700_000_000).unwrap(),
        }
    }

    #[test]
    fn a_receipt_is_read_back_and_proved_by_its_key_only() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let text = sample().sign(&key).unwrap();
        let signed = SignedReceipt::parse(&text).unwrap();
        assert_eq!(signed.receipt, sample());
        assert_eq!(signed.key, key.verifying_key().key_id());
        assert_eq!(signed.check(key.verifying_key()), Ok(()));
        assert_eq!(
            signed.check(other.verifying_key()).unwrap_err().id(),
            "E402"
        );
        let higher = text.replace("sequence 42", "sequence 43");
        let higher = SignedReceipt::parse(&higher).unwrap();
        assert_eq!(higher.check(key.verifying_key()).unwrap_err().id(), "E402");
        for wrong in [
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            text.replace("sequence 42", "sequence 042"),
            text.replace("name demo", "name  demo"),
            format!("{text}\n"),
            text.replace("identity ", "identity x"),
            String::new(),
        ] {
            assert_eq!(
                SignedReceipt::parse(&wrong).unwrap_err().id(),
                "E295",
                "{wrong}"
            );
        }
        let newer = text.replace("receipt 1", "receipt 2");
        assert_eq!(SignedReceipt::parse(&newer).unwrap_err().id(), "E520");
    }

    #[test]
    fn the_code_of_an_identity_is_the_same_for_ever() {
        let identity: Digest = "00ff102030405060708090a0b0c0d0e0f0ffffffffffffffffffffffffffffff"
            .parse()
            .unwrap();
        let code = Code::of(&identity);
        assert_eq!(code.to_string(), "03ZH-081G-8186-0W40-W6");
        assert_eq!("03zh o8ig 8L86 ow40 w6".parse(), Ok(code));
        assert!(code.is_of(&identity) && !code.is_of(&Digest::of(b"")));
    }

    proptest! {
        #[test]
        fn every_single_slip_in_a_code_shows(
            bytes in any::<[u8; 32]>(), at in 0_usize..18, by in 1_usize..32,
        ) {
            let identity = Digest::from_bytes(bytes);
            let code = Code::of(&identity);
            let text: Vec<char> = code.to_string().chars().filter(|c| *c != '-').collect();
            prop_assert_eq!(code.to_string().parse(), Ok(code));
            let mut slip = text.clone();
            let value = DIGITS.iter().position(|digit| char::from(*digit) == slip[at]).unwrap();
            slip[at] = char::from(DIGITS[(value + by) % 32]);
            prop_assert!(slip.iter().collect::<String>().parse::<Code>().is_err());
            if at < 15 && text[at] != text[at + 1] {
                let mut swapped = text.clone();
                swapped.swap(at, at + 1);
                prop_assert!(swapped.iter().collect::<String>().parse::<Code>().is_err());
            }
            let mut short = text;
            short.remove(at);
            prop_assert!(short.iter().collect::<String>().parse::<Code>().is_err());
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in ".{0,200}") {
            let _ = SignedReceipt::parse(&text);
            let _ = text.parse::<Code>();
        }
    }
}
