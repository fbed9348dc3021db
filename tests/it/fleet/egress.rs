//! No generated file names a host outside, unless the deployment says so.

use haversack::stage::StageError;

use crate::support::deployments::edited;
use crate::support::staged::{DEPLOYMENT, Staged, packages};

/// Stages the sample with more text at its end.
fn stage(more: &str) -> Result<Staged, StageError> {
    Staged::with(&edited(DEPLOYMENT, &[("+", more)]), &packages())
}

/// What an unacknowledged host is refused with: host, file, and the line's text is in the file.
fn refused(more: &str) -> Vec<(String, String)> {
    match stage(more) {
        Err(StageError::Egress(found)) => {
            let mut places: Vec<_> = found
                .into_iter()
                .map(|one| {
                    assert!(one.line > 0);
                    (one.host, one.file)
                })
                .collect();
            places.dedup();
            places
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was staged"),
    }
}

fn pair(host: &str, file: &str) -> (String, String) {
    (host.to_owned(), file.to_owned())
}

#[test]
fn the_sample_names_nobody_outside() {
    assert_eq!(Staged::new().report.egress, []);
}

#[test]
fn a_public_mail_server_is_found_with_file_and_line_and_can_be_acknowledged() {
    let smtp = "[smtp]\nhost = \"smtp.relay.net\"\nport = 587\nsecurity = \"starttls\"";
    let config = "mm1/rootfs/opt/mattermost/config/config.json";
    let filter = "mm1/rootfs/etc/nftables.d/mattermost.nft";
    let both = [
        pair("smtp.relay.net", "mm1/preflight.sh"),
        pair("smtp.relay.net", filter),
        pair("smtp.relay.net", config),
    ];
    assert_eq!(refused(smtp), both);

    let policy = "[policy]\negress = [\"smtp.relay.net\"]";
    let staged = stage(&format!("{smtp}\n{policy}")).unwrap();
    let mut found: Vec<_> = staged
        .report
        .egress
        .iter()
        .map(|one| (one.host.as_str(), one.file.as_str(), one.acknowledged))
        .collect();
    found.dedup();
    let acknowledged =
        ["mm1/preflight.sh", filter, config].map(|file| ("smtp.relay.net", file, true));
    assert_eq!(found, acknowledged);
    let line = staged.report.egress.last().unwrap().line;
    let text = staged.text("/opt/mattermost/config/config.json");
    assert!(
        text.lines()
            .nth(line - 1)
            .unwrap()
            .contains("\"smtp.relay.net\"")
    );
    let plan = std::fs::read_to_string(staged.out().join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let first = plan.pointer("/egress/0").unwrap();
    assert_eq!(first.get("host").unwrap(), "smtp.relay.net");
    assert_eq!(first.get("acknowledged").unwrap(), true);
}

#[test]
fn a_public_directory_is_found_by_name_and_by_address() {
    for host in ["ad.contoso.ninja", "20.42.65.92"] {
        let ldap = format!(
            "[ldap]\nhost = \"{host}\"\nport = 636\nsecurity = \"tls\"\nbase_dn = \"dc=x\""
        );
        let found = refused(&ldap);
        assert!(!found.is_empty());
        assert!(found.iter().all(|(found, _)| found == host), "{found:?}");
        let config = "mm1/rootfs/opt/mattermost/config/config.json";
        assert!(found.contains(&pair(host, config)), "{found:?}");
    }
}

#[test]
fn a_neighbour_inside_is_nobody_outside() {
    for host in ["10.9.9.9", "ad.mm.internal", "directory"] {
        let ldap = format!(
            "[ldap]\nhost = \"{host}\"\nport = 636\nsecurity = \"tls\"\nbase_dn = \"dc=x\""
        );
        assert_eq!(stage(&ldap).unwrap().report.egress, [], "{host}");
    }
}
