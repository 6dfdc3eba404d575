//! Sample files that operators copy are at least well-formed; that each program accepts its own is tested with the program.

use crate::tree::{files, hold};

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
