//! What a side holds, as one sum: 256-bit additions of SHA-256(type, key, origin, version, opened sections) (D28). Two sides
//! that hold the same have equal sums, whatever order they got it in.

use std::collections::BTreeMap;

use protocol::hash;

use crate::apply::record_kind;
use crate::error::StepError;
use crate::node::Node;

/// A sum over records, and how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// The sum mod 2^256, big-endian.
    pub sum: [u8; 32],
    /// Records in it.
    pub records: u64,
}

impl Sum {
    /// Adds one record: its identity (hash of type, key and origin), version and opened sections.
    pub fn add(&mut self, id: &[u8; 16], version: &[u8; 16], mask: u16) {
        let term = hash::sha256(&[id, version, &mask.to_be_bytes()]).0;
        let mut carry = 0u16;
        for (a, b) in self.sum.iter_mut().zip(term).rev() {
            let total = u16::from(*a) + u16::from(b) + carry;
            *a = total as u8;
            carry = total >> 8;
        }
        self.records += 1;
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", hash::Hash(self.sum))
    }
}

impl Node {
    /// Sums over the records that this node holds, by the region that they belong to, in one pass.
    pub async fn sums(&self) -> Result<BTreeMap<String, Sum>, StepError> {
        let mut sums = BTreeMap::<String, Sum>::new();
        let mut after = [0; 16];
        loop {
            let rows = self.store().digest_rows(None, after, 4_096).await?;
            let Some(last) = rows.last() else {
                return Ok(sums);
            };
            after = last.id;
            for row in rows {
                let sum = sums.entry(row.region).or_default();
                sum.add(&row.id, &row.version, row.mask & self.entitled(row.kind));
            }
        }
    }

    /// Sum over the records that this node holds and that belong to `region` (all if `None`), counting only the sections
    /// that a district is entitled to.
    pub async fn sum(&self, region: Option<&str>) -> Result<Sum, StepError> {
        let mut sum = Sum::default();
        let mut after = [0; 16];
        loop {
            let rows = self.store().digest_rows(region, after, 4_096).await?;
            let Some(last) = rows.last() else {
                return Ok(sum);
            };
            after = last.id;
            for row in &rows {
                sum.add(&row.id, &row.version, row.mask & self.entitled(row.kind));
            }
        }
    }

    /// Sections that a district is entitled to, by the number of a record type.
    fn entitled(&self, kind: u16) -> u16 {
        self.district_sections(record_kind::name(kind).unwrap_or_default())
    }
}
