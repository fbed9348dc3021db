//! Deployments and rules.

use haversack::plan;

fn example(name: &str) -> String {
    let path = format!("{}/manifests/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_example_deployment_is_read() {
    for name in [
        "deployment-one-server.toml",
        "deployment-high-availability.toml",
        "deployment-docker.toml",
        "deployment-kubernetes.toml",
    ] {
        if let Err(problems) = plan::parse(&example(name)) {
            panic!("{name}\n{problems}");
        }
    }
}
