//! Made-up entities with the dirt that real registers have. The same number gives the same entity, so that two departments
//! can speak about one; nothing here is taken from a real register.

use supervision::division::City;
use supervision::identifier::organisation::{OrganisationCode, OrganisationFault};
use supervision::identifier::registration_number::{RegistrationNumber, RegistrationNumberFault};
use supervision::identifier::uscc::{Uscc, UsccFault};

/// A row as a clerk fills it in, by the standard's field names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Identifier within the department.
    pub entity_id: String,
    /// What stands in the code column.
    pub uscc: String,
    /// Name.
    pub name: String,
    /// Date of establishment.
    pub est_date: String,
    /// Legal representative.
    pub legal_rep: String,
    /// Capital.
    pub capital: String,
    /// Business scope.
    pub scope: String,
    /// Address.
    pub address: String,
    /// The department's own area column.
    pub area: String,
}

impl Row {
    /// The value of a field of the standard.
    pub fn field(&self, name: &str) -> &str {
        match name {
            "entity_id" => &self.entity_id,
            "uscc" => &self.uscc,
            "name" => &self.name,
            "est_date" => &self.est_date,
            "legal_rep" => &self.legal_rep,
            "capital" => &self.capital,
            "scope" => &self.scope,
            "address" => &self.address,
            "area" => &self.area,
            _ => "",
        }
    }
}

/// SplitMix64: a stream of numbers that a seed fixes.
#[derive(Debug, Clone)]
pub struct Draw(pub u64);

impl Draw {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// One of several.
    pub fn one<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}

/// Makes rows about a city's entities.
#[derive(Debug, Clone)]
pub struct Sample {
    city: City,
    seed: u64,
}

impl Sample {
    /// The entities that a seed fixes.
    pub fn new(city: City, seed: u64) -> Self {
        Self { city, seed }
    }

    /// The entity of a number in a district, clean.
    pub fn entity(&self, number: u64, district: &str) -> Row {
        let mut draw = Draw(self.seed ^ number.wrapping_mul(0x9e37_79b9));
        let city = self.city.name.trim_end_matches('市');
        let area = self.city.region_name(district).unwrap_or(&self.city.name);
        let brand: String = (0..2).map(|_| *draw.one(&BRAND)).collect();
        let trade = draw.one(&TRADES);
        let form = *draw.one(&[
            "有限公司",
            "有限公司",
            "有限责任公司",
            "（集团）有限公司",
            "商行",
        ]);
        let rare = *draw.one(&["", "", "", "", "", "", "", "", "", "", "𠮷", "龘"]);
        let (year, month, day) = (
            1990 + draw.below(34),
            1 + draw.below(12),
            1 + draw.below(28),
        );
        let road = *draw.one(&["中山路", "泉城路", "经十路", "解放路", "花园路", "工业南路"]);
        Row {
            entity_id: String::new(),
            uscc: code(district, number),
            name: format!("{city}{brand}{rare}{}{form}", trade.0),
            est_date: format!("{year}-{month:02}-{day:02}"),
            legal_rep: person(&mut draw),
            capital: format!("{}万元人民币", 10 * (1 + draw.below(300))),
            scope: trade.1.to_owned(),
            address: format!("{}{area}{road}{}号", self.city.name, 1 + draw.below(900)),
            area: area.to_owned(),
        }
    }

    /// The same, as it stands in a department that was not careful. Of a hundred rows some ten have dirt.
    pub fn dirty(&self, number: u64, district: &str) -> Row {
        let mut row = self.entity(number, district);
        let mut draw = Draw(self.seed.rotate_left(17) ^ number);
        match number % 50 {
            // every kind occurs in any run of fifty
            3 => row.uscc = wrong_check(&row.uscc),
            9 => row.est_date = (*draw.one(&["1900-01-01", "1899-12-31"])).to_owned(),
            14 => row.uscc = registration_number(district, number),
            19 => row.uscc = row.uscc.to_ascii_lowercase(),
            25 => row.area = "N/A".to_owned(),
            31 => row.est_date = "2035-06-31".to_owned(),
            36 => row.name = String::new(),
            42 => row.uscc = format!(" {} ", row.uscc),
            47 => row.area = "自贸区".to_owned(),
            _ => {}
        }
        row
    }

    /// The city.
    pub fn city(&self) -> &City {
        &self.city
    }
}

/// A person's name.
pub fn person(draw: &mut Draw) -> String {
    let mut name = (*draw.one(&["王", "李", "张", "刘", "陈", "欧阳", "孙", "周"])).to_owned();
    for _ in 0..1 + draw.below(2) {
        name.push(*draw.one(&BRAND));
    }
    name
}

/// A valid code of a district's registry. Numbers below 10^8 give different codes.
fn code(district: &str, number: u64) -> String {
    let serial = format!("M{:07}", number % 10_000_000);
    let organisation = completed(&serial, |candidate| {
        match OrganisationCode::parse_clean(candidate) {
            Err(OrganisationFault::CheckCharacter { expected }) => Some(expected),
            _ => None,
        }
    });
    completed(
        &format!("91{district}{organisation}"),
        |candidate| match Uscc::parse_clean(candidate) {
            Err(UsccFault::CheckCharacter { expected, .. }) => Some(expected),
            _ => None,
        },
    )
}

/// A 15-digit registration number, which some clerks put into the code column.
fn registration_number(district: &str, number: u64) -> String {
    let number = format!("{district}{:08}", number % 100_000_000);
    completed(&number, |candidate| {
        match RegistrationNumber::parse_clean(candidate) {
            Err(RegistrationNumberFault::CheckDigit { expected }) => Some(expected),
            _ => None,
        }
    })
}

/// The code with another check character.
pub fn wrong_check(code: &str) -> String {
    let mut code = code.to_owned();
    let right = code.pop();
    code.push(if right == Some('7') { '8' } else { '7' });
    code
}

/// Completes a number by the check character that its own rule expects.
fn completed(number: &str, expected: impl Fn(&str) -> Option<char>) -> String {
    let mut candidate = format!("{number}0");
    if let Some(right) = expected(&candidate) {
        candidate.pop();
        candidate.push(right);
    }
    candidate
}

const BRAND: [char; 36] = [
    '华', '盛', '恒', '隆', '源', '泰', '宏', '达', '兴', '利', '金', '鑫', '瑞', '丰', '嘉', '信',
    '联', '创', '远', '东', '海', '明', '德', '和', '美', '安', '康', '宝', '通', '顺', '新', '宇',
    '博', '文', '翔', '凯',
];

/// Trades as they stand in names, with a phrase of the business scope.
const TRADES: [(&str, &str); 10] = [
    ("贸易", "日用百货、针纺织品、五金交电的批发与零售"),
    ("餐饮管理", "餐饮企业管理；热食类食品制售"),
    ("信息科技", "计算机软硬件的技术开发、技术咨询、技术服务"),
    ("建筑工程", "建筑装饰装修工程设计与施工"),
    ("物流", "道路普通货物运输；货运代理；仓储服务"),
    ("机械设备", "机械设备及配件的加工、维修、销售"),
    ("服饰", "服装鞋帽、箱包皮具的设计与销售"),
    ("医药", "第二类医疗器械经营；保健食品零售"),
    ("物业管理", "物业管理；停车场经营管理；房屋租赁"),
    ("农业发展", "蔬菜、瓜果、苗木的种植与销售"),
];

#[cfg(test)]
mod tests {
    use supervision::division::DivisionTable;

    use super::*;

    fn sample() -> Sample {
        Sample::new(
            DivisionTable::builtin()
                .city("370100")
                .expect("the table has it"),
            7,
        )
    }

    #[test]
    fn codes_are_valid_and_differ() {
        let codes: std::collections::HashSet<_> = (0..2_000)
            .map(|number| sample().entity(number, "370102").uscc)
            .inspect(|code| {
                assert!(
                    Uscc::parse(code).is_ok_and(|c| c.inner_check_fits()),
                    "{code}"
                )
            })
            .collect();
        assert_eq!(codes.len(), 2_000);
    }

    #[test]
    fn dirt_is_of_every_kind() {
        let row = |number| sample().dirty(number, "370102");
        assert!(matches!(
            Uscc::parse(&row(3).uscc),
            Err(UsccFault::CheckCharacter { .. })
        ));
        assert_eq!(row(14).uscc.len(), 15);
        assert!(RegistrationNumber::parse(&row(14).uscc).is_ok());
        assert!(row(36).name.is_empty());
        assert_eq!(row(1), sample().entity(1, "370102"));
    }
}
