//! One statement about one thing: the head that says what it is about, and sections of fields cut by audience class.
//!
//! The bytes of head and sections are what leaves commit to; they are laid out once by the origin and kept verbatim.

pub mod builtin;
mod head;
mod hint;
mod key;
mod section;
mod subject;

pub(crate) use head::head_front;
pub use head::{Author, Cause, Former, FurtherSubject, Head, Operation, cause};
pub use hint::{Hint, hint_allowed};
pub use key::Key;
pub use section::{
    HEAD, PLATFORM, Provenance, STANDARD_SECTION_MAX, platform, put_fields, read_fields,
};
pub use subject::{Subject, SubjectName};

use crate::name::Lane;
use crate::opening::Opening;
use crate::statement::Identity;

/// Reason codes that follow from bytes, not from a standard.
pub mod reason {
    /// Head malformed behind type and key, or sections malformed, or an author where none may be.
    pub const HEAD: &str = "R-HEAD-01";
    /// A record type in another lane than its own.
    pub const LANE: &str = "R-LANE-01";
    /// A hint that its origin may not use: it counts as unknown, the entry stands.
    pub const HINT: &str = "R-HINT-01";
}

/// Why an entry is refused in interpretation. It stays stored and is relayed; its origin is at fault for this entry only, and
/// its log goes on (I4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EntryFault {
    /// The head cannot be read.
    #[error("条目首部不合规定")]
    Head,
    /// The bytes of an open section are no fields.
    #[error("第 {0} 节不合规定")]
    Section(u8),
    /// The head names an author and the origin is no node: persons type at nodes only.
    #[error("非节点席位的条目不应有经办人")]
    Author,
    /// The record type belongs to this lane, and the header is of another.
    #[error("此类记录应在第 {} 通道陈述", .0.index())]
    Lane(Lane),
}

impl EntryFault {
    /// The reason code under which it is counted.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Head | Self::Section(_) | Self::Author => reason::HEAD,
            Self::Lane(_) => reason::LANE,
        }
    }
}

/// An entry's fields: number and value, ascending within each section.
pub type Fields = Vec<(u16, crate::value::Value)>;

/// An entry as it reads: its head, the open sections of its standard by ascending number, and what section 15 says, which is
/// nothing if that is not there or not open.
pub type Entry = (Head, Vec<(u8, Fields)>, Provenance);

/// Reads an entry of `origin` in a lane as far as its bytes decide. Whether its standard takes it, and whether the seat may
/// state its type, is asked elsewhere.
pub fn read(opening: &Opening<'_>, origin: &Identity, lane: Lane) -> Result<Entry, EntryFault> {
    let head = opening.head().map_err(|_| EntryFault::Head)?;
    let own = builtin::lane_of(&head.record_type);
    if own != lane {
        return Err(EntryFault::Lane(own));
    }
    if head.author.is_some() && !origin.kind.is_node() {
        return Err(EntryFault::Author);
    }
    let mut sections = Vec::new();
    let mut provenance = Provenance::default();
    for (number, bytes) in opening.open_fields() {
        let malformed = |_| EntryFault::Section(number);
        if number == PLATFORM {
            provenance = Provenance::from_section(bytes).map_err(malformed)?;
        } else {
            sections.push((number, read_fields(bytes).map_err(malformed)?));
        }
    }
    Ok((head, sections, provenance))
}

#[cfg(test)]
mod tests;
