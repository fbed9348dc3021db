//! What a user is told when a command cannot do its work.

use std::error::Error;
use std::fmt::Write as _;

use serde::Serialize;

use super::exit::Class;

/// A refusal: a stable id, what happened, why, and what to do next.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// Stable id such as `E301`; its first digit is the exit code.
    pub(crate) id: String,
    /// The error and its causes, outermost first.
    pub(crate) messages: Vec<String>,
    /// The next step.
    pub(crate) hint: Option<String>,
    /// Lines shown before the message as they are: several problems with their places.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) details: String,
}

impl Failure {
    /// A refusal out of an error with all its causes.
    pub(crate) fn new(id: &str, error: &dyn Error, hint: Option<String>) -> Self {
        let mut messages: Vec<String> = Vec::new();
        let mut next = Some(error);
        while let Some(one) = next {
            let text = one.to_string();
            // Transparent wrappers repeat the text of what they wrap.
            if messages.last() != Some(&text) {
                messages.push(text);
            }
            next = one.source();
        }
        Self {
            id: id.to_owned(),
            messages,
            hint,
            details: String::new(),
        }
    }

    /// A refusal of the command line itself.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::plain("E200", message, hint)
    }

    /// A refusal in one sentence.
    pub(crate) fn plain(id: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            messages: vec![message.into()],
            hint: Some(hint.into()),
            details: String::new(),
        }
    }

    /// Adds lines that stand before the message.
    pub(crate) fn with_details(mut self, details: String) -> Self {
        self.details = details;
        self
    }

    /// How the run ends.
    pub(crate) fn class(&self) -> Class {
        Class::of_id(&self.id)
    }

    /// The text for a person.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        if !self.details.is_empty() {
            text.push_str(self.details.trim_end());
            text.push('\n');
        }
        let mut messages = self.messages.iter();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "error[{}]: {}",
            self.id,
            messages.next().map_or("", String::as_str)
        );
        for cause in messages {
            let _ = writeln!(text, "  because: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  next: {hint}");
        }
        let _ = writeln!(text, "  more: haversack explain {}", self.id);
        text
    }
}

/// Turns library errors with `id()` and `hint()` into refusals.
macro_rules! failures {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.id(), &error, error.hint())
            }
        })*
    };
}

failures! {
    haversack::fs::PathError,
    haversack::custody::CustodyError,
    haversack::report::envelope::EnvelopeError,
    haversack::trust::set::SetError,
    haversack::bundle::SignError,
    haversack::bundle::PackError,
    haversack::bundle::receipt::ReceiptError,
    haversack::carry::CarryError,
    haversack::trust::directory::TrustError,
    haversack::verify::MemoryError,
    haversack::bundle::patch::RecarryError,
    haversack::gather::GatherError,
    haversack::media::MediaError,
    haversack::repair::RepairError,
    haversack::verify::VerifyError,
    haversack::manifest::ManifestProblems,
    haversack::lock::LockError,
    haversack::bundle::FromLockError,
    haversack::checks::CheckListError,
    haversack::plan::DeploymentError,
    haversack::stage::AuditError,
    haversack::stage::DifferenceError,
    haversack::stage::StageError,
}

#[cfg(feature = "connected")]
failures! {
    haversack::bundle::changes::ChangesError,
    haversack::net::NetError,
    haversack::resolve::RecheckError,
}

#[cfg(feature = "connected")]
impl From<haversack::resolve::ResolveError> for Failure {
    fn from(error: haversack::resolve::ResolveError) -> Self {
        let details = error.details();
        Self::new(error.id(), &error, error.hint()).with_details(details)
    }
}

#[cfg(feature = "connected")]
impl From<haversack::fetch::FetchError> for Failure {
    fn from(error: haversack::fetch::FetchError) -> Self {
        // One file is named by the message; of several it has only the first.
        let several = matches!(&error, haversack::fetch::FetchError::Files { failures, .. } if failures.len() > 1);
        let details = if several || error.id() == "E711" {
            error.details()
        } else {
            String::new()
        };
        Self::new(error.id(), &error, error.hint()).with_details(details)
    }
}

impl From<haversack::event::Cancelled> for Failure {
    fn from(error: haversack::event::Cancelled) -> Self {
        Self::new("E130", &error, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_causes_and_the_next_step() {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = haversack::fs::PathError {
            action: "open",
            path: "/x".into(),
            source,
        };
        let failure = Failure::from(error);
        assert_eq!(
            failure.render(),
            "error[E604]: cannot open /x\n  because: permission denied\n  next: check owner and \
             permissions of that path\n  more: haversack explain E604\n"
        );
        assert_eq!(failure.class(), Class::Environment);
    }
}
