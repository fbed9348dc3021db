//! Folders, file systems, mounts, and files of other programs.

use std::collections::{BTreeMap, BTreeSet};

use super::first_line;
use crate::checks::{Claim, Need};
use crate::preflight::machine::{Call, Machine, Space};
use crate::preflight::report::Verdict;

/// Where installed packages stay: it is there when the space was found before.
const INSTALLED: &str = "/opt/haversack/apt";

pub(super) fn has_space(machine: &dyn Machine, needs: &[Need]) -> Verdict {
    if machine.is_folder(INSTALLED) {
        return Verdict::ok("already installed");
    }
    let mut systems: BTreeMap<u64, (Space, Vec<&Need>)> = BTreeMap::new();
    for need in needs {
        let Some(space) = machine.space(nearest(machine, need.folder.as_str())) else {
            return Verdict::unchecked(format!(
                "the file system of {} does not answer",
                need.folder
            ));
        };
        let (_, all) = systems
            .entry(space.device)
            .or_insert_with(|| (space, Vec::new()));
        all.push(need);
    }
    // In the order of the folders, so that the report does not depend on numbers of devices.
    for first in needs {
        let all = systems
            .values()
            .find(|(_, all)| all.first().is_some_and(|need| *need == first));
        let Some((space, all)) = all else { continue };
        let folders: Vec<&str> = all.iter().map(|need| need.folder.as_str()).collect();
        let folders = folders.join(" and ");
        let mib: u64 = all.iter().map(|need| need.mib).sum();
        if space.mib < mib {
            return Verdict::bad(format!(
                "{folders}: {} MiB free, {mib} are needed",
                space.mib
            ));
        }
        let files: u64 = all.iter().map(|need| need.files).sum();
        if let Some(free) = space.files
            && free < files
        {
            return Verdict::bad(format!("{folders}: {free} inodes free, {files} are needed"));
        }
    }
    Verdict::ok("enough")
}

/// The folder itself, or the nearest above it that is there.
fn nearest<'a>(machine: &dyn Machine, folder: &'a str) -> &'a str {
    let mut folder = folder;
    while !machine.is_folder(folder) {
        folder = match folder.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => above,
            _ => return "/",
        };
    }
    folder
}

pub(super) fn nfs_mount(machine: &dyn Machine, folder: &str) -> Verdict {
    let mounts = machine.text("/proc/self/mounts").unwrap_or_default();
    // The last one hides those before it.
    let found = mounts.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [source, at, kind, ..] = words.as_slice() else {
            return None;
        };
        (*at == folder).then(|| (format!("{source} ({kind})"), kind.starts_with("nfs")))
    });
    match found {
        None => Verdict::bad("nothing is mounted there"),
        Some((found, true)) => Verdict::ok(found),
        Some((found, false)) => Verdict::bad(found),
    }
}

pub(super) fn fapolicyd(machine: &dyn Machine, folder: &str) -> Verdict {
    let state = machine.run(&Call::new("systemctl", &["is-active", "fapolicyd.service"]));
    if state.text != "active" {
        return Verdict::ok("fapolicyd does not run");
    }
    let rules = "/etc/fapolicyd/rules.d";
    let file = machine.names(rules).into_iter().find(|name| {
        let text = machine.text(&format!("{rules}/{name}"));
        std::path::Path::new(name)
            .extension()
            .is_some_and(|end| end == "rules")
            && text.is_some_and(|text| text.contains(folder))
    });
    match file {
        Some(name) => Verdict::ok(format!("{rules}/{name}")),
        None => Verdict::bad(format!("fapolicyd runs, and no rule names {folder}")),
    }
}

pub(super) fn owned(machine: &dyn Machine, path: &str, uid: u32) -> Verdict {
    match machine.owner(path) {
        None => Verdict::bad("it is not there"),
        Some(found) if found == uid => Verdict::ok(format!("uid {found}")),
        Some(found) => Verdict::bad(format!("uid {found}, not {uid}")),
    }
}

pub(super) fn site_name(machine: &dyn Machine, name: &str, file: &str, claim: Claim) -> Verdict {
    if !machine.has("nginx") {
        return match claim {
            Claim::Free => Verdict::ok("NGINX is not installed yet"),
            Claim::Ours => Verdict::bad("NGINX is not installed"),
        };
    }
    let text = machine.run(&Call::new("nginx", &["-T"])).text;
    if text.is_empty() {
        return Verdict::unchecked("nginx -T says nothing; see nginx -t");
    }
    let mut files = files_with_name(&text, name);
    // The linked name and the file are one.
    let ours = |path: &str| {
        path == file
            || machine
                .link(path)
                .is_some_and(|to| file.ends_with(to.trim_start_matches("../")))
    };
    let there = files.iter().any(|path| ours(path));
    files.retain(|path| !ours(path));
    if !files.is_empty() {
        let files: Vec<String> = files.into_iter().collect();
        return Verdict::bad(format!("also in {}", files.join(", ")));
    }
    match (there, claim) {
        (true, _) => Verdict::ok("in our file only"),
        (false, Claim::Free) => Verdict::ok("nowhere yet"),
        (false, Claim::Ours) => Verdict::bad(format!("not in {file}")),
    }
}

/// The files with a `server_name` of this name, as `nginx -T` prints them.
fn files_with_name(text: &str, name: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut file = String::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("# configuration file ") {
            path.trim_end_matches(':').clone_into(&mut file);
            continue;
        }
        let mut words = line.split_whitespace();
        if words.next() == Some("server_name")
            && words.any(|word| word.trim_end_matches(';') == name)
        {
            files.insert(file.clone());
        }
    }
    files
}

pub(super) fn unclaimed(machine: &dyn Machine, path: &str, mark: &str) -> Verdict {
    if !machine.exists(path) {
        Verdict::ok("nothing is there")
    } else if machine.exists(mark) {
        Verdict::ok("ours")
    } else {
        Verdict::bad(format!("{path} is there, and {mark} is not"))
    }
}

pub(super) fn no_files(machine: &dyn Machine, folder: &str) -> Verdict {
    if !machine.is_folder(folder) {
        return Verdict::ok("nothing is there");
    }
    let found = machine
        .run(&Call::new("find", &[folder, "-type", "f"]))
        .text;
    match first_line(&found) {
        "" => Verdict::ok("no file"),
        file => Verdict::bad(format!("{file} and perhaps more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    fn need(folder: &str, mib: u64, files: u64) -> Need {
        Need {
            folder: folder.parse().unwrap(),
            mib,
            files,
        }
    }

    fn room(device: u64, mib: u64, files: Option<u64>) -> Space {
        Space { device, mib, files }
    }

    #[test]
    fn folders_of_one_file_system_are_added_up() {
        let needs = [
            need("/opt/mattermost", 60, 10),
            need("/var/lib/minio", 50, 10),
            need("/srv", 5, 5),
        ];
        let table = Table::default()
            .folder("/")
            .room("/opt", room(1, 100, Some(1000)))
            .room("/var", room(1, 100, Some(1000)))
            .room("/srv", room(2, 5, None));
        assert_eq!(
            has_space(&table, &needs),
            Verdict::bad("/opt/mattermost and /var/lib/minio: 100 MiB free, 110 are needed")
        );
        let apart = table.clone().room("/var", room(3, 100, Some(9)));
        assert_eq!(
            has_space(&apart, &needs),
            Verdict::bad("/var/lib/minio: 9 inodes free, 10 are needed")
        );
        let enough = table.clone().room("/var", room(3, 100, Some(10)));
        assert_eq!(has_space(&enough, &needs), Verdict::ok("enough"));
        assert_eq!(
            has_space(&table.folder(INSTALLED), &needs),
            Verdict::ok("already installed")
        );
        assert_eq!(
            has_space(&Table::default(), &needs),
            Verdict::unchecked("the file system of /opt/mattermost does not answer")
        );
    }

    #[test]
    fn only_nfs_is_an_nfs_mount() {
        let decide = |text: &str| {
            nfs_mount(
                &Table::default().file("/proc/self/mounts", text),
                "/mnt/files",
            )
        };
        assert_eq!(
            decide("nas:/x /mnt/files nfs4 rw 0 0\n"),
            Verdict::ok("nas:/x (nfs4)")
        );
        assert_eq!(
            decide("nas:/x /mnt/files nfs4 rw 0 0\n/dev/sda1 /mnt/files ext4 rw 0 0\n"),
            Verdict::bad("/dev/sda1 (ext4)")
        );
        assert_eq!(
            decide("nas:/x /mnt nfs4 rw 0 0\n"),
            Verdict::bad("nothing is mounted there")
        );
    }

    #[test]
    fn fapolicyd_needs_a_rule_when_it_runs() {
        assert_eq!(
            fapolicyd(&Table::default(), "/opt/mattermost"),
            Verdict::ok("fapolicyd does not run")
        );
        let runs = Table::default().program("systemctl is-active fapolicyd.service", "active");
        assert_eq!(
            fapolicyd(&runs, "/opt/mattermost"),
            Verdict::bad("fapolicyd runs, and no rule names /opt/mattermost")
        );
        let ruled = runs.file(
            "/etc/fapolicyd/rules.d/80-mattermost.rules",
            "allow dir=/opt/mattermost/ all\n",
        );
        assert_eq!(
            fapolicyd(&ruled, "/opt/mattermost"),
            Verdict::ok("/etc/fapolicyd/rules.d/80-mattermost.rules")
        );
    }

    #[test]
    fn a_folder_belongs_to_a_number() {
        let table = Table::default().owned_by("/v", 2000);
        assert_eq!(owned(&table, "/v", 2000), Verdict::ok("uid 2000"));
        assert_eq!(owned(&table, "/v", 999), Verdict::bad("uid 2000, not 999"));
        assert_eq!(owned(&table, "/w", 999), Verdict::bad("it is not there"));
    }

    #[test]
    fn the_name_of_the_site_stands_in_one_file() {
        let ours = "/etc/nginx/sites-available/mattermost";
        let decide = |text: &str, claim| {
            let table = Table::default().program("nginx -T", text).links_to(
                "/etc/nginx/sites-enabled/mattermost",
                "../sites-available/mattermost",
            );
            site_name(&table, "chat.x", ours, claim)
        };
        let enabled = "# configuration file /etc/nginx/sites-enabled/mattermost:\n  server_name chat.x;\n server_name  chat.x;\n";
        let other = "# configuration file /etc/nginx/conf.d/old.conf:\nserver_name a chat.x b;\n";
        assert_eq!(
            decide(enabled, Claim::Ours),
            Verdict::ok("in our file only")
        );
        assert_eq!(
            decide(enabled, Claim::Free),
            Verdict::ok("in our file only")
        );
        assert_eq!(
            decide(&format!("{enabled}{other}"), Claim::Ours),
            Verdict::bad("also in /etc/nginx/conf.d/old.conf")
        );
        assert_eq!(
            decide(
                "# configuration file /x:\nserver_name chat.xy;",
                Claim::Free
            ),
            Verdict::ok("nowhere yet")
        );
        assert_eq!(
            decide("# configuration file /x:\n", Claim::Ours),
            Verdict::bad(format!("not in {ours}"))
        );
        assert_eq!(
            decide("", Claim::Free),
            Verdict::unchecked("nginx -T says nothing; see nginx -t")
        );
        let bare = Table::default();
        assert_eq!(
            site_name(&bare, "chat.x", ours, Claim::Free),
            Verdict::ok("NGINX is not installed yet")
        );
        assert_eq!(
            site_name(&bare, "chat.x", ours, Claim::Ours),
            Verdict::bad("NGINX is not installed")
        );
    }

    #[test]
    fn a_foreign_cluster_is_found() {
        let decide = |table: &Table| unclaimed(table, "/var/lib/postgresql/15/main", "/etc/mark");
        assert_eq!(decide(&Table::default()), Verdict::ok("nothing is there"));
        let foreign = Table::default().folder("/var/lib/postgresql/15/main");
        assert_eq!(
            decide(&foreign),
            Verdict::bad("/var/lib/postgresql/15/main is there, and /etc/mark is not")
        );
        assert_eq!(decide(&foreign.file("/etc/mark", "")), Verdict::ok("ours"));
    }

    #[test]
    fn left_uploads_are_found() {
        let folder = "/opt/mattermost/data";
        assert_eq!(
            no_files(&Table::default(), folder),
            Verdict::ok("nothing is there")
        );
        let empty = Table::default().folder(folder);
        assert_eq!(no_files(&empty, folder), Verdict::ok("no file"));
        let full = empty.program(
            "find /opt/mattermost/data -type f",
            "/opt/mattermost/data/a\n/opt/mattermost/data/b",
        );
        assert_eq!(
            no_files(&full, folder),
            Verdict::bad("/opt/mattermost/data/a and perhaps more")
        );
    }
}
