//! Programs that are asked about many texts at once, or that keep running: the compiler of TypeScript, a
//! PostgreSQL server, Ansible.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::stage::tools::types_project;
use crate::support::postgres::Cluster;
use crate::support::staged::{said, tool};

use super::bench::{Bench, Verdict, passes};
use super::files::{JOINED, Reader, Sample};
use super::samples::Samples;

/// One program; that it refuses what is wrong is part of its function.
pub(super) struct Validator {
    pub(super) name: &'static str,
    pub(super) reads: Reader,
    pub(super) ask: fn(&Samples, &Bench, &[Sample]) -> Verdict,
}

pub(super) const VALIDATORS: &[Validator] = &[
    Validator {
        name: "tsc",
        reads: Reader::Config,
        ask: types,
    },
    Validator {
        name: "postgres 17, pg_hba_file_rules",
        reads: Reader::PgHba,
        ask: access,
    },
    Validator {
        name: "postgres 17, psql twice",
        reads: Reader::Sql,
        ask: sql,
    },
    Validator {
        name: "ansible-inventory, yamllint",
        reads: Reader::Inventory,
        ask: inventories,
    },
    Validator {
        name: "ansible-lint, --syntax-check",
        reads: Reader::Playbooks,
        ask: playbooks,
    },
];

/// Mattermost's published types; one configuration with a key that the server does not know is refused.
fn types(samples: &Samples, _: &Bench, all: &[Sample]) -> Verdict {
    let project = types_project();
    let folder = samples.path("types");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(project.join("node_modules"), folder.join("node_modules")).unwrap();
    let options = fs::read_to_string(project.join("tsconfig.json")).unwrap();
    fs::write(
        folder.join("tsconfig.json"),
        options.replace("\"config.ts\"", "\"all.ts\""),
    )
    .unwrap();
    let check = |configs: &[&str]| {
        let mut text = String::from(
            "import type {AdminConfig} from '@mattermost/types/config';\n\
             type Part<T> = {[K in keyof T]?: T[K] extends object ? (T[K] extends unknown[] ? T[K] : Part<T[K]>) : T[K]};\n",
        );
        for (number, config) in configs.iter().enumerate() {
            writeln!(
                text,
                "export const c{number}: Part<AdminConfig> = {config};"
            )
            .unwrap();
        }
        fs::write(folder.join("all.ts"), text).unwrap();
        passes(
            tool("node", "nodejs")
                .current_dir(&folder)
                .arg("node_modules/typescript/bin/tsc")
                .args(["--project", "."]),
        )
    };
    let configs: Vec<&str> = all.iter().map(|sample| sample.text.as_str()).collect();
    check(&configs)?;
    let wrong = configs
        .first()
        .unwrap()
        .replace("\"EnableLinkPreviews\"", "\"EnableLinkPreview\"");
    match check(&[&wrong]) {
        Ok(()) => Err("takes EnableLinkPreview".to_owned()),
        Err(_) => Ok(()),
    }
}

const ETC: &str = "/etc/postgresql/17/main";

/// A server with TLS on, and nothing of a deployment in it.
fn server(samples: &Samples, name: &str) -> Cluster {
    let folder = samples.path(name);
    let etc = folder.join(format!("rootfs{ETC}"));
    fs::create_dir_all(etc.join("conf.d")).unwrap();
    fs::copy(samples.path("chat.pem"), etc.join("server.crt")).unwrap();
    fs::copy(samples.path("chat.key"), etc.join("server.key")).unwrap();
    fs::write(etc.join("pg_hba.conf"), "local all postgres peer\n").unwrap();
    let settings = format!(
        "ssl = on\nssl_cert_file = '{ETC}/server.crt'\nssl_key_file = '{ETC}/server.key'\nlisten_addresses = ''\n"
    );
    fs::write(etc.join("conf.d/tls.conf"), settings).unwrap();
    let owned = ["server.key", "pg_hba.conf"]
        .map(|name| format!("file\t0600\tpostgres\tpostgres\t-\t-\t{ETC}/{name}\t-\n"));
    fs::write(folder.join("perms.tsv"), owned.concat()).unwrap();
    let cluster = Cluster::new(&folder, 17, &[]);
    cluster.init();
    cluster.start().unwrap();
    cluster
}

fn access(samples: &Samples, _: &Bench, all: &[Sample]) -> Verdict {
    let cluster = server(samples, "access");
    let place = cluster.room.seen(&format!("{ETC}/pg_hba.conf"));
    let errors = |text: &str| {
        fs::write(&place, text).unwrap();
        cluster.ask("SELECT count(*) > 3, count(error) FROM pg_hba_file_rules")
    };
    for sample in all {
        let found = errors(&sample.text);
        if found != "t|0" {
            let told = cluster
                .ask("SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL");
            return Err(format!("{}\n{found} {told}\n{}", sample.at, sample.text));
        }
    }
    let wrong = all
        .first()
        .unwrap()
        .text
        .replacen("scram-sha-256", "scram-sha-1", 1);
    match errors(&wrong).as_str() {
        "t|1" => Ok(()),
        other => Err(format!("scram-sha-1 gives {other}")),
    }
}

fn sql(samples: &Samples, _: &Bench, all: &[Sample]) -> Verdict {
    let cluster = server(samples, "sql");
    for sample in all {
        for _ in 0..2 {
            let out = cluster.feed(&sample.text);
            if !out.status.success() {
                return Err(format!("{}\n{}", said(&out), sample.at));
            }
        }
    }
    let wrong = all.first().unwrap().text.replacen("GRANT ", "GRAND ", 1);
    if cluster.feed(&wrong).status.success() {
        Err("takes GRAND".to_owned())
    } else {
        Ok(())
    }
}

/// Each is read; all are YAML that a careful person would have written.
fn inventories(samples: &Samples, _: &Bench, all: &[Sample]) -> Verdict {
    let folder = samples.path("inventories");
    fs::create_dir_all(&folder).unwrap();
    let mut command = tool("ansible-inventory", "ansible-core");
    command
        .arg("--list")
        .env("HOME", &folder)
        .current_dir(&folder);
    command.env("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "1");
    for (number, sample) in all.iter().enumerate() {
        let name = format!("inventory-{number}.yml");
        fs::write(folder.join(&name), &sample.text).unwrap();
        command.args(["-i", &name]);
    }
    passes(&mut command)?;
    passes(
        tool("yamllint", "yamllint")
            .args(["--strict", "."])
            .current_dir(&folder),
    )?;
    fs::write(
        folder.join("inventory-0.yml"),
        all.first().unwrap().text.replacen("hosts:", "hosts", 1),
    )
    .unwrap();
    match passes(&mut command) {
        Ok(()) => Err("takes an inventory that is no YAML".to_owned()),
        Err(_) => Ok(()),
    }
}

/// They are the same on every stage; what differs is in the inventory.
fn playbooks(samples: &Samples, _: &Bench, all: &[Sample]) -> Verdict {
    let [sample] = all else {
        return Err(format!("{} different sets of playbooks", all.len()));
    };
    let folder = samples.path("playbooks");
    for (path, text) in sample.path.split(' ').zip(sample.text.split(JOINED)) {
        let place = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    let lint = |folder: &Path| {
        passes(
            tool("ansible-lint", "ansible-lint")
                .args(["--offline", "--strict", "--profile", "production"])
                .env("HOME", samples.path(""))
                .current_dir(folder),
        )
    };
    lint(&folder)?;
    for playbook in ["site.yml", "verify.yml", "rollback.yml"] {
        passes(
            tool("ansible-playbook", "ansible-core")
                .args(["--syntax-check", playbook])
                .env("HOME", samples.path(""))
                .current_dir(&folder),
        )?;
    }
    let site = fs::read_to_string(folder.join("site.yml")).unwrap();
    fs::write(
        folder.join("site.yml"),
        site.replacen("serial: 1", "serail: 1", 1),
    )
    .unwrap();
    match lint(&folder) {
        Ok(()) => Err("takes serail".to_owned()),
        Err(_) => Ok(()),
    }
}
