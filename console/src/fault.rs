//! What can go wrong with a request, and the only place where that becomes a status code.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use node::command::account::AccountError;
use node::query::QueryError;

use crate::view::failure::Failure;

/// Why a request was not answered as asked.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nobody is signed in. Pages lead to the form, then on to `next`.
    SignedOut { next: String },
    /// The account may not do this.
    Forbidden { title: &'static str, why: String },
    /// The form was not made for this session, or is from before a restart.
    StaleForm,
    /// The request itself cannot be read.
    Malformed { what: String },
    /// There is no such page.
    NoPage,
    /// There is no such thing on this node.
    NoSuch { what: String, next: String },
    /// The address exists, but not for this method.
    WrongMethod,
    /// The request came under a foreign host name.
    ForeignHost,
    /// The answer took too long.
    Slow,
    /// This node is at fault.
    Here { what: String },
}

impl Fault {
    /// A filter in an address says something that no choice of it says.
    pub(crate) fn unknown_filter(what: &str) -> Self {
        Self::Malformed {
            what: format!("筛选条件「{what}」无法识别"),
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::StaleForm => StatusCode::FORBIDDEN,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::NoPage | Self::NoSuch { .. } => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Here { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The fault in words. Nothing of the inside is told; the log has it under the reference.
    pub(crate) fn failure(&self, reference: String) -> Failure {
        let (title, why, next): (&str, String, Vec<&str>) = match self {
            Self::SignedOut { .. } => (
                "尚未登录",
                "本节点的页面与接口都需要实名登录。".to_owned(),
                vec!["请先登录。"],
            ),
            Self::Forbidden { title, why } => (
                title,
                format!("{why}系统运行正常，不是故障。"),
                vec![
                    "如确需办理，请联系本节点管理员调整您的账号权限。",
                    "如要换一个账号，请先退出再登录。",
                ],
            ),
            Self::StaleForm => (
                "页面已过期，未作任何改动",
                "提交的表单不是本次登录后打开的，或登录已经更换。".to_owned(),
                vec!["请回到原页面刷新后重新提交。"],
            ),
            Self::Malformed { what } => (
                "请求有误",
                format!("{what}。这通常是链接不完整或被改动。"),
                vec!["请从页面上的链接或表单重新进入。"],
            ),
            Self::NoPage => (
                "没有这个页面",
                "地址可能输错，或来自其他版本的链接。".to_owned(),
                vec!["请核对地址，或从首页进入。"],
            ),
            Self::NoSuch { what, next } => (what, String::new(), vec![next.as_str()]),
            Self::WrongMethod => (
                "这个地址不接受此种请求",
                "请求方式与地址不符，未作任何改动。".to_owned(),
                vec!["请从页面上的链接或表单进入。"],
            ),
            Self::ForeignHost => (
                "访问的主机名不对",
                "控制台只接受以配置的名称访问。".to_owned(),
                vec![
                    "请用本节点配置（console.names）中列出的名称打开；在本机上可用 127.0.0.1 或 localhost。",
                ],
            ),
            Self::Slow => (
                "节点未能及时应答",
                "本节点正忙，您的请求没有做完；读取类请求不影响任何数据。".to_owned(),
                vec!["请稍候刷新。", "如持续出现，请把编号告知本节点管理员。"],
            ),
            Self::Here { .. } => (
                "节点处理出错",
                "这是本节点的故障，不是您的操作有误。已收到的数据不受影响。".to_owned(),
                vec![
                    "请稍候重试。",
                    "如持续出现，请把编号告知本节点管理员，详细原因在节点日志中。",
                ],
            ),
        };
        Failure {
            status: self.status().as_u16(),
            title: title.to_owned(),
            why,
            next: next.into_iter().map(str::to_owned).collect(),
            reference,
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::Here {
            what: chain(&error),
        }
    }
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        if matches!(error, AccountError::Changed) {
            return Self::SignedOut {
                next: String::new(),
            };
        }
        Self::Here {
            what: chain(&error),
        }
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::Here {
            what: error.to_string(),
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut all = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        all = format!("{all}: {error}");
        cause = error.source();
    }
    all
}

impl IntoResponse for Fault {
    /// Only marks the response: `frame::visitor` makes the page or the JSON document, since it knows the frame.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
