//! Questions that pages, the JSON API and the command line ask. They read and change nothing; `now` is an argument.
//!
//! Answers are plain structures in the node's own terms; words and times for people are console's business.

pub mod admission;
pub mod audit;
pub mod dossier;
pub mod health;
pub mod refusal;
pub mod report;
pub mod search;
pub mod unsettled;

use protocol::bytes::Malformed;
use store::StoreError;

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What this node itself stored can no longer be read: its storage is damaged.
    #[error("本节点存储的第 {offset} 项数据已损坏（{what}）；请停止节点并从备份恢复")]
    Damaged {
        /// Feed offset.
        offset: u64,
        /// What could not be read.
        what: Malformed,
    },
}
