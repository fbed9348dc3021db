//! Sign-off sheet and labels.

use super::Office;

#[test]
fn the_sheet_and_each_label_begin_and_end_with_the_marking_and_state_the_identity() {
    let office = Office::new();
    let identity = haversack::custody::begin_of(&office.bundle).unwrap();
    office.ok(&[
        "custody",
        "add",
        "log",
        "--of",
        "demo",
        "--actor",
        "Zoë <Example>",
        "--role",
        "courier",
        "--action",
        "carried",
        "--note",
        "seal 4711",
    ]);
    let head = office
        .ok(&["custody", "verify", "log"])
        .lines()
        .find_map(|line| line.split_once('(').filter(|_| line.starts_with("  head")))
        .map(|(_, label)| label.trim_end_matches(')').to_owned());
    let head = head.unwrap();
    let text = office.ok(&["custody", "export", "demo", "--log", "log"]);
    assert!(text.starts_with("UNCLASSIFIED\n"), "{text}");
    assert!(text.ends_with("\nUNCLASSIFIED\n"), "{text}");
    for wanted in [
        &format!("identity    {}", identity.label()),
        "demo 1.2.3, number 42",
        "medium 1 of 1: payload v1, 3 files, 2.3 MiB",
        "medium 1 of 1  v1",
        "openssl dgst -sha384 -verify KEY.pem -signature sig/KEYID.sig SHA256SUMS",
        "sha256sum --strict --quiet -c SHA256SUMS",
        "find . ! -type d ! -path './sig/*' | wc -l                                   says: 10",
        "supervised by two cleared people (ISM-0372)",
        "carried    Zoë <Example> (courier); seal 4711: ok",
        &format!("head of the log: {head}"),
        "| UNCLASSIFIED                                                 |",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    // What the sheet says that `find` prints is what it prints.
    let counted = std::process::Command::new("sh")
        .args(["-c", "find . ! -type d ! -path './sig/*' | wc -l"])
        .current_dir(&office.bundle)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(counted.stdout).unwrap().trim(), "10");

    office.ok(&[
        "custody",
        "export",
        "demo",
        "--log",
        "log",
        "--format",
        "html",
        "--output",
        "sheet.html",
    ]);
    let page = office.read("sheet.html");
    assert!(page.contains("Zoë &lt;Example&gt;"), "{page}");
    for foreign in ["http", "<script", "src=", "url(", "@import", "{{", "{%"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for (part, sheet, label) in [("sheet", 1, 0), ("labels", 0, 1), ("all", 1, 1)] {
        let page = office.ok(&[
            "custody", "export", "demo", "--what", part, "--format", "html",
        ]);
        assert_eq!(
            page.matches("<h1>Sign-off sheet</h1>").count(),
            sheet,
            "{part}"
        );
        assert_eq!(
            page.matches("<div class=\"label\">").count(),
            label,
            "{part}"
        );
        let first = page.find("UNCLASSIFIED").unwrap();
        assert!(first < page.find("<body>").unwrap());
    }
    // The same bundle and log give the same page.
    let again = office.ok(&[
        "custody", "export", "demo", "--log", "log", "--format", "html",
    ]);
    assert_eq!(again, page);
}
