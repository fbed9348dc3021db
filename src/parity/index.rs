//! `p1/blocks.sha256`: the hash of each block, data and parity.
//!
//! ASCII. Header lines that `sha256sum` takes for comments, exactly these keys in this order; then a line
//! for each block: 64 lower-case hex digits, two spaces, the volume and the number of the block in it.
//! A block that is not full is hashed as it is, without the zeros that the code thinks behind it. There
//! is exactly one text for each content.
//!
//! ```text
//! # haversack-blocks 1
//! # block 1048576
//! # volumes 733412345 700000001
//! # parity groups 1 rows 144 volumes 1
//! <64 hex>  v1/0
//! <64 hex>  p1/0
//! ```

use std::fmt::Write as _;

use crate::parity::shape::{MAX_BLOCKS, Shape, ShapeError};
use crate::types::digest::Digest;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// Longest text, in bytes: 96 for each block, and the header.
pub const MAX_BYTES: u64 = MAX_BLOCKS * 2 * 96 + 65_536;

/// The hashes of all blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    shape: Shape,
    data: Vec<Digest>,
    parity: Vec<Digest>,
}

/// Why a text is no list of blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is written in a newer format.
    #[error("blocks.sha256: format {0}, this program knows {FORMAT}")]
    Newer(u64),
    /// It is longer than a list may be.
    #[error("blocks.sha256 is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A line is not what it must be.
    #[error("blocks.sha256 line {line}: expected {expected}")]
    Malformed {
        /// Line, counted from 1.
        line: usize,
        /// What should stand there.
        expected: String,
    },
    /// Its numbers fit no payload.
    #[error("blocks.sha256")]
    Shape(#[from] ShapeError),
}

impl Index {
    /// The list of these hashes; none when their number is not that of the shape.
    #[must_use]
    pub fn new(shape: Shape, data: Vec<Digest>, parity: Vec<Digest>) -> Option<Self> {
        let right = u64::try_from(data.len()) == Ok(shape.data())
            && u64::try_from(parity.len()) == Ok(shape.parity());
        right.then_some(Self {
            shape,
            data,
            parity,
        })
    }

    /// Reads a list whose own hash was checked.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            return Err(IndexError::TooLong);
        }
        let wrong = |line: usize, expected: &str| IndexError::Malformed {
            line,
            expected: expected.to_owned(),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(1, "ASCII"))?;
        let mut lines = text.lines();
        let mut header = |line: usize, key: &str| {
            let found = lines.next().and_then(|text| text.strip_prefix(key));
            found.ok_or_else(|| wrong(line, key))
        };
        let format = number(header(1, "# haversack-blocks ")?).ok_or(wrong(1, "a number"))?;
        if format > u64::from(FORMAT) {
            return Err(IndexError::Newer(format));
        }
        let block = number(header(2, "# block ")?).ok_or(wrong(2, "a number"))?;
        let volumes: Option<Vec<u64>> = header(3, "# volumes ")?.split(' ').map(number).collect();
        let volumes = volumes.ok_or(wrong(3, "numbers"))?;
        let parity = header(4, "# parity groups ")?;
        let numbers: Vec<&str> = parity.split(' ').collect();
        let (groups, rows, parity_volumes) = match numbers.as_slice() {
            [groups, "rows", rows, "volumes", volumes] => {
                (number(groups), number(rows), number(volumes))
            }
            _ => (None, None, None),
        };
        let (Some(groups), Some(rows), Some(parity_volumes)) = (groups, rows, parity_volumes)
        else {
            return Err(wrong(4, "# parity groups N rows N volumes N"));
        };
        let shape = Shape::of(block, &volumes, groups, rows, parity_volumes)?;
        let mut hashes = Vec::new();
        for (at, name) in names(&shape).enumerate() {
            let line = lines.next().unwrap_or_default();
            let digest = line
                .split_once("  ")
                .filter(|(_, found)| *found == name)
                .and_then(|(digest, _)| digest.parse::<Digest>().ok());
            let expected = || wrong(at.saturating_add(5), &format!("<64 hex>  {name}"));
            hashes.push(digest.ok_or_else(expected)?);
        }
        let data = usize::try_from(shape.data()).unwrap_or(usize::MAX);
        let parity = hashes.split_off(data.min(hashes.len()));
        let index = Self {
            shape,
            data: hashes,
            parity,
        };
        if index.render().as_bytes() == bytes {
            Ok(index)
        } else {
            Err(wrong(text.lines().count(), "the one text of this content"))
        }
    }

    /// The text.
    #[must_use]
    pub fn render(&self) -> String {
        let shape = &self.shape;
        let volumes: Vec<String> = shape.volumes().iter().map(ToString::to_string).collect();
        let mut text = format!(
            "# haversack-blocks {FORMAT}\n# block {}\n# volumes {}\n# parity groups {} rows {} volumes {}\n",
            shape.block(),
            volumes.join(" "),
            shape.groups(),
            shape.rows(),
            shape.parity_volumes()
        );
        for (digest, name) in self.data.iter().chain(&self.parity).zip(names(shape)) {
            // Writing to a string never fails.
            let _ = writeln!(text, "{digest}  {name}");
        }
        text
    }

    /// The blocks.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// SHA-256 of each data block.
    #[must_use]
    pub fn data(&self) -> &[Digest] {
        &self.data
    }

    /// SHA-256 of each parity block.
    #[must_use]
    pub fn parity(&self) -> &[Digest] {
        &self.parity
    }
}

/// Bytes of the text of a list of these blocks, whatever their hashes are.
#[must_use]
pub fn length(shape: &Shape) -> u64 {
    let nothing = |count: u64| vec![Digest::of(b""); usize::try_from(count).unwrap_or(0)];
    let index = Index::new(
        shape.clone(),
        nothing(shape.data()),
        nothing(shape.parity()),
    );
    let text = index.map(|index| index.render()).unwrap_or_default();
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// The names of all blocks in order, as people read them: `v2/17` is the block 17 of volume 2,
/// counted from 0.
pub fn names(shape: &Shape) -> impl Iterator<Item = String> {
    let data = shape.volumes().iter().enumerate().flat_map(|(at, bytes)| {
        let volume = at.saturating_add(1);
        (0..bytes.div_ceil(shape.block())).map(move |block| format!("v{volume}/{block}"))
    });
    let each = shape.parity_of_volume();
    let parity = (1..=shape.parity_volumes())
        .flat_map(move |volume| (0..each).map(move |block| format!("p{volume}/{block}")));
    data.chain(parity)
}

/// A decimal number without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::shape::Amount;

    fn sample() -> Index {
        let amount = Amount {
            percent: Some(10),
            spare_volumes: 0,
        };
        let shape = Shape::new(&[65_537, 3], amount).unwrap();
        let digest = |text: &str| Digest::of(text.as_bytes());
        Index::new(
            shape,
            vec![digest("a"), digest("b"), digest("c")],
            vec![digest("p")],
        )
        .unwrap()
    }

    #[test]
    fn there_is_one_text_for_each_content() {
        let text = sample().render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "# haversack-blocks 1",
                "# block 65536",
                "# volumes 65537 3",
                "# parity groups 1 rows 1 volumes 1"
            ]
        );
        let ends: Vec<&str> = lines[4..]
            .iter()
            .filter_map(|line| line.get(66..))
            .collect();
        assert_eq!(ends, ["v1/0", "v1/1", "v2/0", "p1/0"]);
        assert_eq!(Index::parse(text.as_bytes()), Ok(sample()));
        for (from, to) in [
            ("# block 65536", "# block 065536"),
            ("# block 65536", "# block 65537"),
            ("65537 3", "65537  3"),
            ("65537 3", "65537 18446744073709551615"),
            ("rows 1", "rows 0"),
            ("groups 1", "groups 4"),
            ("v2/0", "v2/1"),
            ("  p1/0\n", "  p1/0"),
            ("  p1/0\n", "  p1/0\n\n"),
            ("  p1/0\n", "  p1/0\r\n"),
            ("blocks 1", "blocks 2"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert!(Index::parse(other.as_bytes()).is_err(), "{from} {to}");
        }
        for cut in 0..text.len() {
            assert!(Index::parse(&text.as_bytes()[..cut]).is_err(), "{cut}");
        }
    }
}
