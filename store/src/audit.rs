//! The record of acts: who did what to what, when, by which way and from where. It only grows.
//!
//! An act that the store carries out takes its row along and both are written in one transaction, so that there is no act
//! without a row. Each row is bound to the one before it by a hash, and where the chain ends is written beside it in the
//! same transaction: [`Store::audit_check`] finds what was changed, taken out, cut off or emptied later. The hashes are
//! under no key: whoever may write to the database and computes the whole chain and its end anew is found only by
//! comparing with an export from before, which holds the hashes, or with a seal that this release does not make.

use protocol::hash::{Hash, sha256};

use crate::engine::{Arg, Row, Tx, args, bound, own};
use crate::{Store, StoreError};

/// Rows of a page, whatever is asked for.
const PAGE_MAX: usize = 1_000;
/// What the hash of every row begins with.
const DOMAIN: &[u8] = b"zongheng audit 1\0";

const ACT: &str =
    "SELECT seq, at_us, account, name, way, client, action, object, detail, hash FROM audit";

/// An act of a person, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRow {
    /// Number given by the store; ignored when appended.
    pub seq: u64,
    /// When, in microseconds.
    pub at_us: i64,
    /// Account.
    pub account: String,
    /// Real name at that time.
    pub name: String,
    /// By which way: a key of the caller's.
    pub way: String,
    /// From where: an address, or the user of the operating system.
    pub client: String,
    /// What was done: a key of the caller's.
    pub action: String,
    /// To what.
    pub object: String,
    /// Further words.
    pub detail: String,
    /// Hash of the row, given by the store; ignored when appended. None for acts from before there was a chain.
    pub hash: Option<Hash>,
}

impl AuditRow {
    /// The hash that binds the row, under its number, to the one before it: every field with its length, in the order of
    /// the structure.
    fn chained(&self, seq: u64, before: &Hash) -> Hash {
        let mut fields = Vec::new();
        for text in [
            &self.account,
            &self.name,
            &self.way,
            &self.client,
            &self.action,
            &self.object,
            &self.detail,
        ] {
            fields.extend_from_slice(&(text.len() as u64).to_be_bytes());
            fields.extend_from_slice(text.as_bytes());
        }
        sha256(&[
            DOMAIN,
            &before.0,
            &seq.to_be_bytes(),
            &self.at_us.to_be_bytes(),
            &fields,
        ])
    }
}

/// Which acts. What is left out does not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Of this account.
    pub account: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// About one of these objects; none restrict nothing.
    pub objects: Vec<String>,
    /// From this instant on.
    pub from_us: Option<i64>,
    /// Before this instant.
    pub until_us: Option<i64>,
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    /// Acts whose hash fits the one before it, up to the first that does not.
    pub rows: u64,
    /// Acts from before there was a chain: only their number is known.
    pub before_chain: u64,
    /// Hash of the last act that fits.
    pub last: Hash,
    /// The first thing that does not fit.
    pub fault: Option<AuditFault>,
}

/// What does not fit in the record of acts: somebody has written to the database past this program, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The row's hash is not that of its content behind the row before it.
    #[error("审计记录第 {seq} 条与校验值不符：该条或前一条的内容被改动")]
    Changed {
        /// Number of the row.
        seq: u64,
    },
    /// A row is missing and later ones are there.
    #[error("缺少审计记录第 {seq} 条：已被删除")]
    Missing {
        /// Number of the first that is missing.
        seq: u64,
    },
    /// The end is missing, or everything.
    #[error("审计记录只到第 {last} 条，应到第 {expected} 条：末尾被删除或全部被清空")]
    Cut {
        /// Number of the last that is there.
        last: u64,
        /// Number of the last that was written.
        expected: u64,
    },
    /// There are rows that this program did not write.
    #[error("审计记录第 {seq} 条不是由本程序写入的")]
    Foreign {
        /// Number of the first of them.
        seq: u64,
    },
    /// The last row is not the one at which the chain ended.
    #[error("审计记录的最后一条（第 {seq} 条）与链尾登记不符：末尾被改写")]
    End {
        /// Number of the last row.
        seq: u64,
    },
    /// Where the chain ends is not written any more.
    #[error("审计记录的链尾登记已被删除")]
    NoEnd,
    /// Acts from before there was a chain have become more or fewer.
    #[error("启用校验之前的审计记录应有 {expected} 条，现有 {found} 条")]
    BeforeChain {
        /// How many are there.
        found: u64,
        /// How many there were.
        expected: u64,
    },
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    chained_from: u64,
    before_chain: u64,
    last_seq: u64,
    last_hash: Hash,
}

const HEAD: &str =
    "SELECT chained_from, before_chain, last_seq, last_hash FROM audit_head WHERE one = 1";

impl Head {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            chained_from: row.uint(0)?,
            before_chain: row.uint(1)?,
            last_seq: row.uint(2)?,
            last_hash: row.hash(3)?,
        })
    }
}

impl Store {
    /// Begins a transaction that ends with an act. What such transactions lock comes behind the lock of the feed, so that
    /// no two wait for each other.
    pub(crate) async fn begin_act(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        Ok(tx)
    }

    /// Writes an act down that the store has no part in. For what has happened outside or was only looked at.
    pub async fn audit_append(&self, act: &AuditRow) -> Result<(), StoreError> {
        let mut tx = self.begin_act().await?;
        put_act(&mut tx, act).await?;
        tx.commit().await
    }

    /// Writes an act down unless the same one, by the same account from the same place, is there from `since_us` on: what
    /// is done again and again fills no store. Returns whether it was written.
    pub async fn audit_append_once(
        &self,
        act: &AuditRow,
        since_us: i64,
    ) -> Result<bool, StoreError> {
        const SAME: &str = "SELECT COUNT(*) FROM audit WHERE account = $1 AND at_us >= $2 AND action = $3 \
             AND object = $4 AND detail = $5 AND way = $6 AND client = $7";
        let same = args![
            act.account.as_str(),
            since_us,
            act.action.as_str(),
            act.object.as_str(),
            act.detail.as_str(),
            act.way.as_str(),
            act.client.as_str()
        ];
        // most often it is there: then nobody waits for the writer
        if self.int(SAME, same.clone()).await? > 0 {
            return Ok(false);
        }
        let mut tx = self.begin_act().await?;
        if tx.int(SAME, same).await? > 0 {
            return Ok(false);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Acts that match, newest first; those with a number below `before`, if given.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut args: Vec<Arg> = args![
            before.map_or(i64::MAX, bound),
            limit.clamp(1, PAGE_MAX),
            filter.from_us.unwrap_or(i64::MIN),
            filter.until_us.unwrap_or(i64::MAX)
        ];
        let mut wanted = "seq < $1 AND at_us >= $3 AND at_us < $4".to_owned();
        let mut among = |column: &str, values: &[&str]| {
            if values.is_empty() {
                return;
            }
            let mut places = Vec::new();
            for value in values {
                args.push(Arg::from(*value));
                places.push(format!("${}", args.len()));
            }
            wanted.push_str(&format!(" AND {column} IN ({})", places.join(", ")));
        };
        let texts: Vec<&str> = filter.objects.iter().map(String::as_str).collect();
        among("object", &texts);
        among("account", &one(filter.account.as_ref()));
        among("action", &one(filter.action.as_ref()));
        let known = |arg: &Arg| matches!(arg, Arg::Text(text) if text.contains('\0'));
        if args.iter().any(known) {
            return Ok(Vec::new());
        }
        let sql = own(format!("{ACT} WHERE {wanted} ORDER BY seq DESC LIMIT $2"));
        self.rows(sql, args).await?.iter().map(act).collect()
    }

    /// Acts of one kind that concern one thing, newest first.
    pub async fn audit_of(
        &self,
        action: &str,
        object: &str,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let filter = AuditFilter {
            action: Some(action.to_owned()),
            objects: vec![object.to_owned()],
            ..AuditFilter::default()
        };
        self.audit_page(&filter, None, limit).await
    }

    /// Walks along the whole chain in pages, beside the writer: acts that are written meanwhile are not looked at.
    pub async fn audit_check(&self) -> Result<AuditCheck, StoreError> {
        let mut check = AuditCheck {
            rows: 0,
            before_chain: 0,
            last: Hash::ZERO,
            fault: None,
        };
        check.fault = self.walk(&mut check).await?;
        Ok(check)
    }

    async fn audit_head(&self) -> Result<Option<Head>, StoreError> {
        let rows = self.rows(HEAD, args![]).await?;
        rows.first().map(Head::read).transpose()
    }

    /// The first thing that does not fit.
    async fn walk(&self, check: &mut AuditCheck) -> Result<Option<AuditFault>, StoreError> {
        let Some(head) = self.audit_head().await? else {
            return Ok(Some(AuditFault::NoEnd));
        };
        let before = "SELECT COUNT(*) FROM audit WHERE seq < $1";
        check.before_chain = self
            .int(before, args![bound(head.chained_from)])
            .await?
            .cast_unsigned();
        if check.before_chain != head.before_chain {
            return Ok(Some(AuditFault::BeforeChain {
                found: check.before_chain,
                expected: head.before_chain,
            }));
        }
        let mut due = head.chained_from;
        while due <= head.last_seq {
            let sql = own(format!(
                "{ACT} WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3"
            ));
            let page = args![bound(due), bound(head.last_seq), PAGE_MAX];
            let rows = self.rows(sql, page).await?;
            if rows.is_empty() {
                return Ok(Some(AuditFault::Cut {
                    last: due - 1,
                    expected: head.last_seq,
                }));
            }
            for row in &rows {
                let row = act(row)?;
                if row.seq != due {
                    return Ok(Some(AuditFault::Missing { seq: due }));
                }
                let hash = row.chained(due, &check.last);
                if row.hash != Some(hash) {
                    return Ok(Some(AuditFault::Changed { seq: due }));
                }
                check.last = hash;
                check.rows += 1;
                due += 1;
            }
        }
        if check.last != head.last_hash {
            return Ok(Some(AuditFault::End { seq: head.last_seq }));
        }
        // first what is there, then how far the chain says that it goes: what is written meanwhile is in both
        let last = "SELECT COALESCE(MAX(seq), 0) FROM audit";
        let last = self.int(last, args![]).await?.cast_unsigned();
        let Some(head) = self.audit_head().await? else {
            return Ok(Some(AuditFault::NoEnd));
        };
        if last > head.last_seq {
            let first = "SELECT MIN(seq) FROM audit WHERE seq > $1";
            let first = self.int(first, args![bound(head.last_seq)]).await?;
            return Ok(Some(AuditFault::Foreign {
                seq: first.cast_unsigned(),
            }));
        }
        Ok(None)
    }
}

/// Writes an act at the end of the chain, in the transaction of what it is about.
pub(crate) async fn put_act(tx: &mut Tx, act: &AuditRow) -> Result<(), StoreError> {
    tx.lock_feed().await?;
    let rows = tx.rows(HEAD, args![]).await?;
    let head = rows
        .first()
        .ok_or(StoreError::Corrupt { what: "audit_head" })?;
    let head = Head::read(head)?;
    let seq = head.last_seq + 1;
    let hash = act.chained(seq, &head.last_hash);
    tx.exec(
        "INSERT INTO audit (seq, at_us, account, name, way, client, action, object, detail, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            seq,
            act.at_us,
            act.account.as_str(),
            act.name.as_str(),
            act.way.as_str(),
            act.client.as_str(),
            act.action.as_str(),
            act.object.as_str(),
            act.detail.as_str(),
            hash
        ],
    )
    .await?;
    tx.exec(
        "UPDATE audit_head SET last_seq = $1, last_hash = $2 WHERE one = 1",
        args![seq, hash],
    )
    .await?;
    Ok(())
}

fn one(text: Option<&String>) -> Vec<&str> {
    text.map(String::as_str).into_iter().collect()
}

fn act(row: &Row) -> Result<AuditRow, StoreError> {
    let hash = row.blob(9)?;
    Ok(AuditRow {
        seq: row.uint(0)?,
        at_us: row.int(1)?,
        account: row.text(2)?,
        name: row.text(3)?,
        way: row.text(4)?,
        client: row.text(5)?,
        action: row.text(6)?,
        object: row.text(7)?,
        detail: row.text(8)?,
        hash: <[u8; 32]>::try_from(hash).ok().map(Hash),
    })
}
