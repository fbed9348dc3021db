//! Whether a staged program runs here: its ELF header, and the C library that it asks for.

use crate::checks::Word;
use crate::preflight::machine::{Call, Machine};
use crate::preflight::report::Verdict;
use crate::types::path::RelPath;

/// What a symbol version of the C library begins with.
const MARK: &[u8] = b"GLIBC_2.";
/// Bytes of a file that are looked at as its header.
const HEADER: usize = 20;

pub(super) fn program(
    machine: &dyn Machine,
    artifact: &RelPath,
    member: Option<&Word>,
    elf: u16,
) -> Verdict {
    let file = machine.staged_path(&format!("artifacts/{artifact}"));
    if !machine.exists(&file) {
        return Verdict::bad(format!("artifacts/{artifact} is not there"));
    }
    let mut scan = Scan::default();
    let mut take = |bytes: &[u8]| scan.feed(bytes);
    match member {
        Some(member) => machine.stream("tar", &["-xzOf", &file, member.as_str()], &mut take),
        None => machine.stream("cat", &[&file], &mut take),
    }
    let header = scan.header.as_slice();
    if header.starts_with(b"#!") {
        return Verdict::ok("a script");
    }
    if !header.starts_with(b"\x7fELF") {
        return Verdict::bad("no program");
    }
    let kind = match header.get(18..HEADER) {
        Some([low, high]) => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    if kind != elf {
        return Verdict::bad(format!("ELF machine {kind}, this host runs {elf}"));
    }
    let Some(needs) = scan.highest() else {
        return Verdict::ok("needs no C library");
    };
    let said = machine
        .run(&Call::new("getconf", &["GNU_LIBC_VERSION"]))
        .text;
    let has: Option<u32> = said
        .strip_prefix("glibc 2.")
        .and_then(|rest| rest.split('.').next()?.parse().ok());
    match has {
        None => Verdict::bad(format!("needs glibc 2.{needs}, this host has none")),
        Some(has) if has >= needs => {
            Verdict::ok(format!("needs glibc 2.{needs}, this host has 2.{has}"))
        }
        Some(has) => Verdict::bad(format!("needs glibc 2.{needs}, this host has 2.{has}")),
    }
}

/// Looks for `GLIBC_2.N` in bytes that come in pieces.
#[derive(Debug, Default)]
struct Scan {
    header: Vec<u8>,
    matched: usize,
    number: Option<u32>,
    highest: Option<u32>,
}

impl Scan {
    fn feed(&mut self, bytes: &[u8]) {
        let wanted = HEADER.saturating_sub(self.header.len());
        self.header.extend(bytes.iter().take(wanted));
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if MARK.get(self.matched) == Some(&byte) {
            self.matched = self.matched.saturating_add(1);
            return;
        }
        if self.matched == MARK.len() && byte.is_ascii_digit() {
            let so_far = self.number.unwrap_or(0);
            self.number = Some(
                so_far
                    .saturating_mul(10)
                    .saturating_add(u32::from(byte - b'0')),
            );
            return;
        }
        self.end();
        self.matched = usize::from(MARK.first() == Some(&byte));
    }

    fn end(&mut self) {
        self.highest = self.highest.max(self.number.take());
        self.matched = 0;
    }

    fn highest(mut self) -> Option<u32> {
        self.end();
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    fn decide(text: &str, libc: &str) -> Verdict {
        let table = Table::default()
            .file("/here/artifacts/app/app.tar.gz", "")
            .program("tar -xzOf /here/artifacts/app/app.tar.gz app/bin/app", text)
            .program("getconf GNU_LIBC_VERSION", libc);
        let member = "app/bin/app".parse().unwrap();
        program(
            &table,
            &"app/app.tar.gz".parse().unwrap(),
            Some(&member),
            62,
        )
    }

    fn elf(machine: char, rest: &str) -> String {
        format!("\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{2}\0{machine}\0{rest}")
    }

    #[test]
    fn the_highest_version_that_a_program_asks_for_counts() {
        let asks = elf('\u{3e}', "GLIBC_2.2.5\0GGLIBC_2.34\0GLIBC_2.9\0GLIBC_2.x");
        assert_eq!(
            decide(&asks, "glibc 2.36"),
            Verdict::ok("needs glibc 2.34, this host has 2.36")
        );
        assert_eq!(
            decide(&asks, "glibc 2.34"),
            Verdict::ok("needs glibc 2.34, this host has 2.34")
        );
        assert_eq!(
            decide(&asks, "glibc 2.28"),
            Verdict::bad("needs glibc 2.34, this host has 2.28")
        );
        assert_eq!(
            decide(&asks, ""),
            Verdict::bad("needs glibc 2.34, this host has none")
        );
        assert_eq!(
            decide(&elf('\u{3e}', "GLIBC_2."), ""),
            Verdict::ok("needs no C library")
        );
    }

    #[test]
    fn a_program_for_another_machine_is_found() {
        assert_eq!(
            decide(&elf('\u{b7}', ""), ""),
            Verdict::bad("ELF machine 183, this host runs 62")
        );
        assert_eq!(decide("#!/bin/sh\n", ""), Verdict::ok("a script"));
        assert_eq!(decide("hello", ""), Verdict::bad("no program"));
        assert_eq!(
            decide("\u{7f}ELF", ""),
            Verdict::bad("ELF machine 0, this host runs 62")
        );
        let none = program(&Table::default(), &"app/x".parse().unwrap(), None, 62);
        assert_eq!(none, Verdict::bad("artifacts/app/x is not there"));
    }
}
