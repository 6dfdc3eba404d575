//! Style sheet, modules and icon, embedded in the program and served under names that contain their hash.

use std::sync::LazyLock;

use protocol::hash;

/// Addresses of the embedded files.
#[derive(Debug)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The icon.
    pub icon: String,
    /// Keyboard.
    pub keys: String,
    /// Fresh figures.
    pub refresh: String,
    /// The dossier's comforts.
    pub dossier: String,
}

const FILES: [(&str, &str, &[u8]); 5] = [
    (
        "console.css",
        "text/css; charset=utf-8",
        include_bytes!("../static/console.css"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../static/icon.svg"),
    ),
    (
        "keys.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../static/keys.js"),
    ),
    (
        "refresh.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../static/refresh.js"),
    ),
    (
        "dossier.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../static/dossier.js"),
    ),
];

/// The addresses, computed once.
pub fn assets() -> &'static Assets {
    static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
        let address = |name: &str| {
            let file = FILES.iter().find(|(n, ..)| *n == name);
            let (name, _, bytes) = file.expect("the name stands in FILES");
            format!("/static/{}", hashed(name, bytes))
        };
        Assets {
            style: address("console.css"),
            icon: address("icon.svg"),
            keys: address("keys.js"),
            refresh: address("refresh.js"),
            dossier: address("dossier.js"),
        }
    });
    &ASSETS
}

/// Content type and bytes of an embedded file by its hashed name.
pub fn file(hashed_name: &str) -> Option<(&'static str, &'static [u8])> {
    FILES
        .iter()
        .find(|(name, _, bytes)| hashed(name, bytes) == hashed_name)
        .map(|(_, content_type, bytes)| (*content_type, *bytes))
}

fn hashed(name: &str, bytes: &[u8]) -> String {
    let full = hash::sha256(&[bytes]).to_string();
    match name.rsplit_once('.') {
        Some((stem, kind)) => format!("{stem}.{}.{kind}", &full[..12]),
        None => name.to_owned(),
    }
}
