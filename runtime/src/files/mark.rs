//! The mark of a seat (D14): a file that says how far it has sealed, on which machine and for which folder.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use protocol::hash::{self, Hash, Ref};
use protocol::name::{Lane, Position, SeatId, from_hex};

use super::{Access, read_bounded, write_atomic};

/// The mark of a seat: which machine and folder last sealed for it, and how far. It lies outside what backups copy and is
/// synced before the first frame of a header leaves (D14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The machine, as the system names it.
    pub machine: String,
    /// The data folder.
    pub folder: String,
    /// The seat.
    pub seat: SeatId,
    /// Highest sealed header per lane.
    pub sealed: [Option<Sealed>; 3],
}

/// A sealed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Counter of its epoch.
    pub counter: u32,
    /// Where it stands.
    pub position: Position,
}

/// Why a mark could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file is there but does not read as a mark.
    #[error("标记文件 {} 已损坏，不能据此证明连续性；请勿手工修改，按恢复手册处理", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("标记文件 {} 无法读写，请检查权限与磁盘", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a mark says about going on in the same epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Same machine and folder, and the database is at the mark or ahead of it: go on.
    Proven,
    /// There is no mark.
    NoMark,
    /// The mark was made on another machine.
    OtherMachine,
    /// The mark was made for another folder.
    OtherFolder,
    /// The database is behind the mark: an old copy was put back.
    DatabaseBehind,
}

impl Mark {
    /// An empty mark for a seat at this machine and folder.
    pub fn here(folder: &Path, seat: SeatId) -> Self {
        Self {
            machine: in_one_line(&machine()),
            folder: in_one_line(
                &fs::canonicalize(folder)
                    .unwrap_or_else(|_| folder.to_owned())
                    .to_string_lossy(),
            ),
            seat,
            sealed: [None; 3],
        }
    }

    /// The mark in a file; `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>, MarkError> {
        Ok(Self::newest(path)?.map(|(_, mark)| mark))
    }

    /// The newest of the file's two slots with its number. A slot whose writing was cut off does not read, and then the
    /// other one counts: what was to be marked has not left.
    fn newest(path: &Path) -> Result<Option<(u64, Self)>, MarkError> {
        let bytes = match read_bounded(path, SLOTS * SLOT_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(MarkError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let slots = bytes.chunks(SLOT_BYTES).filter_map(Self::parse);
        let newest = slots.max_by_key(|(number, _)| *number);
        newest.map(Some).ok_or_else(|| MarkError::Damaged {
            path: path.to_owned(),
        })
    }

    /// Writes the mark, synced. Of a file that is there the older slot is overwritten in place: one sync of data and none
    /// of folders, for every group of batches waits for it.
    pub fn write(&self, path: &Path) -> Result<(), MarkError> {
        let number = Self::newest(path)?.map_or(0, |(number, _)| number) + 1;
        let mut slot = self.text(number).into_bytes();
        if slot.len() > SLOT_BYTES {
            return Err(MarkError::Damaged {
                path: path.to_owned(),
            });
        }
        slot.resize(SLOT_BYTES, 0);
        let at = number as usize % SLOTS * SLOT_BYTES;
        let written = if number == 1 {
            let mut whole = vec![0; SLOTS * SLOT_BYTES];
            whole[at..at + SLOT_BYTES].copy_from_slice(&slot);
            write_atomic(path, &whole, Access::Group)
        } else {
            let file = OpenOptions::new().write(true).open(path);
            file.and_then(|file| {
                file.write_all_at(&slot, at as u64)?;
                file.sync_data()
            })
        };
        written.map_err(|source| MarkError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether a process at `here` whose database holds `here.sealed` may go on in the epoch that the mark shows.
    pub fn continuity(mark: Option<&Self>, here: &Self) -> Continuity {
        let Some(mark) = mark else {
            return Continuity::NoMark;
        };
        if mark.machine != here.machine {
            return Continuity::OtherMachine;
        }
        if mark.folder != here.folder {
            return Continuity::OtherFolder;
        }
        for (marked, held) in mark.sealed.iter().zip(&here.sealed) {
            let behind = match (marked, held) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(marked), Some(held)) => {
                    let (m, h) = (marked.counter, held.counter);
                    let (marked, held) = (marked.position, held.position);
                    h < m
                        || h == m && held.sequence < marked.sequence
                        || h == m && held.sequence == marked.sequence && held != marked
                }
            };
            if behind {
                return Continuity::DatabaseBehind;
            }
        }
        Continuity::Proven
    }

    fn text(&self, number: u64) -> String {
        let mut text = format!(
            "zongheng-mark 1\nnumber {number}\nmachine {}\nfolder {}\nseat {}\n",
            self.machine, self.folder, self.seat
        );
        for lane in Lane::ALL {
            if let Some(sealed) = &self.sealed[lane.index()] {
                text += &format!(
                    "lane {} {} {} {} {}\n",
                    lane.index(),
                    sealed.counter,
                    sealed.position.sequence,
                    sealed.position.header.suite,
                    sealed.position.header.hash
                );
            }
        }
        let check = check_of(&text);
        text + &format!("end {check}\n")
    }

    fn parse(slot: &[u8]) -> Option<(u64, Self)> {
        let end = slot.iter().position(|b| *b == 0).unwrap_or(slot.len());
        let text = std::str::from_utf8(&slot[..end]).ok()?;
        let (text, check) = text.strip_suffix('\n')?.rsplit_once("end ")?;
        (check == check_of(text)).then_some(())?;
        let mut lines = text.lines();
        (lines.next()? == "zongheng-mark 1").then_some(())?;
        let number = lines.next()?.strip_prefix("number ")?.parse().ok()?;
        let machine = lines.next()?.strip_prefix("machine ")?.to_owned();
        let folder = lines.next()?.strip_prefix("folder ")?.to_owned();
        let seat = SeatId::from_hex(lines.next()?.strip_prefix("seat ")?)?;
        let mut sealed = [None; 3];
        for line in lines {
            let mut words = line.strip_prefix("lane ")?.split(' ');
            let lane = Lane::from_u8(words.next()?.parse().ok()?)?;
            let counter = words.next()?.parse().ok()?;
            let sequence = words.next()?.parse().ok()?;
            let header = Ref {
                suite: words.next()?.parse().ok()?,
                hash: Hash(from_hex(words.next()?)?),
            };
            words.next().is_none().then_some(())?;
            sealed[lane.index()] = Some(Sealed {
                counter,
                position: Position { sequence, header },
            });
        }
        let mark = Self {
            machine,
            folder,
            seat,
            sealed,
        };
        Some((number, mark))
    }
}

/// Marks in a file: the newest and the one before.
const SLOTS: usize = 2;
/// Bytes of one of them: a path of the greatest length fits.
const SLOT_BYTES: usize = 8 << 10;

/// Tells a slot that was written to its end from one that was cut off.
fn check_of(text: &str) -> String {
    hash::sha256(&[text.as_bytes()]).short()
}

/// A name as it can stand in a line of the file, the same each time.
fn in_one_line(name: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().map(plain).collect()
}

fn machine() -> String {
    fs::read_to_string("/etc/machine-id")
        .or_else(|_| fs::read_to_string("/proc/sys/kernel/hostname"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(counter: u32, sequence: u64, hash: u8) -> Option<Sealed> {
        Some(Sealed {
            counter,
            position: Position {
                sequence,
                header: Ref::of(Hash([hash; 32])),
            },
        })
    }

    #[test]
    fn a_mark_reads_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mark");
        assert!(Mark::read(&path).expect("none yet").is_none());
        let mut mark = Mark::here(folder.path(), SeatId([3; 16]));
        mark.sealed = [sealed(1, 9, 1), None, sealed(2, 1_000_000, 2)];
        mark.write(&path).expect("writing");
        assert_eq!(Mark::read(&path).expect("reading"), Some(mark.clone()));
        let text = mark.text(7);
        for cut in 0..=text.len() {
            let read = Mark::parse(&text.as_bytes()[..cut]);
            assert_eq!(read.is_some(), cut == text.len(), "cut at {cut}");
        }
    }

    #[test]
    fn a_mark_of_a_folder_with_any_name_reads_back_and_proves_continuity() {
        let outer = tempfile::tempdir().expect("a temporary folder");
        for name in ["市级 节点", "a\nlane 2 9 9 1 00", "end x", "b\r"] {
            let folder = outer.path().join(name);
            fs::create_dir(&folder).expect("made");
            let path = outer.path().join("mark");
            let mut mark = Mark::here(&folder, SeatId([3; 16]));
            mark.sealed[1] = sealed(1, 5, 1);
            mark.write(&path).expect("writing");
            let read = Mark::read(&path).expect("reading").expect("a mark");
            assert_eq!(read, mark, "{name:?}");
            let mut again = Mark::here(&folder, SeatId([3; 16]));
            again.sealed[1] = sealed(1, 5, 1);
            let continuity = Mark::continuity(Some(&read), &again);
            assert_eq!(continuity, Continuity::Proven, "{name:?}");
        }
    }

    /// What a mark says, and no more: nothing about a seal that this release does not compute is lost, nothing that is not a
    /// mark of this form is taken for one.
    #[test]
    fn a_mark_says_what_it_was_told_and_nothing_else_is_a_mark() {
        let mut mark = Mark::here(Path::new("/nowhere"), SeatId([3; 16]));
        mark.sealed[2] = sealed(u32::MAX, u64::MAX, 1);
        if let Some(sealed) = &mut mark.sealed[2] {
            sealed.position.header.suite = 9;
        }
        let text = mark.text(u64::MAX);
        assert_eq!(Mark::parse(text.as_bytes()), Some((u64::MAX, mark)));
        // a change anywhere is noticed by the check, and what has a check of its own by its form
        let resealed = |change: &dyn Fn(&str) -> String| {
            let (text, _) = text.trim_end().rsplit_once("end ").expect("a check");
            let text = change(text);
            let check = check_of(&text);
            text + &format!("end {check}\n")
        };
        assert_eq!(resealed(&str::to_owned), text, "no change");
        for (what, change) in [
            ("another form", ("mark 1", "mark 2")),
            ("a lane that there is not", ("lane 2", "lane 7")),
            ("a counter that is none", ("lane 2 4", "lane 2 x")),
            ("a seat that is none", ("seat 03", "seat 0x")),
            ("a line that is none", ("lane 2", "line 2")),
        ] {
            let changed = resealed(&|text| text.replacen(change.0, change.1, 1));
            assert_ne!(changed, text, "{what}");
            assert_eq!(Mark::parse(changed.as_bytes()), None, "{what}");
        }
    }

    #[test]
    fn a_mark_that_was_cut_off_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mark");
        let mut mark = Mark::here(folder.path(), SeatId([3; 16]));
        for sequence in 1..=5 {
            mark.sealed[2] = sealed(1, sequence, 1);
            mark.write(&path).expect("writing");
        }
        let read =
            || Mark::read(&path).map(|m| m.and_then(|m| m.sealed[2]).map(|s| s.position.sequence));
        assert_eq!(read().expect("reading"), Some(5));
        let damage = |slot: usize| {
            let mut bytes = fs::read(&path).expect("bytes");
            bytes[slot * SLOT_BYTES + 40] ^= 1;
            fs::write(&path, bytes).expect("written");
        };
        damage(5 % SLOTS);
        assert_eq!(read().expect("reading"), Some(4));
        mark.write(&path).expect("over the damaged one");
        assert_eq!(read().expect("reading"), Some(5));
        damage(0);
        damage(1);
        assert!(matches!(read(), Err(MarkError::Damaged { .. })));
        assert!(matches!(mark.write(&path), Err(MarkError::Damaged { .. })));
    }

    #[test]
    fn continuity_is_proven_or_the_reason_named() {
        let base = Mark {
            machine: "m".into(),
            folder: "/a".into(),
            seat: SeatId([1; 16]),
            sealed: [None, None, sealed(1, 5, 1)],
        };
        let check = |change: &dyn Fn(&mut Mark), expected| {
            let mut here = base.clone();
            change(&mut here);
            assert_eq!(Mark::continuity(Some(&base), &here), expected);
        };
        check(&|_| {}, Continuity::Proven);
        check(&|h| h.sealed[2] = sealed(1, 6, 9), Continuity::Proven);
        check(&|h| h.sealed[0] = sealed(1, 1, 9), Continuity::Proven);
        check(&|h| h.sealed[2] = sealed(2, 1, 9), Continuity::Proven);
        check(&|h| h.machine = "n".into(), Continuity::OtherMachine);
        check(&|h| h.folder = "/b".into(), Continuity::OtherFolder);
        check(&|h| h.sealed[2] = None, Continuity::DatabaseBehind);
        check(
            &|h| h.sealed[2] = sealed(1, 4, 1),
            Continuity::DatabaseBehind,
        );
        check(
            &|h| h.sealed[2] = sealed(1, 5, 2),
            Continuity::DatabaseBehind,
        );
        assert_eq!(Mark::continuity(None, &base), Continuity::NoMark);
    }
}
