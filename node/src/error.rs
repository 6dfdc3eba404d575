//! Errors of the pipeline's steps. A step that fails leaves everything as it was and can be tried again.

use protocol::bytes::Malformed;
use store::StoreError;

/// Why a step of the pipeline failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The store failed: disk, database, or a second process. Nothing was taken in.
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
