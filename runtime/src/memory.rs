//! How the C library's allocator is set up for a process of ours.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Where the allocator reads how many arenas it may have.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// So many: a process of ours has a dozen threads, of which few allocate at the same time.
const ARENAS_MAX: &str = "2";
/// Where the same can be said in another way.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Says that it has been tried. A program with more rights than who starts it is robbed of the other two.
const TRIED: &str = "ZONGHENG_MEMORY_CONFINED";

/// Confines the allocator to few arenas, unless whoever started the process has decided that already. To be called before
/// anything else in a program.
///
/// glibc gives threads up to eight arenas per processor, and what is freed in one serves no other: rows are read on a
/// thread of the database's, handed on, and freed elsewhere, so that a process which holds 30 MB comes to take 70. The
/// allocator can be told only by the environment and only at the start, hence the program starts itself anew, under the same
/// process id. Where that is not possible it goes on as it is.
pub fn confine() {
    let decided = [TRIED, ARENAS, TUNABLES]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if decided || !cfg!(target_env = "gnu") {
        return;
    }
    let mut args = std::env::args_os();
    let (Some(own), Ok(executable)) = (args.next(), std::env::current_exe()) else {
        return;
    };
    // comes back only if it failed, and then nothing is lost but memory
    let _ = Command::new(executable)
        .arg0(own)
        .args(args)
        .env(ARENAS, ARENAS_MAX)
        .env(TRIED, "1")
        .exec();
}
