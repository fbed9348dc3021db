//! The one point that every effect on files passes, where a test may let it fail.
//!
//! Programs are built without the feature `fault-injection`: then nothing is here but functions that
//! do nothing, and no input of any kind can make an effect fail. With it, `arm` says what happens at
//! the N-th effect: the process is killed, or the operating system seems to have refused.

use std::io;
use std::path::Path;

/// An effect on files, or a look at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect<'p> {
    /// Something with what stands or shall stand at a path.
    At(&'static str, &'p Path),
    /// Something with an open file.
    Open(&'static str, i32),
}

#[cfg(not(feature = "fault-injection"))]
mod none {
    use super::{Effect, io};

    /// Lets the effect happen.
    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
    pub(in crate::fs) const fn reach(_: Effect<'_>) -> io::Result<()> {
        Ok(())
    }

    /// How many of `wanted` bytes are read or written at once: all.
    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
    pub(in crate::fs) const fn allow(_: Effect<'_>, wanted: usize) -> io::Result<usize> {
        Ok(wanted)
    }
}

#[cfg(not(feature = "fault-injection"))]
pub(super) use none::{allow, reach};

#[cfg(feature = "fault-injection")]
pub use armed::{Fault, Plan, arm};
#[cfg(feature = "fault-injection")]
pub(super) use armed::{allow, reach};

#[cfg(feature = "fault-injection")]
mod armed {
    use std::fmt::Write as _;
    use std::fs::{File, read_link};
    use std::io::Write as _;
    use std::str::FromStr;
    use std::sync::{Mutex, PoisonError};

    use super::{Effect, io};

    /// What happens at an effect.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Fault {
        /// The process is killed before the effect.
        Kill,
        /// The process stops before the effect, until somebody lets it go on (SIGCONT).
        Stop,
        /// This error number, instead of the effect.
        Refuse(i32),
        /// Half of the bytes are read or written; other effects happen as they should.
        Short,
    }

    /// Which effects fail, and how.
    #[derive(Debug)]
    pub struct Plan {
        /// The number of the first effect that fails, from 1; none when it is 0.
        pub at: u64,
        /// Only effects of this name are counted: where threads work side by side, the number among all varies.
        pub of: Option<String>,
        /// Whether all after it fail too that take room on a disk, as when it is full; with
        /// [`Fault::Stop`], whether the process stops before each that follows.
        pub lasting: bool,
        /// What happens.
        pub fault: Fault,
        /// Where a line for each effect is written.
        pub trace: Option<File>,
    }

    /// A text that is no plan.
    #[derive(Debug, thiserror::Error)]
    #[error(
        "a fault is written N:kill, N:stop, N+:stop, N:short, N:ERRNO, or N+:ERRNO; N may be EFFECT#N"
    )]
    pub struct ParsePlanError;

    impl FromStr for Plan {
        type Err = ParsePlanError;

        fn from_str(text: &str) -> Result<Self, ParsePlanError> {
            let (at, fault) = text.split_once(':').ok_or(ParsePlanError)?;
            let (at, lasting) = at.strip_suffix('+').map_or((at, false), |at| (at, true));
            let (of, at) = at
                .split_once('#')
                .map_or((None, at), |(of, at)| (Some(of.to_owned()), at));
            let fault = match fault {
                "kill" => Fault::Kill,
                "stop" => Fault::Stop,
                "short" => Fault::Short,
                number => Fault::Refuse(number.parse().map_err(|_| ParsePlanError)?),
            };
            Ok(Self {
                at: at.parse().map_err(|_| ParsePlanError)?,
                of,
                lasting,
                fault,
                trace: None,
            })
        }
    }

    /// Effects for which a file system needs room.
    const TAKE_ROOM: &[&str] = &[
        "create",
        "create folder",
        "exchange",
        "link",
        "rename",
        "rename to",
        "set length",
        "sync",
        "write",
    ];

    struct State {
        plan: Plan,
        /// Effects so far.
        count: u64,
        /// Those of them that the plan counts.
        counted: u64,
    }

    static STATE: Mutex<Option<State>> = Mutex::new(None);

    /// From now on effects are counted, and fail as `plan` says.
    pub fn arm(plan: Plan) {
        *STATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(State {
            plan,
            count: 0,
            counted: 0,
        });
    }

    /// Lets the effect happen, or not.
    pub(in crate::fs) fn reach(effect: Effect<'_>) -> io::Result<()> {
        allow(effect, 0).map(|_| ())
    }

    /// How many of `wanted` bytes are read or written at once.
    pub(in crate::fs) fn allow(effect: Effect<'_>, wanted: usize) -> io::Result<usize> {
        let mut guard = STATE.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = guard.as_mut() else {
            return Ok(wanted);
        };
        state.count = state.count.saturating_add(1);
        let name = match effect {
            Effect::At(name, _) | Effect::Open(name, _) => name,
        };
        let counts = state.plan.of.as_deref().is_none_or(|of| of == name);
        if counts {
            state.counted = state.counted.saturating_add(1);
        }
        let hit = counts && state.counted == state.plan.at;
        let after = state.plan.lasting && state.plan.at > 0 && state.counted > state.plan.at;
        if let Some(trace) = &mut state.plan.trace {
            let mut line = format!("{} {name} ", state.count);
            let path = match effect {
                Effect::At(_, path) => path.to_owned(),
                Effect::Open(_, file) => read_link(format!("/proc/self/fd/{file}"))?,
            };
            // Writing to a String cannot fail.
            let _ = writeln!(line, "{}", path.display());
            trace.write_all(line.as_bytes())?;
        }
        let also = after && (state.plan.fault == Fault::Stop || TAKE_ROOM.contains(&name));
        if !(hit || also) {
            return Ok(wanted);
        }
        match state.plan.fault {
            Fault::Kill => {
                let own = rustix::process::getpid();
                let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
                // The signal is on its way.
                loop {
                    std::thread::park();
                }
            }
            Fault::Stop => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::STOP)?;
                Ok(wanted)
            }
            Fault::Refuse(number) => Err(io::Error::from_raw_os_error(number)),
            Fault::Short => Ok(wanted.div_ceil(2)),
        }
    }
}
