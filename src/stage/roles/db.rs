//! Files of a database server.

use minijinja::Value;

use crate::plan::deployment::Role;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::quote::{QuoteError, sql, sql_name};
use crate::stage::render::{RenderError, values};
use crate::stage::roles::replica;
use crate::stage::tree::{Access, PROGRAM, PUBLIC, Tree};

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    add_server(scene, tree, &replica::peers(scene))?;
    tree.folder("/usr/local/share/haversack", Access(0o755, "root", "root"));
    tree.file(
        "/usr/local/share/haversack/db-prepare.sql",
        prepare(scene)?,
        Access(0o600, "root", "root"),
        "db-prepare",
    );
    if scene.plan.deployment.backup.enabled.is_on() {
        add_backup(scene, tree)?;
    }
    Ok(())
}

/// What primary and replica have in common: settings, who may connect, certificate. `peers` may
/// copy the database.
pub(super) fn add_server(
    scene: &Scene<'_>,
    tree: &mut Tree,
    peers: &[String],
) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let unit = scene.layout().database_unit();
    let folder = scene.layout().database_config();
    let tls = tls_folder(scene);
    let values = values! {
        db => database_values(scene),
        listen => format!("localhost, {}", host.address),
        tls,
        replication => replica::settings(scene),
    };
    tree.file(
        &format!("{folder}/conf.d/mattermost.conf"),
        scene.renderer.render("db/mattermost.conf", &values)?,
        PUBLIC,
        &unit,
    );
    tree.file(
        &format!("/etc/systemd/system/{unit}.d/mattermost.conf"),
        scene
            .renderer
            .render("db/network-online.conf", &values! {})?,
        PUBLIC,
        "systemd",
    );
    let clients: Vec<String> = plan
        .database
        .clients
        .iter()
        .map(ToString::to_string)
        .collect();
    let values = values! {
        db => database_values(scene),
        clients,
        peers,
        replication_user => replica::user(plan),
    };
    tree.file(
        &format!("{folder}/pg_hba.conf"),
        scene.renderer.render("db/pg_hba.conf", &values)?,
        Access(0o640, "postgres", "postgres"),
        &unit,
    );
    // A copy of its own: PostgreSQL demands that it owns the key, or root with group access.
    let own = |mode| Access(mode, "postgres", "postgres");
    let (cert, key) = facts::certificate(plan, host);
    tree.folder(&tls, own(0o700));
    tree.file(
        &format!("{tls}/server.crt"),
        cert.as_bytes().to_vec(),
        own(0o644),
        &unit,
    );
    tree.file(
        &format!("{tls}/server.key"),
        key.reveal().as_bytes().to_vec(),
        own(0o600),
        &unit,
    );
    Ok(())
}

/// Where certificate, key and the like of the server lie.
pub(super) fn tls_folder(scene: &Scene<'_>) -> String {
    format!("{}/mattermost-tls", scene.layout().database_config())
}

fn add_backup(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let backup = &scene.plan.deployment.backup;
    let values = values! {
        db => database_values(scene),
        database_service => scene.layout().database_service(),
        folder => backup.directory,
        keep_days => backup.keep_days,
        calendar => format!("*-*-* {:02}:{:02}:00", backup.hour, backup.minute),
    };
    tree.folder(&backup.directory, Access(0o700, "postgres", "postgres"));
    for (path, template, access, notify) in [
        (
            "/usr/local/sbin/mattermost-backup",
            "db/mattermost-backup",
            PROGRAM,
            "-",
        ),
        (
            "/usr/local/sbin/mattermost-restore-test",
            "db/mattermost-restore-test",
            PROGRAM,
            "-",
        ),
        (
            "/etc/systemd/system/mattermost-backup.service",
            "db/mattermost-backup.service",
            PUBLIC,
            "systemd",
        ),
        (
            "/etc/systemd/system/mattermost-backup.timer",
            "db/mattermost-backup.timer",
            PUBLIC,
            "systemd",
        ),
    ] {
        tree.file(
            path,
            scene.renderer.render(template, &values)?,
            access,
            notify,
        );
    }
    Ok(())
}

/// What the templates say about the database.
pub(in crate::stage) fn database_values(scene: &Scene<'_>) -> Value {
    let database = &scene.plan.database;
    let runs_here = scene.host.has(Role::Db) || scene.host.has(Role::DbReplica);
    let tuning = if runs_here {
        scene.plan.tuning_for(scene.host)
    } else {
        database.tuning
    };
    let megabytes = |number: u32| format!("{number}MB");
    values! {
        version => scene.major,
        host => facts::database_host(scene.plan),
        port => database.endpoint.port,
        name => database.name,
        user => database.user,
        max_connections => database.max_connections,
        shared_buffers => megabytes(tuning.shared_buffers_mb),
        effective_cache_size => megabytes(tuning.effective_cache_size_mb),
        work_mem => megabytes(tuning.work_mem_mb),
        maintenance_work_mem => megabytes(tuning.maintenance_work_mem_mb),
    }
}

fn prepare(scene: &Scene<'_>) -> Result<Vec<u8>, RenderError> {
    let database = &scene.plan.database;
    let statements = statements(
        &database.user,
        &database.name,
        scene.secrets.db_verifier.reveal(),
    )
    .map_err(RenderError::quote("db/db-prepare.sql"))?;
    let values = values! {
        user => database.user,
        database => database.name,
        verifier => scene.secrets.db_verifier.reveal(),
        create_role => statements[0],
        set_password => statements[1],
        create_database => statements[2],
        replication => replica::statements(scene)?,
    };
    scene.renderer.render("db/db-prepare.sql", &values)
}

/// Statements that `\gexec` runs when they are needed; they are constants of the query around them.
fn statements(user: &str, database: &str, verifier: &str) -> Result<[String; 3], QuoteError> {
    let (user, database) = (sql_name(user)?, sql_name(database)?);
    Ok([
        format!("CREATE ROLE {user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"),
        format!("ALTER ROLE {user} WITH PASSWORD {}", sql(verifier)?),
        format!(
            "CREATE DATABASE {database} WITH ENCODING 'UTF8' LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8' TEMPLATE template0"
        ),
    ])
}
