//! Frames: what a session puts on a carrier. Numbers and bodies are permanent; later releases append members and numbers.
//!
//! Frames are not signed. What is signed travels in them as envelopes and slice bodies, byte for byte.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::envelope::kind;
use crate::limits;
use crate::name::Incarnation;

mod health;
mod hello;
mod interest;
mod item;
mod logs;
mod number;
mod statements;
#[cfg(test)]
pub(crate) mod tests;
mod want;

pub use health::Health;
pub use hello::{Believed, Hello, HelloFault, Presence};
pub use interest::Interest;
pub use item::{BUCKETS, Checkpoint, ITEM_HIGHEST, Item, Piece, Routed, Sums};
pub use logs::{LogEntry, Logs};
pub use number::{Figure, GoodbyeCode, LogsEnd, PageCode, Reason, Scope, State};
pub use statements::{Digest, Statements};
pub use want::{ALL_SUMS, WHOLE_REGION, Want, WantFrame, WantPage};

/// Highest frame number of this release.
pub const FRAME_HIGHEST: u8 = 11;

/// Classes of a feed: lane 0, 1, 2, each with a cursor of its own (D19).
pub const CLASSES: usize = 3;

/// Everything that one party says to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// 1: first from both sides: who is here.
    Hello(Hello),
    /// 2: after the other's hello was accepted, from where to go on; again when the interest changes.
    Resume(Resume),
    /// 3: one step of the sender's feed.
    Feed(Feed),
    /// 4: how far the receiver has stored, and how much may be under way.
    Ack(Ack),
    /// 5: signed receipts and feed heads, 1 to [`limits::RECEIPTS_PER_FRAME_MAX`].
    Receipts(Vec<Vec<u8>>),
    /// 6: the receiver asks for something out of turn, one page at a time.
    Want(WantFrame),
    /// 7: a page of what was wanted.
    WantPage(WantPage),
    /// 8: end of the conversation with its reason.
    Goodbye(Goodbye),
    /// 9: state of logs.
    Logs(Logs),
    /// 10: how seats are, at most [`limits::HEALTH_SEATS_MAX`].
    Health(Vec<Health>),
    /// 11: comparison of statements.
    Statements(Statements),
    /// A frame of a later release: passed over and counted. A frame changes no stored state of its own.
    Unread(u8),
}

/// 16 bytes that a sender draws at random for every transaction of its feed and stores with it; nobody else reads anything
/// into them. Zero stands at cursor 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Token(pub [u8; 16]);

/// How far a receiver has stored one class of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Stored up to here.
    pub offset: u64,
    /// The token that came with the step to there (D85); zero at offset 0.
    pub token: Token,
}

/// From where to go on, and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The hearer's incarnation that the cursors belong to; zero when none is known.
    pub incarnation: Incarnation,
    /// Stored up to here, per class.
    pub cursors: [Cursor; CLASSES],
    /// What is wanted from the feed.
    pub interest: Interest,
    /// Bytes that may be under way per class.
    pub window: u64,
    /// Envelopes of feed heads and receipts that the hearer has signed, with the greatest incarnation and positions that the
    /// speaker has seen, then the greatest receipts held of each node above the hearer (D91); at most
    /// [`limits::RESUME_WORDS_MAX`].
    pub words: Vec<Vec<u8>>,
}

/// One step of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Class.
    pub class: u8,
    /// Version of the interest by which the step was chosen.
    pub interest: u32,
    /// The cursor that this follows; a receiver that is not there ignores it.
    pub after: u64,
    /// The cursor behind it.
    pub offset: u64,
    /// Class 0 must be stored up to here first.
    pub directory: u64,
    /// Token of the transaction that made the offset.
    pub token: Token,
    /// What it carries; nothing when the cursor moves over what does not concern the receiver.
    pub item: Option<Item>,
}

/// How far the receiver has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Class.
    pub class: u8,
    /// Durable up to here.
    pub offset: u64,
    /// Bytes that may be under way beyond this offset.
    pub window: u64,
}

/// End of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Reason.
    pub code: GoodbyeCode,
    /// Class and offset of the item that it is about; only [`GoodbyeCode::ItemRefused`] speaks about one.
    pub item: Option<(u8, u64)>,
    /// The same for people.
    pub text: String,
}

/// Why a frame is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The frame itself is broken.
    #[error(transparent)]
    Frame(#[from] Malformed),
    /// A step of a feed is whole, the item in it is not: nothing but this item is lost.
    #[error("item at offset {offset} of class {class}: {what}")]
    Item {
        /// Class of the step.
        class: u8,
        /// Its offset.
        offset: u64,
        /// What is wrong.
        what: Malformed,
    },
}

impl Goodbye {
    /// A goodbye that speaks about no item.
    pub fn new(code: GoodbyeCode, text: impl Into<String>) -> Self {
        Self {
            code,
            item: None,
            text: text.into(),
        }
    }
}

impl Frame {
    /// The frame's number.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Resume(_) => 2,
            Self::Feed(_) => 3,
            Self::Ack(_) => 4,
            Self::Receipts(_) => 5,
            Self::Want(_) => 6,
            Self::WantPage(_) => 7,
            Self::Goodbye(_) => 8,
            Self::Logs(_) => 9,
            Self::Health(_) => 10,
            Self::Statements(_) => 11,
            Self::Unread(number) => *number,
        }
    }

    pub(crate) fn put_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => hello.put(out),
            Self::Resume(resume) => resume.put(out),
            Self::Feed(feed) => feed.put(out),
            Self::Ack(ack) => ack.put(out),
            Self::Receipts(receipts) => out.put_list(receipts, |out, r| out.put_bytes(r)),
            Self::Want(want) => want.put(out),
            Self::WantPage(page) => page.put(out),
            Self::Goodbye(goodbye) => goodbye.put(out),
            Self::Logs(logs) => logs.put(out),
            Self::Health(all) => health::put_all(all, out),
            Self::Statements(statements) => statements.put(out),
            Self::Unread(_) => {}
        }
    }

    /// A frame from its number and body; bytes behind what is known are ignored.
    pub(crate) fn from_parts(number: u8, body: &[u8]) -> Result<Self, FrameFault> {
        let what = match number {
            1 => "hello",
            2 => "resume",
            3 => "feed",
            4 => "ack",
            5 => "receipts",
            6 => "want",
            7 => "page",
            8 => "goodbye",
            9 => "logs",
            10 => "health",
            11 => "statements",
            _ => "frame",
        };
        let mut r = Reader::new(body, what);
        let r = &mut r;
        Ok(match number {
            1 => Self::Hello(Hello::read(r)?),
            2 => Self::Resume(Resume::read(r)?),
            3 => Self::Feed(Feed::read(r)?),
            4 => Self::Ack(Ack::read(r)?),
            5 => Self::Receipts(read_receipts(r)?),
            6 => Self::Want(WantFrame::read(r)?),
            7 => Self::WantPage(WantPage::read(r)?),
            8 => Self::Goodbye(Goodbye::read(r)?),
            9 => Self::Logs(Logs::read(r)?),
            10 => Self::Health(health::read_all(r)?),
            11 => Self::Statements(Statements::read(r)?),
            number => Self::Unread(number),
        })
    }
}

fn read_receipts(r: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let receipts = codec::list(r, limits::RECEIPTS_PER_FRAME_MAX, read_word)?;
    if receipts.is_empty() {
        return Err(r.malformed());
    }
    Ok(receipts)
}

/// An envelope of a receipt or feed head; whether it is good is not asked here.
fn read_word(r: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let bytes = codec::bytes(r, limits::WORD_BYTES_MAX)?;
    match bytes.get(1) {
        Some(&(kind::RECEIPT | kind::FEED_HEAD)) => Ok(bytes.to_vec()),
        _ => Err(r.malformed()),
    }
}

fn read_position(r: &mut Reader<'_>) -> Result<u64, Malformed> {
    match r.u64()? {
        n if n > limits::POSITION_MAX => Err(r.malformed()),
        n => Ok(n),
    }
}

fn read_class(r: &mut Reader<'_>) -> Result<u8, Malformed> {
    match r.u8()? {
        class if usize::from(class) >= CLASSES => Err(r.malformed()),
        class => Ok(class),
    }
}

impl Body for Resume {
    fn put(&self, out: &mut Vec<u8>) {
        self.incarnation.put(out);
        for cursor in &self.cursors {
            out.put_u64(cursor.offset);
            out.put(&cursor.token.0);
        }
        self.interest.put(out);
        out.put_u64(self.window);
        out.put_list(&self.words, |out, w| out.put_bytes(w));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let incarnation = Incarnation::read(r)?;
        let mut cursors = [Cursor::default(); CLASSES];
        for cursor in &mut cursors {
            cursor.offset = read_position(r)?;
            cursor.token = Token(r.array()?);
            if cursor.offset == 0 && cursor.token != Token::default() {
                return Err(r.malformed());
            }
        }
        Ok(Self {
            incarnation,
            cursors,
            interest: Interest::read(r)?,
            window: r.u64()?,
            words: codec::list(r, limits::RESUME_WORDS_MAX, read_word)?,
        })
    }
}

impl Feed {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.class);
        out.put_u32(self.interest);
        out.put_u64(self.after);
        out.put_u64(self.offset);
        out.put_u64(self.directory);
        out.put(&self.token.0);
        match &self.item {
            Some(item) => item.put_framed(out),
            None => out.put(&[0; 5]),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameFault> {
        let mut feed = Self {
            class: read_class(r)?,
            interest: r.u32()?,
            after: read_position(r)?,
            offset: read_position(r)?,
            directory: read_position(r)?,
            token: Token(r.array()?),
            item: None,
        };
        let (number, body) = item::read_framed(r)?;
        if number == 0 {
            return Ok(feed);
        }
        let refused = |what| FrameFault::Item {
            class: feed.class,
            offset: feed.offset,
            what,
        };
        let item = Item::from_parts(number, body).map_err(refused)?;
        if !item.may_stand_in_feed(feed.class) {
            return Err(refused(Malformed::of("item: not of this class of a feed")));
        }
        feed.item = Some(item);
        Ok(feed)
    }
}

impl Body for Ack {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.class);
        out.put_u64(self.offset);
        out.put_u64(self.window);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            class: read_class(r)?,
            offset: read_position(r)?,
            window: r.u64()?,
        })
    }
}

/// Stands for "no class" in a goodbye.
const NO_CLASS: u8 = 255;

impl Body for Goodbye {
    fn put(&self, out: &mut Vec<u8>) {
        let (class, offset) = self.item.unwrap_or((NO_CLASS, 0));
        out.put_u8(self.code.number());
        out.put_u8(class);
        out.put_u64(offset);
        out.put_bytes(self.text.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (code, class, offset) = (GoodbyeCode::of(r.u8()?), r.u8()?, r.u64()?);
        Ok(Self {
            code,
            item: (class != NO_CLASS).then_some((class, offset)),
            text: codec::text(r, usize::from(u16::MAX))?,
        })
    }
}
