//! What the rules leave to a person: reasons for which an entity is on the worklist, in plain words, with what is to be done
//! about each. Pure; who lists them and who settles them is not decided here.

use protocol::entry::Subject;

use super::{Flag, Jurisdiction, Link, link};

/// Why the rules could not settle an entity. Numbers and codes are permanent: the former are kept, the latter stand in
/// addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Unsettled {
    /// No credit code; a registration number.
    RegistrationNumber = 1,
    /// No credit code; an organisation code.
    OrganisationCode = 1 << 1,
    /// No credit code; a tax number.
    TaxNumber = 1 << 2,
    /// No number at all.
    NameOnly = 1 << 3,
    /// A division code that the table does not have.
    DivisionUnknown = 1 << 4,
    /// A division code of elsewhere.
    DivisionForeign = 1 << 5,
    /// A division that was split among several, or ended with nothing known to be in its place.
    DivisionSplit = 1 << 6,
    /// Nothing says where the entity belongs.
    NoDivision = 1 << 7,
}

impl Unsettled {
    /// All of them, by number.
    pub const ALL: [Self; 8] = [
        Self::RegistrationNumber,
        Self::OrganisationCode,
        Self::TaxNumber,
        Self::NameOnly,
        Self::DivisionUnknown,
        Self::DivisionForeign,
        Self::DivisionSplit,
        Self::NoDivision,
    ];

    /// The bit that stands for it.
    pub const fn bit(self) -> u32 {
        self as u32
    }

    /// The reasons whose bits are set; bits of a newer release are passed over.
    pub fn of_bits(bits: u32) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |r| bits & r.bit() != 0)
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RegistrationNumber => "U-ID-01",
            Self::OrganisationCode => "U-ID-02",
            Self::TaxNumber => "U-ID-03",
            Self::NameOnly => "U-ID-04",
            Self::DivisionUnknown => "U-DIV-01",
            Self::DivisionForeign => "U-DIV-02",
            Self::DivisionSplit => "U-DIV-03",
            Self::NoDivision => "U-DIV-04",
        }
    }

    /// Reads [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::RegistrationNumber => "只有注册号，没有统一社会信用代码",
            Self::OrganisationCode => "只有组织机构代码，没有统一社会信用代码",
            Self::TaxNumber => "只有税务登记证号，没有统一社会信用代码",
            Self::NameOnly => "只有名称，没有任何代码",
            Self::DivisionUnknown => "区划代码不在区划表内",
            Self::DivisionForeign => "区划代码不属本市",
            Self::DivisionSplit => "区划已拆分或撤销，无法确定归属",
            Self::NoDivision => "没有可用于确定归属的信息",
        }
    }

    /// What is to be done, and by whom.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::RegistrationNumber => {
                "请源部门对照营业执照，在源系统补填 18 位统一社会信用代码；重报后自动归户。尚未换发新照的，保留注册号，待换照后补填"
            }
            Self::OrganisationCode | Self::TaxNumber => {
                "请源部门对照登记证照，在源系统补填 18 位统一社会信用代码；重报后自动归户"
            }
            Self::NameOnly => {
                "名称相同不能认定为同一主体。请源部门在源系统补填统一社会信用代码，没有的补填注册号"
            }
            Self::DivisionUnknown | Self::DivisionForeign | Self::DivisionSplit => {
                "请源部门在源系统核对并填写住所现行行政区划（6 位代码）；更正前按现列区划归属"
            }
            Self::NoDivision => "请源部门在源系统填写住所行政区划（6 位代码）；更正前归市级",
        }
    }

    /// Whether it is about which entity it is, rather than where it belongs.
    pub const fn is_about_identity(self) -> bool {
        matches!(
            self,
            Self::RegistrationNumber | Self::OrganisationCode | Self::TaxNumber | Self::NameOnly
        )
    }
}

/// Why an entity that a record concludes on is for a person; empty if the rules settle it.
pub fn unsettled(subject: &Subject, jurisdiction: &Jurisdiction) -> Vec<Unsettled> {
    let identity = match (link(subject), subject) {
        (Link::ByItself(_) | Link::Not, _) => None,
        (Link::NameOnly, _) => Some(Unsettled::NameOnly),
        (Link::ToMatch, Subject::OrganisationCode(_)) => Some(Unsettled::OrganisationCode),
        (Link::ToMatch, Subject::TaxNumber(_)) => Some(Unsettled::TaxNumber),
        (Link::ToMatch, _) => Some(Unsettled::RegistrationNumber),
    };
    let place = jurisdiction.flagged.as_ref().map(|flag| match flag {
        Flag::Unknown(_) => Unsettled::DivisionUnknown,
        Flag::Foreign(_) => Unsettled::DivisionForeign,
        Flag::Split(_) => Unsettled::DivisionSplit,
        Flag::Nothing => Unsettled::NoDivision,
    });
    identity.into_iter().chain(place).collect()
}

/// The division code that a flag is about, if it is about one.
pub fn flagged_division(jurisdiction: &Jurisdiction) -> Option<&str> {
    match jurisdiction.flagged.as_ref()? {
        Flag::Unknown(code) | Flag::Foreign(code) | Flag::Split(code) => Some(code),
        Flag::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::conclude::{Basis, jurisdiction};
    use crate::division::DivisionTable;

    const PUDONG: &str = "91310115MA1K3BTP2B";
    const NUMBER: &str = "310115001234560";

    fn check(subject: Subject, inputs: [Option<&str>; 3], expected: &str) {
        let table = DivisionTable::builtin();
        let city = table.city("310000").expect("the table has the city");
        let [domicile, area, code] = inputs;
        let jurisdiction = jurisdiction(&city, &table, domicile, area, code, None);
        let reasons = unsettled(&subject, &jurisdiction);
        let codes: Vec<&str> = reasons.iter().map(|r| r.code()).collect();
        let division = flagged_division(&jurisdiction).unwrap_or_default();
        assert_eq!(
            format!("{} {division}", codes.join(" ")).trim(),
            expected,
            "{subject:?} {inputs:?}"
        );
    }

    #[test]
    fn what_the_rules_leave_open() {
        let code = || Subject::Uscc(PUDONG.into());
        let number = || Subject::RegistrationNumber(NUMBER.into());
        check(code(), [None, None, Some(PUDONG)], "");
        check(number(), [None, None, Some(NUMBER)], "U-ID-01");
        check(
            Subject::OrganisationCode("MA1K3BTP2".into()),
            [Some("310115"), None, None],
            "U-ID-02",
        );
        check(
            Subject::TaxNumber("310115MA1K3BTP2".into()),
            [Some("310115"), None, None],
            "U-ID-03",
        );
        check(
            Subject::NameOnly("某公司".into()),
            [None, None, None],
            "U-ID-04 U-DIV-04",
        );
        check(
            code(),
            [Some("310999"), None, Some(PUDONG)],
            "U-DIV-01 310999",
        );
        check(
            number(),
            [Some("440301"), Some("嘉定"), None],
            "U-ID-01 U-DIV-02 440301",
        );
        check(code(), [None, None, None], "U-DIV-04");
        let split = Jurisdiction {
            region: "310000".into(),
            basis: Basis::Domicile,
            flagged: Some(Flag::Split("310000".into())),
        };
        assert_eq!(unsettled(&code(), &split), [Unsettled::DivisionSplit]);
    }

    #[test]
    fn bits_and_codes_are_each_one_s_own() {
        let bits = Unsettled::ALL.iter().fold(0, |bits, r| bits | r.bit());
        assert_eq!(bits.count_ones() as usize, Unsettled::ALL.len());
        assert!(Unsettled::of_bits(bits | 1 << 31).eq(Unsettled::ALL));
        assert_eq!(Unsettled::of_bits(0).count(), 0);
        let numbers: Vec<u32> = Unsettled::ALL.iter().map(|r| r.bit()).collect();
        assert_eq!(numbers, [1, 2, 4, 8, 16, 32, 64, 128], "they are kept");
        for reason in Unsettled::ALL {
            assert_eq!(Unsettled::from_code(reason.code()), Some(reason));
            assert!(Unsettled::of_bits(reason.bit()).eq([reason]));
        }
        assert_eq!(Unsettled::from_code(""), None);
        for reason in Unsettled::ALL {
            let identity = reason.code().starts_with("U-ID-");
            assert_eq!(reason.is_about_identity(), identity, "{reason:?}");
            assert!(reason.fix().contains("源系统"), "{reason:?}");
        }
        let titles: HashSet<&str> = Unsettled::ALL.iter().map(|r| r.title()).collect();
        assert_eq!(titles.len(), Unsettled::ALL.len());
        assert!(titles.contains("区划代码不属本市"));
    }
}
