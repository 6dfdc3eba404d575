//! Why a statement was not taken up, whose fault it is and what it waits for.

use crate::blame::{Blame, Unread};
use crate::bytes::Malformed;
use crate::hash::Ref;
use crate::name::SeatId;

/// Why a statement was not taken up. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// The envelope or object does not follow the layout, and nobody who could answer for it has signed it.
    #[error("名录声明的字节不合规定（{}）", .0.what)]
    Malformed(Malformed),
    /// The object does not follow the layout, though somebody has signed it who answers for this seat.
    #[error("名录声明已由本席位或其上级签名，但内容不合规定（{}）", .0.what)]
    SignedMalformed(Malformed),
    /// A kind that does not travel as a statement by itself.
    #[error("第 {0} 类签名对象不能作为名录声明传送")]
    NotAStatement(u8),
    /// Something that it names or builds on is not known here yet: hold it, want what is missing.
    #[error("名录声明所依据的{0}尚未收到，暂存等待")]
    Unknown(Missing),
    /// A required signature is missing or not good.
    #[error("名录声明的签名未通过校验")]
    BadSignature,
    /// Its signer may not say this.
    #[error("名录声明的签发方无权作此声明：{0}")]
    NotPermitted(Refusal),
    /// More statements of one seat than are kept.
    #[error("席位 {0} 的名录声明超过可保存的数量，未保存")]
    OverQuota(SeatId),
    /// Not read by this release; what to do with it.
    #[error("本版本不能识别这一名录声明，升级后可识别")]
    Unread(Unread),
}

impl StatementFault {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Malformed(_) | Self::NotAStatement(_) | Self::BadSignature => Blame::Relay,
            Self::SignedMalformed(_) | Self::NotPermitted(_) => Blame::Origin,
            Self::Unknown(_) | Self::OverQuota(_) => Blame::Nobody,
            Self::Unread(unread) => unread.blame(),
        }
    }
}

impl From<Refusal> for StatementFault {
    fn from(refusal: Refusal) -> Self {
        Self::NotPermitted(refusal)
    }
}

/// What a statement waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Missing {
    /// The statement of this reference, which can be wanted from everybody.
    #[error("声明 {0}")]
    Statement(Ref),
    /// An identity of this seat and serial.
    #[error("席位 {0} 的第 {1} 号身份声明")]
    Serial(SeatId, u32),
    /// Any identity of this seat.
    #[error("席位 {0} 的身份声明")]
    Seat(SeatId),
    /// An opening of this seat with a greater counter.
    #[error("席位 {0} 在第 {1} 期之后的启用声明")]
    LaterOpening(SeatId, u32),
    /// A revocation of this seat with these ends.
    #[error("席位 {0} 的撤销声明")]
    Revocation(SeatId),
}

impl Missing {
    /// The reference to want, if one is named; the rest comes with the feed or by comparing digests.
    pub const fn reference(&self) -> Option<Ref> {
        match self {
            Self::Statement(reference) => Some(*reference),
            _ => None,
        }
    }
}

/// What the signer of a statement may not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A root version that does not follow its former.
    #[error("根声明的版本号应比前一版本大一")]
    RootVersion,
    /// The root admits the city, and nobody else does.
    #[error("根声明只准入市级席位，市级席位只由根声明准入")]
    RootAndCity,
    /// The issuer admits nobody.
    #[error("签发席位未获准入其他席位的权限")]
    IssuerDoesNotAdmit,
    /// A district admits departments only.
    #[error("区县席位只可准入部门席位")]
    IssuerKind,
    /// Outside of the district's jurisdiction.
    #[error("席位不在签发席位的辖区之内")]
    Jurisdiction,
    /// A district admits to itself only.
    #[error("区县席位准入的部门须以该区县席位为所属节点")]
    NotItsNode,
    /// The node of a department is no node.
    #[error("所属节点不是市级或区县席位")]
    NodeIsNone,
    /// A seat keeps its kind.
    #[error("席位的种类不可改变")]
    KindChanged,
    /// Another seat has admitted it.
    #[error("席位由其他席位准入，只可由准入席位或市级席位续签")]
    AdmittedByAnother,
    /// The keys have not signed for this seat.
    #[error("密钥持有证明不成立")]
    Possession,
    /// A consent that is none.
    #[error("原密钥的同意签名不成立")]
    Consent,
    /// Keys were replaced without consent and without a reason.
    #[error("更换密钥未经原密钥同意，须由市级席位（市级席位由根声明）说明原因")]
    ReasonMissing,
    /// A reason where none is called for.
    #[error("密钥未更换或已经原密钥同意，不应另有原因或同意")]
    ReasonNotCalledFor,
    /// Not for this issuer to say about this seat.
    #[error("签发方不是该席位的上级")]
    NotOverThisSeat,
    /// A seat that admits nobody has issued nothing that could stand.
    #[error("该席位未准入其他席位，不应列出继续有效的声明")]
    StandingOfNobody,
    /// Signed under another seat's identity.
    #[error("以其他席位的身份签名")]
    AnotherSeat,
    /// A closing that takes back what an earlier one declared, or a second of one serial.
    #[error("关闭声明与已有的关闭声明相矛盾")]
    ClosingContradicts,
}
