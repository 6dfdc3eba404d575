//! How the C library's allocator is set up for a process of ours.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Where the allocator reads how many arenas it may have.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// So many: a process of ours has a dozen threads, of which few allocate at the same time.
const ARENAS_MAX: &str = "2";
/// Where it reads from which size on what is allocated is given back to the system as soon as it is freed. Unless told it
/// raises that by itself to whatever was freed last, so that a few passwords hashed (19 MiB each) stay for good.
const RETURNED: &str = "MALLOC_MMAP_THRESHOLD_";
/// Above what batches take, which come and go all the time.
const RETURNED_FROM: &str = "4194304";
/// Where it reads how much may lie free at the end of its heap; by default it goes with the former.
const FREE: &str = "MALLOC_TRIM_THRESHOLD_";
/// Twice the former, as it would be then.
const FREE_MAX: &str = "8388608";
/// Where the same can be said in another way.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Says that it has been tried. A program with more rights than who starts it is robbed of the others.
const TRIED: &str = "ZONGHENG_MEMORY_CONFINED";

/// Confines the allocator to few arenas and makes it give large memory back, unless whoever started the process has decided that already. To be called before
/// anything else in a program.
///
/// glibc gives threads up to eight arenas per processor, and what is freed in one serves no other: rows are read on a
/// thread of the database's, handed on, and freed elsewhere, so that a process which holds 30 MB comes to take 70. The
/// allocator can be told only by the environment and only at the start, hence the program starts itself anew, under the same
/// process id. Where that is not possible it goes on as it is.
pub fn confine() {
    let decided = [TRIED, ARENAS, RETURNED, FREE, TUNABLES]
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
        .env(RETURNED, RETURNED_FROM)
        .env(FREE, FREE_MAX)
        .env(TRIED, "1")
        .exec();
}
