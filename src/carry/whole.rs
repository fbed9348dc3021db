//! Files that were cut for their volumes, held against the hash of the whole when all parts are in place.

use crate::bundle::contents::{Contents, ContentsError};
use crate::carry::CarryError;
use crate::carry::incoming::Incoming;
use crate::event::Progress;
use crate::verify::{Problem, VerifyError};

/// Reads the parts of each cut file once more, in their order: in a transmission they need not come so.
///
/// # Errors
/// When a whole is not what `bundle.json` says, although each part is what the list says; or the parts
/// cannot be read.
pub(super) fn check(
    contents: &Contents,
    incoming: &Incoming,
    progress: &Progress<'_>,
) -> Result<(), CarryError> {
    let mut problems = Vec::new();
    for (path, cut) in &contents.cut {
        if incoming.digest_of(&cut.parts, progress)? != cut.sha256 {
            let text = format!("the parts of {path} make another file than it states");
            problems.push(Problem::Contents(ContentsError::Disagrees(text)));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(VerifyError::Content { problems }.into())
}
