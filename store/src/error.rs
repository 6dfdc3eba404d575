//! Why an operation of the store failed: who is at fault and what to do, in words for operators.

use std::path::PathBuf;

use crate::writing;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the folder open.
    #[error(
        "数据目录 {} 正被另一个进程使用。同一数据目录只能运行一个节点进程；请先停止正在运行的进程，或在配置中改用其他目录",
        folder.display()
    )]
    FolderLocked {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process has the PostgreSQL database open.
    #[error(
        "数据库 {database} 正被另一个节点进程使用。同一数据库只能运行一个节点进程；请先停止正在运行的进程，或在配置中改用其他数据库"
    )]
    DatabaseLocked {
        /// Name of the database.
        database: String,
    },
    /// The folder cannot be made or written.
    #[error("无法使用数据目录 {}；请检查目录是否存在、运行账号有无写权限以及磁盘是否已满", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The connection string cannot be read.
    #[error("数据库连接串格式不正确，应为 `postgres://用户:口令@主机/库名`；请检查配置")]
    Url(#[source] sqlx::Error),
    /// The database has an encoding in which some names cannot be kept.
    #[error("数据库 {database} 的编码是 {encoding}，必须为 UTF8；请用 ENCODING 'UTF8' 重新建库")]
    Encoding {
        /// Name of the database.
        database: String,
        /// Its encoding.
        encoding: String,
    },
    /// The database was written by a newer release, or one of its migrations was altered.
    #[error("数据库结构与本程序版本不符；请改用写入该库的版本或更新的版本，切勿手工修改表结构")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// The engine refused.
    #[error("数据库无法打开；请检查数据库服务、连接配置与磁盘")]
    Engine(#[from] sqlx::Error),
    /// It is open, but where its cursors stand cannot be read.
    #[error("数据库已打开，但处理进度无法读出")]
    Progress(#[source] StoreError),
}

/// Why an operation failed. Nothing of it was stored, unless its documentation says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Nothing was lost; writing goes on by itself when there is room.
    #[error(
        "磁盘空间不足，无法写入数据库；已保存的数据不受影响，请在数据库所在磁盘腾出空间，之后自动恢复"
    )]
    Full(#[source] sqlx::Error),
    /// The engine refused: connection lost, damaged file.
    #[error("数据库操作失败；请检查磁盘与数据库服务，恢复后将自动重试")]
    Engine(#[source] sqlx::Error),
    /// Another process has taken the database over; this one must stop writing.
    #[error("本进程已失去数据库的写入权（另有进程接管）；请停止本进程，确认只运行一个节点")]
    Fenced,
    /// A stored value does not have the shape in which this program writes it.
    #[error("数据库中的 {what} 已损坏；请停止节点并从备份恢复，不要继续写入")]
    Corrupt {
        /// Which value.
        what: &'static str,
    },
    /// The caller gave what no store may keep. The caller is at fault.
    #[error("写入请求不合规定（{what}）；这是程序缺陷，请附日志报告")]
    Invalid {
        /// Which rule was broken.
        what: &'static str,
    },
    /// The task that worked on it ended before it was done: the process is shutting down.
    #[error("数据库操作被中断，进程正在退出")]
    Interrupted,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if writing::is_full(&error) {
            Self::Full(error)
        } else {
            Self::Engine(error)
        }
    }
}
