//! Archives that are not what they should be.

use std::io::Write as _;

use haversack::lock::LockedFile;
use haversack::types::digest::Digest;

use super::{Bench, NAME, TOOL, TOOL_SHA256, manifest_of};
use crate::support::http::Server;

#[test]
fn an_archive_that_is_not_what_it_is_called_is_refused_after_its_digest_was_right() {
    let server = Server::start();
    server.put(NAME, TOOL);
    for (name, bytes, lines, id, text) in [
        (
            "a.tar.gz",
            b"PK\x03\x04zip".to_vec(),
            "",
            "E702",
            "a.tar.gz is called gzip, but is zip (it begins 50 4b 03 04 7a 69 70)",
        ),
        (
            "b.tar.gz",
            TOOL[..100].to_vec(),
            "",
            "E702",
            "b.tar.gz is no readable archive: incomplete deflate stream",
        ),
        (
            "c.tar.gz",
            TOOL.to_vec(),
            "expect = \"tool/bin/other\"",
            "E702",
            "c.tar.gz does not hold `tool/bin/other`; it begins with tool/bin/tool, tool/README.txt",
        ),
        (
            "d",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec(),
            "",
            "E521",
            "d: `d` is a program for arm64, not for amd64",
        ),
        (
            "e.tar.gz",
            tarball(&[("../evil", b"x")]),
            "",
            "E504",
            "e.tar.gz holds `../evil`, which would leave the folder it is unpacked in",
        ),
        (
            "f.tar.gz",
            tarball(&[("a", b"x"), ("./a", b"y")]),
            "",
            "E504",
            "f.tar.gz holds `./a`, which comes twice",
        ),
        (
            "g.tar.gz",
            bomb(),
            "",
            "E503",
            "g.tar.gz exceeds a limit: it unpacks to more than 200 times its size",
        ),
    ] {
        server.put(name, bytes.clone());
        let lines = format!("sha256 = \"{}\"\n{lines}", Digest::of(&bytes));
        let bench = Bench::new();
        let error = bench.resolve(&manifest_of(&server.url(name), &lines));
        let error = error.unwrap_err();
        assert_eq!(error.id(), id, "{error}");
        assert!(text.starts_with(&error.to_string()), "{error}");
        // A lock that was written elsewhere, or long ago, is held to the same.
        let good = format!("sha256 = \"{TOOL_SHA256}\"");
        let mut lock = bench
            .resolve(&manifest_of(&server.url(NAME), &good))
            .unwrap();
        lock.artifacts[0].expect = lines.split('"').nth(3).map(str::to_owned);
        lock.artifacts[0].file = LockedFile {
            path: format!("files/extra-tool/{name}").parse().unwrap(),
            url: server.url(name).parse().unwrap(),
            size: u64::try_from(bytes.len()).unwrap(),
            sha256: Digest::of(&bytes),
        };
        let error = bench.fetch(&lock).unwrap_err();
        assert_eq!(error.id(), id, "{error}");
        assert_eq!(
            error.to_string(),
            format!("1 of 1 file failed: files/extra-tool/{name}: {text}")
        );
        assert!(error.hint().is_some());
    }
}

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(gzip());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A tar of one file of 300 MiB of zeros, as gzip.
fn bomb() -> Vec<u8> {
    let size = 300_u64 << 20;
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(size);
    header.set_cksum();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(header.as_bytes()).unwrap();
    let chunk = vec![0; 1 << 20];
    for _ in 0..300 {
        packed.write_all(&chunk).unwrap();
    }
    packed.finish().unwrap()
}

fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast())
}
