//! Exit codes, which scripts may rely on.

use std::process::ExitCode;

/// How a run ended. The numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Done.
    Ok,
    /// Findings: differences of an audit, or warnings under `--strict`.
    Findings,
    /// Wrong usage, manifest or deployment.
    Usage,
    /// Bytes are not what they must be.
    Integrity,
    /// Nobody who is trusted vouches for them.
    Trust,
    /// A policy forbids it: rollback, platform, format, limits, rules.
    Policy,
    /// Disk, permission, lock.
    Environment,
    /// A download failed.
    Fetch,
    /// Not all is here yet; go on when it is.
    Incomplete,
    /// A fault of this program.
    Internal,
    /// Interrupted by the user.
    Interrupted,
}

impl Class {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Integrity => 3,
            Self::Trust => 4,
            Self::Policy => 5,
            Self::Environment => 6,
            Self::Fetch => 7,
            Self::Incomplete => 8,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// The class of a message id: the first digit after the letter is the exit code.
    pub(crate) fn of_id(id: &str) -> Self {
        if id == "E130" {
            return Self::Interrupted;
        }
        match id.as_bytes() {
            [b'E', b'1', ..] => Self::Findings,
            [b'E', b'2', ..] => Self::Usage,
            [b'E', b'3', ..] => Self::Integrity,
            [b'E', b'4', ..] => Self::Trust,
            [b'E', b'5', ..] => Self::Policy,
            [b'E', b'6', ..] => Self::Environment,
            [b'E', b'7', ..] => Self::Fetch,
            [b'E', b'8', ..] => Self::Incomplete,
            _ => Self::Internal,
        }
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        Self::from(class.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digit_of_an_id_is_its_exit_code() {
        for (id, code) in [
            ("E201", 2),
            ("E301", 3),
            ("E401", 4),
            ("E510", 5),
            ("E602", 6),
            ("E701", 7),
            ("E801", 8),
            ("E130", 130),
            ("E990", 70),
        ] {
            assert_eq!(Class::of_id(id).code(), code, "{id}");
        }
    }
}
