//! Golden bytes: the files of `protocol/vectors` are what this release makes from fixed seeds, and a verifier that shares no
//! code with it agrees with every one of them.
//!
//! `ZONGHENG_WRITE_VECTORS=1 cargo test -p protocol --test vectors` writes the files anew and fails on purpose: bytes once
//! released are never edited, so a change here is a new format beside the old one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "vectors/admission.rs"]
mod admission;
#[path = "vectors/batches.rs"]
mod batches;
#[path = "vectors/builtin.rs"]
mod builtin;
#[path = "vectors/codes.rs"]
mod codes;
#[path = "vectors/conversation.rs"]
mod conversation;
#[path = "vectors/entries.rs"]
mod entries;
#[path = "vectors/epochs.rs"]
mod epochs;
#[path = "vectors/heads.rs"]
mod heads;
#[path = "vectors/holders.rs"]
mod holders;
#[path = "vectors/ids.rs"]
mod ids;
#[path = "vectors/json.rs"]
mod json;
#[path = "vectors/leaves.rs"]
mod leaves;
#[path = "vectors/logs.rs"]
mod logs;
#[path = "vectors/make.rs"]
mod make;
#[path = "vectors/malformed.rs"]
mod malformed;
#[path = "vectors/misframed.rs"]
mod misframed;
#[path = "vectors/names.rs"]
mod names;
#[path = "vectors/refused.rs"]
mod refused;
mod sample;
#[path = "vectors/scene.rs"]
mod scene;
#[path = "vectors/statements.rs"]
mod statements;
#[path = "vectors/unread.rs"]
mod unread;
#[path = "vectors/words.rs"]
mod words;
mod world;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// What must be refused is asked of the library while the files are made.
#[test]
fn vectors_are_what_this_release_makes() {
    let writing = std::env::var_os("ZONGHENG_WRITE_VECTORS").is_some();
    assert!(
        !(writing && std::env::var_os("CI").is_some()),
        "vectors are never written by automation"
    );
    for (name, content) in make::files() {
        let path = folder().join(format!("{name}.json"));
        let made = content.pretty();
        if writing {
            std::fs::write(&path, made).expect("vectors are written by whoever owns the folder");
            continue;
        }
        let kept =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if let Some((at, (kept, made))) = kept
            .lines()
            .zip(made.lines())
            .enumerate()
            .find(|(_, (kept, made))| kept != made)
        {
            panic!("{name}.json line {}: kept {kept}, made {made}", at + 1);
        }
        assert_eq!(kept.len(), made.len(), "{name}.json ends elsewhere");
    }
    assert!(
        !writing,
        "vectors are written; look at them, then run again without writing"
    );
}

#[test]
fn no_file_is_without_its_maker() {
    let mut kept: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder of vectors")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect();
    kept.sort();
    let mut made: Vec<String> = make::files()
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    made.sort();
    assert_eq!(kept, made);
}

fn verifier(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("python3")
        .arg(self::folder().join("verify.py"))
        .args(arguments)
        .arg(folder)
        .output()
        .unwrap_or_else(|e| {
            panic!("python3 cannot be started ({e}); the verifier of the vectors needs Python 3 on the path")
        })
}

#[track_caller]
fn agrees(folder: &Path, arguments: &[&str]) {
    let out = verifier(folder, arguments);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && said.starts_with("OK "),
        "{said}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn the_verifier_agrees() {
    agrees(&folder(), &[]);
}

/// Every hexadecimal text of every vector is turned in one digit, one after the other: the verifier must object each time.
#[test]
fn the_verifier_objects_to_every_changed_value() {
    agrees(&folder(), &["--turn-digits"]);
}

/// The same from outside, so that the verifier is not its own judge: one byte of a copied file, and it must fail.
#[test]
fn a_flipped_byte_in_a_copy_fails() {
    let copy = std::env::temp_dir().join(format!("zongheng-vectors-{}", std::process::id()));
    for (name, member) in [
        ("batches", "\"envelope\": \""),
        ("batches", "\"body\": \""),
        ("statements", "\"envelope\": \""),
        ("openings", "\"opening\": \""),
        ("words", "\"reference\": \""),
        ("frames", "\"bytes\": \""),
        ("trees", "\"proof\": ["),
    ] {
        std::fs::create_dir_all(&copy).expect("temporary folder");
        for (name, _) in make::files() {
            let file = format!("{name}.json");
            std::fs::copy(folder().join(&file), copy.join(&file)).expect("vectors can be copied");
        }
        let path = copy.join(format!("{name}.json"));
        let mut bytes = std::fs::read(&path).expect("just copied");
        let at = bytes
            .windows(member.len())
            .rposition(|w| w == member.as_bytes())
            .map(|at| at + member.len())
            .expect("the file has such a member");
        let digit = (at..bytes.len())
            .filter(|i| bytes[*i].is_ascii_hexdigit())
            .nth(20)
            .expect("a value is longer than that");
        bytes[digit] = if bytes[digit] == b'0' { b'1' } else { b'0' };
        std::fs::write(&path, bytes).expect("temporary folder");
        let out = verifier(&copy, &[]);
        assert!(
            !out.status.success(),
            "{name} {member}: {}",
            String::from_utf8_lossy(&out.stdout)
        );
        std::fs::remove_dir_all(&copy).expect("temporary folder");
    }
}
