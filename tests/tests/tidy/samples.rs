//! Sample files that operators copy are accepted by the programs that they are for.

use crate::tree::{files, hold, root};

#[test]
fn each_program_accepts_its_sample() {
    let folder = root().join("deploy/config");
    let refused = [
        city_node::Config::load(&folder.join("city.toml"))
            .err()
            .map(|error| error.to_string()),
        district_node::Config::load(&folder.join("district.toml"))
            .err()
            .map(|error| error.to_string()),
        agent::config::Config::load(&folder.join("agent.toml"))
            .err()
            .map(|error| error.to_string()),
    ];
    hold(
        "a program refuses its own sample configuration",
        refused.into_iter().flatten().collect(),
    );
}

#[test]
fn every_toml_file_is_toml() {
    let mut complaints = Vec::new();
    for file in files(".toml") {
        if let Err(error) = file.text.parse::<toml::Table>() {
            complaints.push(format!("{}: {}", file.path, error.message()));
        }
    }
    hold("a TOML file does not parse", complaints);
}
