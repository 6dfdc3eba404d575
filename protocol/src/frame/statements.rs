//! Comparison of what both sides hold of directory statements: a digest, and pages of references where digests differ.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::frame::number::Scope;
use crate::hash::Ref;
use crate::id;
use crate::limits;

/// A frame about statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statements {
    /// 1: sum over the verified statements of a scope.
    Digest(Digest),
    /// 2: asks for references.
    Ask {
        /// Of this scope.
        scope: Scope,
        /// Behind this one, in ascending order; zero for the first.
        after: Ref,
    },
    /// 3: references, the answer to an ask.
    Page {
        /// Of this scope.
        scope: Scope,
        /// Whether there are no more behind these.
        last: bool,
        /// Ascending strictly, at most [`limits::STATEMENT_PAGE_MAX`].
        references: Vec<Ref>,
    },
    /// What a later release says.
    Unread(u8),
}

/// Sum over the references of verified statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Cursor of class 0 of the speaker's feed at which it was taken.
    pub cursor: u64,
    /// Which statements.
    pub scope: Scope,
    /// How many.
    pub count: u64,
    /// Sum of their terms mod 2^256, big-endian.
    pub sum: [u8; 32],
}

impl Digest {
    /// The digest of these statements, each named once.
    pub fn of(cursor: u64, scope: Scope, references: &[Ref]) -> Self {
        let mut sum = id::Sum::ZERO;
        for reference in references {
            sum.add(&id::statement_term(reference));
        }
        Self {
            cursor,
            scope,
            count: references.len() as u64,
            sum: sum.0,
        }
    }
}

impl Default for Digest {
    /// Nothing is held.
    fn default() -> Self {
        Self {
            cursor: 0,
            scope: Scope::All,
            count: 0,
            sum: [0; 32],
        }
    }
}

impl Body for Statements {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Digest(d) => {
                out.put_u8(1);
                out.put_u64(d.cursor);
                out.put_u8(d.scope.number());
                out.put_u64(d.count);
                out.put(&d.sum);
            }
            Self::Ask { scope, after } => {
                out.put_u8(2);
                out.put_u8(scope.number());
                after.put(out);
            }
            Self::Page {
                scope,
                last,
                references,
            } => {
                out.put_u8(3);
                out.put_u8(scope.number());
                out.put_u8(u8::from(*last));
                out.put_list(references, |out, reference| reference.put(out));
            }
            Self::Unread(what) => out.put_u8(*what),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match r.u8()? {
            1 => {
                let digest = Digest {
                    cursor: r.u64()?,
                    scope: Scope::of(r.u8()?),
                    count: r.u64()?,
                    sum: r.array()?,
                };
                if digest.cursor > limits::POSITION_MAX {
                    return Err(r.malformed());
                }
                Self::Digest(digest)
            }
            2 => Self::Ask {
                scope: Scope::of(r.u8()?),
                after: Ref::read(r)?,
            },
            3 => {
                let (scope, last) = (Scope::of(r.u8()?), r.flag()?);
                let references = codec::list(r, limits::STATEMENT_PAGE_MAX, Ref::read_some)?;
                // a page that neither says something nor is the last would be asked for without end
                if !references.is_sorted_by(|a, b| a < b) || (references.is_empty() && !last) {
                    return Err(r.malformed());
                }
                Self::Page {
                    scope,
                    last,
                    references,
                }
            }
            what => Self::Unread(what),
        })
    }
}
