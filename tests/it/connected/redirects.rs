//! Redirects: within https they are followed, from https to http they are not.

use super::{Bench, NAME, TOOL, TOOL_SHA256, digest, manifest_of};
use crate::support::http::{Behaviour, Server};

#[test]
fn a_redirect_from_https_to_http_is_refused_without_showing_its_query() {
    let plain = Server::start();
    plain.put(NAME, TOOL);
    let (secure, pem) = Server::start_tls();
    secure.behave(
        NAME,
        Behaviour::Redirect(plain.url(&format!("{NAME}?token=hunter2"))),
    );
    let text = manifest_of(
        &secure.url(NAME),
        "trust = { first-lock = \"a redirect is tested\" }",
    );
    let error = Bench::with_roots(vec![pem]).resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E703");
    assert_eq!(
        error.to_string(),
        format!(
            "{NAME} could not be fetched: {} redirects from https to http://127.0.0.1, which is refused",
            secure.url(NAME)
        )
    );
    assert!(plain.log().is_empty());
}

#[test]
fn redirects_within_https_are_followed_and_unknown_certificates_are_not() {
    let (secure, pem) = Server::start_tls();
    secure.put(NAME, TOOL);
    secure.behave("latest", Behaviour::Redirect(secure.url(NAME)));
    let url = secure.url("latest");
    let text = manifest_of(&url, "trust = { first-lock = \"a redirect is tested\" }");
    let lock = Bench::with_roots(vec![pem]).resolve(&text).unwrap();
    assert_eq!(lock.artifacts[0].file.sha256, digest(TOOL_SHA256));
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E703", "{error}");
    assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));
}
