//! What the fuzzer found worth keeping, given to the readers again.

use std::path::Path;

use crate::targets::TARGETS;

#[test]
fn no_reader_panics_at_the_corpus_of_the_fuzzer() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut bytes = 0;
    for (name, target) in TARGETS {
        let mut files = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            bytes += text.len();
            files += 1;
            target(&text);
        }
        assert!(files > 0, "{name} has no corpus");
    }
    assert!(bytes < 2_000_000, "{bytes} bytes are too many to keep");
    let folders = std::fs::read_dir(corpus).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "a folder without a target");
}
