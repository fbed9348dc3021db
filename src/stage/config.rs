//! `config.json` of the Mattermost server: the choices of the deployment, and nothing that calls out.
//!
//! Built as a value, not from a template, so that it cannot be ill-formed; keys are sorted. It
//! holds no secret: these are in the environment file. Keys and their meaning: Mattermost's
//! `model.Config` (checked in tests against the published types).

use serde_json::{Map, Value, json};

use crate::plan::Plan;
use crate::plan::address::Transport;
use crate::plan::deployment::{Push, Role, Security, Storage};
use crate::plan::flow::port;
use crate::stage::facts;

/// Where the licence lies, when the operator brings one.
pub(super) const LICENSE: &str = "/etc/mattermost/mattermost.mattermost-license";
/// The identity provider's certificate, beside `config.json`, where the server looks for it.
pub(super) const SAML_CERT: &str = "saml-idp.crt";

/// The configuration of the application servers; the same on each of them.
pub(super) fn config(plan: &Plan, licensed: bool) -> Value {
    let deployment = &plan.deployment;
    let mut sections = Map::new();
    let mut add = |name: &str, value: Value| {
        sections.insert(name.to_owned(), value);
    };
    let mut settings = service(plan);
    if licensed {
        set(&mut settings, "LicenseFileLocation", json!(LICENSE));
    }
    add("ServiceSettings", settings);
    add(
        "TeamSettings",
        json!({
            "SiteName": deployment.site_name,
            "EnableOpenServer": false,
            "EnableUserCreation": true,
            "MaxUsersPerTeam": deployment.limits.users.unwrap_or(5000).max(50),
        }),
    );
    add(
        "SqlSettings",
        json!({
            "DriverName": "postgres",
            "DataSourceReplicas": [],
            "DataSourceSearchReplicas": [],
            "MaxOpenConns": plan.database.max_open_connections,
            "MaxIdleConns": plan.database.max_open_connections / 2,
            "ConnMaxLifetimeMilliseconds": 3_600_000,
            "ConnMaxIdleTimeMilliseconds": 300_000,
            "QueryTimeout": 30,
            "Trace": false,
        }),
    );
    add("FileSettings", files(plan));
    add("EmailSettings", email(plan));
    add(
        "LogSettings",
        json!({
            "EnableConsole": true, "ConsoleLevel": "INFO", "ConsoleJson": true,
            "EnableFile": true, "FileLevel": "INFO", "FileJson": true,
            "FileLocation": "/var/log/mattermost",
            "EnableDiagnostics": false, "EnableSentry": false, "EnableWebhookDebugging": false,
        }),
    );
    add(
        "ExperimentalAuditSettings",
        json!({
            "FileEnabled": true, "FileName": "/var/log/mattermost/audit.log",
        }),
    );
    add("AnnouncementSettings", announcement(plan));
    add(
        "SupportSettings",
        json!({
            "TermsOfServiceLink": "", "PrivacyPolicyLink": "", "AboutLink": "", "HelpLink": "",
            "ReportAProblemType": "hidden", "ReportAProblemLink": "", "EnableAskCommunityLink": false,
        }),
    );
    add(
        "NativeAppSettings",
        json!({
            "AppDownloadLink": "", "AndroidAppDownloadLink": "", "IosAppDownloadLink": "",
        }),
    );
    add("SamlSettings", saml(plan));
    add("DataRetentionSettings", retention(plan));
    add("PluginSettings", plugins());
    add("LdapSettings", ldap(plan));
    add("ClusterSettings", cluster(plan));
    add(
        "MetricsSettings",
        json!({
            "Enable": plan.listen.metrics.is_some(),
            "ListenAddress": plan.listen.metrics.clone().unwrap_or_else(|| format!(":{}", port::METRICS)),
        }),
    );
    sections.extend(fixed());
    Value::Object(sections)
}

/// What is the same in every deployment.
fn fixed() -> Map<String, Value> {
    let mut sections = Map::new();
    let mut add = |name: &str, value: Value| {
        sections.insert(name.to_owned(), value);
    };
    add("RateLimitSettings", json!({ "Enable": false }));
    add(
        "ImageProxySettings",
        json!({ "Enable": false, "ImageProxyType": "local" }),
    );
    add(
        "CloudSettings",
        json!({
            "CWSURL": "", "CWSAPIURL": "", "Disable": true, "PreviewModalBucketURL": "",
        }),
    );
    add(
        "PasswordSettings",
        json!({
            "MinimumLength": 14, "Lowercase": true, "Number": true, "Uppercase": true, "Symbol": true,
        }),
    );
    add(
        "JobSettings",
        json!({ "RunJobs": true, "RunScheduler": true }),
    );
    add(
        "ExperimentalSettings",
        json!({ "ClientSideCertEnable": false }),
    );
    for provider in [
        "GoogleSettings",
        "Office365Settings",
        "IntuneSettings",
        "AutoTranslationSettings",
    ] {
        add(provider, json!({ "Enable": false }));
    }
    add(
        "ConnectedWorkspacesSettings",
        json!({
            "EnableRemoteClusterService": false, "EnableSharedChannels": false,
        }),
    );
    sections
}

fn service(plan: &Plan) -> Value {
    let deployment = &plan.deployment;
    // A configuration that sets SiteURL is taken for an upgrade, whose defaults are the old ones
    // (sessions of 180 days, that outlive a change of password); so they are all set here.
    let mut settings = json!({
        "SiteURL": deployment.site.to_string(),
        "ListenAddress": plan.listen.app,
        "ConnectionSecurity": "",
        "UseLetsEncrypt": false,
        "Forward80To443": false,
        "TLSMinVer": "1.2",
        "TrustedProxyIPHeader": [],
        "EnableSecurityFixAlert": false,
        "EnableLinkPreviews": false,
        "EnableGifPicker": false,
        "GiphySdkKey": "",
        "GoogleDeveloperKey": "",
        "EnableAWSMetering": false,
        "SplitKey": "",
        "EnableDesktopLandingPage": false,
        "EnableEmailInvitations": deployment.smtp.is_some(),
        "EnableInsecureOutgoingConnections": false,
        "EnableTesting": false,
        "EnableDeveloper": false,
        "EnableLocalMode": true,
        "LocalModeSocketLocation": "/run/mattermost/mattermost_local.socket",
        "AllowedUntrustedInternalConnections": "",
        "EnableMultifactorAuthentication": deployment.auth.mfa.is_on(),
        "EnableOnboardingFlow": false,
        "EnableTutorial": false,
        "EnableAPITriggerAdminNotifications": false,
        "ExtendSessionLengthWithActivity": true,
        "TerminateSessionsOnPasswordChange": true,
        "SessionLengthWebInHours": 720,
        "SessionLengthMobileInHours": 720,
        "SessionLengthSSOInHours": 720,
    });
    if deployment.hosts_with(Role::Proxy).next().is_some() {
        // Set only where a proxy writes these headers: otherwise a client could choose its address.
        set(
            &mut settings,
            "TrustedProxyIPHeader",
            json!(["X-Forwarded-For", "X-Real-IP"]),
        );
    }
    settings
}

fn files(plan: &Plan) -> Value {
    let deployment = &plan.deployment;
    let mut settings = json!({
        "MaxFileSize": deployment.limits.upload.max_file_size(),
        "EnablePublicLink": false,
        // Phones carry files out of the network; they get them only when the deployment says so.
        "EnableMobileUpload": deployment.mobile.enabled.is_on(),
        "EnableMobileDownload": deployment.mobile.enabled.is_on(),
    });
    match &deployment.storage {
        Storage::Local { directory } => {
            set(&mut settings, "DriverName", json!("local"));
            set(&mut settings, "Directory", json!(directory));
        }
        Storage::Nfs(nfs) => {
            set(&mut settings, "DriverName", json!("local"));
            set(&mut settings, "Directory", json!(nfs.directory));
        }
        Storage::S3(s3) => {
            set(&mut settings, "DriverName", json!("amazons3"));
            set(&mut settings, "AmazonS3Bucket", json!(s3.bucket));
            set(&mut settings, "AmazonS3Region", json!(s3.region));
            set(
                &mut settings,
                "AmazonS3Endpoint",
                json!(facts::s3_endpoint(plan, s3)),
            );
            set(
                &mut settings,
                "AmazonS3SSL",
                json!(s3.transport == Transport::Tls),
            );
            for off in ["AmazonS3SignV2", "AmazonS3SSE", "AmazonS3Trace"] {
                set(&mut settings, off, json!(false));
            }
        }
    }
    settings
}

fn email(plan: &Plan) -> Value {
    let deployment = &plan.deployment;
    let push = match &deployment.push {
        Push::Proxy { host, .. } => facts::push_url(plan, host),
        Push::Off | Push::Hosted { .. } => String::new(),
    };
    let mut settings = json!({
        "SendPushNotifications": !push.is_empty(),
        "PushNotificationServer": push,
        // The message stays on the server; the phone fetches it. Needs a licence, else the server
        // falls back to a generic text.
        "PushNotificationContents": "id_loaded",
        "SendEmailNotifications": false,
        "EnablePreviewModeBanner": false,
        "RequireEmailVerification": false,
        "EnableEmailBatching": false,
        "SMTPServer": "",
        "SMTPPort": "25",
        "ConnectionSecurity": "STARTTLS",
        "SkipServerCertificateVerification": false,
    });
    if let Some(smtp) = &deployment.smtp {
        set(&mut settings, "SendEmailNotifications", json!(true));
        set(
            &mut settings,
            "SMTPServer",
            json!(smtp.server.host.to_string()),
        );
        set(
            &mut settings,
            "SMTPPort",
            json!(smtp.server.port.to_string()),
        );
        set(
            &mut settings,
            "ConnectionSecurity",
            json!(security(smtp.security)),
        );
        if let Some(from) = &smtp.from {
            set(&mut settings, "FeedbackEmail", json!(from));
            set(&mut settings, "ReplyToAddress", json!(from));
        }
        if let Some(user) = &smtp.user {
            set(&mut settings, "EnableSMTPAuth", json!(true));
            set(&mut settings, "SMTPUsername", json!(user));
        }
    }
    settings
}

fn announcement(plan: &Plan) -> Value {
    let deployment = &plan.deployment;
    let mut settings = json!({
        "AdminNoticesEnabled": false,
        "UserNoticesEnabled": false,
        "NoticesURL": "",
        "EnableBanner": false,
    });
    let marking = deployment.classification.as_ref();
    if let Some((marking, text)) = marking.and_then(|m| m.banner.as_ref().map(|text| (m, text))) {
        set(&mut settings, "EnableBanner", json!(true));
        set(&mut settings, "BannerText", json!(text));
        set(&mut settings, "BannerColor", json!(marking.color));
        set(&mut settings, "BannerTextColor", json!(marking.text_color));
        set(&mut settings, "AllowBannerDismissal", json!(false));
    }
    settings
}

fn plugins() -> Value {
    json!({
        "Enable": true,
        "EnableUploads": false,
        "AllowInsecureDownloadURL": false,
        "EnableMarketplace": true,
        // An empty MarketplaceURL would be set back to the public one; this is the switch.
        "EnableRemoteMarketplace": false,
        "AutomaticPrepackagedPlugins": true,
        "RequirePluginSignature": true,
        "SignaturePublicKeyFiles": [],
        "ChimeraOAuthProxyURL": "",
        // Calls asks a public STUN server unless it is given an empty list.
        "Plugins": { "com.mattermost.calls": { "iceserversconfigs": "[]" } },
        "PluginStates": {
            "com.mattermost.nps": { "Enable": false },
            "com.mattermost.calls": { "Enable": false },
            "mattermost-ai": { "Enable": false },
        },
    })
}

fn cluster(plan: &Plan) -> Value {
    let several = plan.listen.gossip.is_some();
    json!({
        "Enable": several,
        "ClusterName": if several { "production" } else { "" },
        "UseIPAddress": true,
        "EnableGossipEncryption": true,
        "EnableGossipCompression": false,
        "ReadOnlyConfig": several,
        "GossipPort": port::GOSSIP,
    })
}

fn ldap(plan: &Plan) -> Value {
    let deployment = &plan.deployment;
    let Some(ldap) = &deployment.ldap else {
        return json!({
            "Enable": false, "EnableSync": false, "LdapServer": "", "LdapPort": 636,
            "ConnectionSecurity": "TLS", "SkipCertificateVerification": false,
        });
    };
    json!({
        "Enable": true,
        "EnableSync": true,
        "LdapServer": ldap.server.host.to_string(),
        "LdapPort": ldap.server.port,
        "ConnectionSecurity": security(ldap.security),
        "SkipCertificateVerification": false,
        "BaseDN": ldap.base_dn,
        "BindUsername": ldap.bind_dn.as_deref().unwrap_or_default(),
        "UserFilter": ldap.user_filter.as_deref().unwrap_or_default(),
        "IdAttribute": ldap.id_attribute,
        "LoginIdAttribute": ldap.login_attribute,
        "UsernameAttribute": ldap.username_attribute,
        "EmailAttribute": ldap.email_attribute,
        "SyncIntervalMinutes": 60,
    })
}

fn saml(plan: &Plan) -> Value {
    let Some(saml) = &plan.deployment.saml else {
        return json!({ "Enable": false });
    };
    // The address that the identity provider must know; it is this service's name there too.
    let own = format!("{}/login/sso/saml", plan.deployment.site);
    json!({
        "Enable": true,
        "Verify": true,
        // Both would need a key pair of the server itself; answers are signed and come over HTTPS.
        "Encrypt": false,
        "SignRequest": false,
        "IdpURL": saml.idp_url,
        "IdpDescriptorURL": saml.descriptor,
        // The server would fetch its settings from there.
        "IdpMetadataURL": "",
        "ServiceProviderIdentifier": own,
        "AssertionConsumerServiceURL": own,
        "SignatureAlgorithm": "RSAwithSHA256",
        "CanonicalAlgorithm": "Canonical1.0",
        "IdpCertificateFile": SAML_CERT,
        "UsernameAttribute": saml.username_attribute,
        "EmailAttribute": saml.email_attribute,
        "LoginButtonText": "SAML",
    })
}

fn retention(plan: &Plan) -> Value {
    let kept = plan.deployment.retention;
    let hours = |days: Option<u32>| days.unwrap_or(365).saturating_mul(24);
    json!({
        "EnableMessageDeletion": kept.message_days.is_some(),
        "EnableFileDeletion": kept.file_days.is_some(),
        "MessageRetentionHours": hours(kept.message_days),
        "FileRetentionHours": hours(kept.file_days),
        "DeletionJobStartTime": "02:00",
    })
}

const fn security(security: Security) -> &'static str {
    match security {
        Security::None => "",
        Security::Tls => "TLS",
        Security::Starttls => "STARTTLS",
    }
}

fn set(settings: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = settings {
        map.insert(key.to_owned(), value);
    }
}

/// The configuration of the push proxy. The keys of the phone makers are the operator's own; their
/// files go to `/etc/mattermost-push-proxy/` and their names into the two empty lists.
pub(super) fn push_config(listen: &str) -> Value {
    json!({
        "ListenAddress": listen,
        "ThrottlePerSec": 300,
        "ThrottleMemoryStoreSize": 50000,
        "ThrottleVaryByHeader": "X-Forwarded-For",
        "EnableMetrics": false,
        "SendTimeoutSec": 30,
        "RetryTimeoutSec": 8,
        "ApplePushSettings": [],
        "AndroidPushSettings": [],
        "EnableConsoleLog": true,
        "EnableFileLog": false,
        "LogFileLocation": "",
        "LogFormat": "json",
    })
}
