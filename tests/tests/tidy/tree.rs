//! The files of the project: those that git tracks and those that it would track, without what is built.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One file with its path from the root of the project.
#[derive(Debug, Clone)]
pub struct File {
    /// Path from the root, with slashes.
    pub path: String,
    /// What it holds, with what is not UTF-8 replaced.
    pub text: String,
}

impl File {
    /// For rules that are tried on an invented file.
    pub fn invented(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The room that the file lies in.
    pub fn room(&self) -> &str {
        room_of(&self.path)
    }

    /// The file without what is compiled for tests only.
    pub fn production(&self) -> &str {
        let test_path = self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.room() == "tests";
        if test_path || self.path.contains("/examples/") || self.path.contains("/benches/") {
            return "";
        }
        self.text
            .split("\n#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default()
    }
}

/// The folder of the project.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the crate lies one level below the root")
        .to_owned()
}

/// All files of the project whose path ends so.
pub fn files(ending: &str) -> Vec<File> {
    let root = root();
    let mut git = Command::new("git");
    git.current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let mut paths = match git.output() {
        Ok(output) if output.status.success() => {
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            listed
                .split('\0')
                .filter(|path| !path.is_empty())
                .map(str::to_owned)
                .collect()
        }
        _ => walk(&root),
    };
    paths.sort();
    paths.dedup();
    paths.retain(|path| path.ends_with(ending));
    let read = |path: String| {
        // A file that git still lists may be deleted already.
        let bytes = std::fs::read(root.join(&path)).ok()?;
        Some(File {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            path,
        })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Fails with every complaint, one a line.
pub fn hold(rule: &str, complaints: Vec<String>) {
    assert!(
        complaints.is_empty(),
        "{rule}\n  {}\n",
        complaints.join("\n  ")
    );
}

fn room_of(path: &str) -> &str {
    match path.strip_prefix("deploy/demo/") {
        Some(_) => "deploy/demo",
        None => path.split('/').next().unwrap_or_default(),
    }
}

/// For a copy of the project that is not a git checkout.
fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if path.is_file()
                && let Ok(inside) = path.strip_prefix(root)
            {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found
}
