//! Registration files made from a seed, with the kinds of dirt that real registers have and in about their proportions;
//! rare kinds are more frequent here, and every kind occurs even in a short file. The same arguments give the same bytes.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use supervision::division::{City, DivisionTable, Place};
use supervision::identifier::organisation::{OrganisationCode, OrganisationFault};
use supervision::identifier::registration_number::{RegistrationNumber, RegistrationNumberFault};
use supervision::identifier::uscc::{Uscc, UsccFault};
use thiserror::Error;

use super::registrations::{Registration, Writer};

/// What is odd about a row. Most rows have some oddity besides, such as N/A as legal representative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dirt {
    /// Nothing; the area is the district of the code.
    Clean,
    /// The code's division is the city itself.
    CityCode,
    /// The code's division has been abolished.
    AbolishedDivision,
    /// The code's division is under the city's prefix, but no table has it.
    UnknownDivision,
    /// The code was given elsewhere.
    ForeignDivision,
    /// The area names another district than the code.
    AreaElsewhere,
    /// The area is a free-trade zone.
    AreaZone,
    /// The area is N/A.
    AreaNothing,
    /// The area names a district that has been abolished.
    AreaAbolished,
    /// The code's check character is wrong: the row must be refused.
    WrongCheck,
    /// The code is in lower case.
    LowerCase,
    /// A 15-digit registration number stands in the code column.
    RegistrationNumber,
    /// The code is N/A.
    CodeNothing,
    /// The name has a character of four bytes.
    FourBytes,
    /// The name is that of the row before.
    DuplicateName,
    /// The founding date is one that systems put in for an unknown one.
    FakeDate,
    /// A comma that nobody quoted shifts the cells behind the legal representative.
    ShiftedCells,
}

/// Each kind with how many rows of 10,000 have it.
const SHARES: [(Dirt, u64); 17] = [
    (Dirt::Clean, 7_162),
    (Dirt::CityCode, 780),
    (Dirt::AbolishedDivision, 410),
    (Dirt::UnknownDivision, 5),
    (Dirt::ForeignDivision, 3),
    (Dirt::AreaElsewhere, 900),
    (Dirt::AreaZone, 420),
    (Dirt::AreaNothing, 120),
    (Dirt::AreaAbolished, 50),
    (Dirt::WrongCheck, 10),
    (Dirt::LowerCase, 15),
    (Dirt::RegistrationNumber, 10),
    (Dirt::CodeNothing, 15),
    (Dirt::FourBytes, 40),
    (Dirt::DuplicateName, 50),
    (Dirt::FakeDate, 8),
    (Dirt::ShiftedCells, 2),
];

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Rows in all.
    pub rows: u64,
    /// Rows of each kind.
    pub dirt: BTreeMap<Dirt, u64>,
}

/// Why nothing was generated.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// The built-in division table has no such city, or the city has no districts.
    #[error("区划表中没有城市 {0}，或该市没有下辖区县")]
    UnknownCity(String),
    /// The file could not be written.
    #[error("无法写入: {0}")]
    Io(#[from] std::io::Error),
    /// The file could not be written.
    #[error("无法写入: {0}")]
    Csv(#[from] csv::Error),
}

/// Writes `rows` registrations of a city (its six-digit code) into a file, compressed if its name ends in `.zst`.
pub fn generate_registrations_file(
    rows: u64,
    city: &str,
    seed: u64,
    path: &Path,
) -> Result<Generated, GenerateError> {
    let file = BufWriter::new(std::fs::File::create(path)?);
    if path.extension().is_none_or(|extension| extension != "zst") {
        return generate_registrations(rows, city, seed, file);
    }
    let mut encoder = zstd::stream::write::Encoder::new(file, 1)?;
    let generated = generate_registrations(rows, city, seed, &mut encoder)?;
    encoder.finish()?.flush()?;
    Ok(generated)
}

/// Writes `rows` registrations of a city (its six-digit code).
pub fn generate_registrations(
    rows: u64,
    city: &str,
    seed: u64,
    into: impl Write,
) -> Result<Generated, GenerateError> {
    let mut maker =
        Maker::new(city, seed).ok_or_else(|| GenerateError::UnknownCity(city.to_owned()))?;
    let mut writer = Writer::new(into)?;
    let mut dirt = BTreeMap::new();
    for number in 0..rows {
        let kind = maker.kind(number);
        let row = maker.row(number, kind);
        if kind == Dirt::ShiftedCells {
            // The comma inside the name should have been quoted; the writer would do so, therefore two cells.
            let cells = [
                row.name,
                row.code,
                row.founded,
                row.kind,
                Some("CHI YEE".to_owned()),
                Some("GAVIN）".to_owned()),
            ];
            let cells = cells.into_iter().chain([
                row.capital,
                row.scope,
                row.province,
                row.area,
                row.address,
            ]);
            let cells: Vec<_> = cells.map(Option::unwrap_or_default).collect();
            writer.write_cells(cells.iter().map(String::as_str))?;
        } else {
            writer.write(&row)?;
        }
        *dirt.entry(kind).or_insert(0) += 1;
    }
    writer.finish()?;
    Ok(Generated { rows, dirt })
}

struct Maker {
    table: DivisionTable,
    city: City,
    abolished: Vec<String>,
    draw: Draw,
    serial: u64,
    last_name: String,
}

impl Maker {
    fn new(code: &str, seed: u64) -> Option<Self> {
        let table = DivisionTable::builtin();
        let city = table
            .city(code)
            .ok()
            .filter(|city| city.districts.len() > 1)?;
        let prefix = code.get(..4)?.trim_end_matches('0').to_owned();
        let below = (0..10_000_u32).map(|number| format!("{}{number:04}", &code[..2]));
        let abolished = below.filter(|below| below.starts_with(&prefix));
        let abolished = abolished.filter(|code| {
            table
                .get(code)
                .is_some_and(|division| division.until.is_some())
        });
        let abolished = abolished
            .filter(|code| matches!(city.place_of_code(code), Place::District(_)))
            .collect();
        let mut draw = Draw(seed);
        let serial = draw.next();
        Some(Self {
            table,
            city,
            abolished,
            draw,
            serial,
            last_name: String::new(),
        })
    }

    /// The first rows have one kind each, so that a short file has them all.
    fn kind(&mut self, number: u64) -> Dirt {
        let first = usize::try_from(number)
            .ok()
            .and_then(|number| SHARES.get(number));
        let drawn = first.map_or_else(|| self.draw.by_share(&SHARES), |(kind, _)| *kind);
        // A city may have no past.
        let needs_past = matches!(drawn, Dirt::AbolishedDivision | Dirt::AreaAbolished);
        if needs_past && self.abolished.is_empty() {
            Dirt::Clean
        } else {
            drawn
        }
    }

    fn row(&mut self, number: u64, dirt: Dirt) -> Registration {
        let at = self.draw.below(self.city.districts.len());
        let district = self.city.districts[at].clone();
        let mut area = short(&district.name).to_owned();
        let mut division = district.code.clone();
        match dirt {
            Dirt::CityCode => division.clone_from(&self.city.code),
            Dirt::AbolishedDivision => division = self.draw.one(&self.abolished).clone(),
            Dirt::UnknownDivision => division.replace_range(4.., "99"),
            Dirt::ForeignDivision => {
                division = (*self.draw.one(&["110108", "320508", "440305"])).to_owned()
            }
            Dirt::AreaElsewhere => {
                let other = (at + 1 + self.draw.below(self.city.districts.len() - 1))
                    % self.city.districts.len();
                area = short(&self.city.districts[other].name).to_owned();
            }
            Dirt::AreaZone => area = "自贸区".to_owned(),
            Dirt::AreaNothing => area = "N/A".to_owned(),
            Dirt::AreaAbolished => {
                let code = self.draw.one(&self.abolished);
                area = self
                    .table
                    .get(code)
                    .map(|was| short(&was.name).to_owned())
                    .unwrap_or(area);
            }
            _ => {}
        }
        let code = self.code(&division, number, dirt);
        let city = short(&self.city.name).to_owned();
        let name = match dirt {
            Dirt::DuplicateName if !self.last_name.is_empty() => self.last_name.clone(),
            _ => self.name(&city, dirt),
        };
        self.last_name.clone_from(&name);
        Registration {
            name: Some(name),
            code: Some(code),
            founded: Some(self.founded(dirt)),
            kind: Some(self.sometimes(
                7,
                &["有限责任公司", "个人独资企业", "股份合作制", "集体所有制"],
            )),
            representative: Some(self.person()),
            capital: Some(self.capital()),
            scope: Some(self.scope()),
            province: Some(self.province()),
            address: Some(self.address(&city, &district.name)),
            area: Some(area),
        }
    }

    fn code(&mut self, division: &str, number: u64, dirt: Dirt) -> String {
        // A multiplier without factors 2 and 5 makes eight digits that do not repeat within 10^8 rows.
        let serial = number
            .wrapping_add(self.serial % 100_000_000)
            .wrapping_mul(7_654_321)
            % 100_000_000;
        if dirt == Dirt::CodeNothing {
            return "N/A".to_owned();
        }
        if dirt == Dirt::RegistrationNumber {
            return with_registration_check(&format!("{division}{serial:08}"));
        }
        // Codes given since the reform begin with MA; they share no organisation code with the older ones.
        let recent = dirt == Dirt::LowerCase || self.draw.below(2) == 0;
        let organisation = if recent {
            format!("M{}", letters(serial))
        } else {
            format!("{serial:08}")
        };
        let mut code = with_code_check(&format!(
            "91{division}{}",
            with_organisation_check(&organisation)
        ));
        match dirt {
            Dirt::WrongCheck => {
                let right = code.pop();
                code.push(if right == Some('7') { '8' } else { '7' });
            }
            Dirt::LowerCase => code.make_ascii_lowercase(),
            _ => {}
        }
        code
    }

    fn name(&mut self, city: &str, dirt: Dirt) -> String {
        let brand: String = (0..2).map(|_| *self.draw.one(&BRAND)).collect();
        let four = if dirt == Dirt::FourBytes {
            *self.draw.one(&["𠮷", "𣗋", "𪩘"])
        } else {
            ""
        };
        let trade = self.draw.one(&TRADES).0;
        let form = *self.draw.one(&[
            "有限公司",
            "有限公司",
            "有限责任公司",
            "（集团）有限公司",
            "有限公司分公司",
        ]);
        format!("{city}{brand}{four}{trade}{form}")
    }

    fn founded(&mut self, dirt: Dirt) -> String {
        if dirt == Dirt::FakeDate {
            return (*self.draw.one(&["1900-01-01", "1899-12-31"])).to_owned();
        }
        let (year, month, day) = (
            1985 + self.draw.below(35),
            1 + self.draw.below(12),
            1 + self.draw.below(28),
        );
        format!("{year}-{month:02}-{day:02}")
    }

    /// One of `choices` in the given percentage of rows, else N/A.
    fn sometimes(&mut self, percent: usize, choices: &[&str]) -> String {
        let choice = *self.draw.one(choices);
        if self.draw.below(100) < percent {
            choice.to_owned()
        } else {
            "N/A".to_owned()
        }
    }

    fn person(&mut self) -> String {
        let mut name = (*self
            .draw
            .one(&["王", "李", "张", "陈", "欧阳", "吴", "赵", "周"]))
        .to_owned();
        for _ in 0..1 + self.draw.below(2) {
            name.push(*self.draw.one(&BRAND));
        }
        self.sometimes(81, &[&name])
    }

    fn capital(&mut self) -> String {
        let amount = 1 + self.draw.below(2_000);
        let unit = [
            "(万元人民币)",
            "(万元人民币)",
            "(万元人民币)",
            "万元",
            "万人民币",
            "(万)",
            "(万美元)",
            "(万美元 )",
        ];
        let unit = *self.draw.one(&unit);
        let amount = match self.draw.below(40) {
            0 => ",".to_owned(),
            1..=4 if amount >= 1_000 => format!("{},{:03}", amount / 1_000, amount % 1_000),
            5..=7 => format!("{amount}.{}", self.draw.below(100)),
            _ => amount.to_string(),
        };
        self.sometimes(88, &[&format!("{amount}{unit}")])
    }

    fn scope(&mut self) -> String {
        let parts: Vec<_> = (0..2 + self.draw.below(5))
            .map(|_| self.draw.one(&TRADES).1)
            .collect();
        let tail = match self.draw.below(10) {
            0 => "...",
            1 | 2 => "。",
            3 => "（凭许可证经营）,\"涉及许可的凭许可证\"",
            _ => "。【依法须经批准的项目，经相关部门批准后方可开展经营活动】",
        };
        format!("{}{tail}", parts.join("，"))
    }

    /// The province's name as registers write it: without its kind; a city of province rank is its own.
    fn province(&mut self) -> String {
        let row = self.table.get(&self.city.code);
        let above = row
            .and_then(|city| city.parent.as_deref())
            .and_then(|code| self.table.get(code));
        let name = above.map_or(self.city.name.as_str(), |above| above.name.as_str());
        name.trim_end_matches(['省', '市']).to_owned()
    }

    fn address(&mut self, city: &str, district: &str) -> String {
        let road = *self.draw.one(&[
            "中山路",
            "人民路",
            "解放东路",
            "经十路",
            "河南南路",
            "长江路",
        ]);
        let (house, room) = (1 + self.draw.below(2_000), 101 + self.draw.below(2_000));
        format!("{city}市{district}{road}{house}号{room}室")
    }
}

/// SplitMix64: a stream of numbers that a seed fixes for ever, on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize fits");
        usize::try_from(self.next() % bound).expect("it is below a usize")
    }

    fn one<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    fn by_share<T: Copy>(&mut self, shares: &[(T, u64)]) -> T {
        let all: u64 = shares.iter().map(|(_, share)| share).sum();
        let mut left = self.next() % all;
        for (kind, share) in shares {
            match left.checked_sub(*share) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        shares[0].0
    }
}

fn short(name: &str) -> &str {
    let rest = ["新区", "区", "县", "市"]
        .iter()
        .find_map(|kind| name.strip_suffix(kind));
    rest.filter(|rest| rest.chars().count() >= 2)
        .unwrap_or(name)
}

/// A number below 10^8 in seven characters of the code's alphabet, the first of them A.
fn letters(mut number: u64) -> String {
    let mut characters = [b'A'; 7];
    for place in characters[1..].iter_mut().rev() {
        *place =
            b"0123456789ABCDEFGHJKLMNPQRTUWXY"[usize::try_from(number % 31).expect("below 31")];
        number /= 31;
    }
    characters.map(char::from).iter().collect()
}

fn with_code_check(seventeen: &str) -> String {
    with_check(seventeen, |candidate| match Uscc::parse_clean(candidate) {
        Err(UsccFault::CheckCharacter { expected, .. }) => Some(expected),
        _ => None,
    })
}

fn with_organisation_check(eight: &str) -> String {
    with_check(eight, |candidate| {
        match OrganisationCode::parse_clean(candidate) {
            Err(OrganisationFault::CheckCharacter { expected }) => Some(expected),
            _ => None,
        }
    })
}

fn with_registration_check(fourteen: &str) -> String {
    with_check(
        fourteen,
        |candidate| match RegistrationNumber::parse_clean(candidate) {
            Err(RegistrationNumberFault::CheckDigit { expected }) => Some(expected),
            _ => None,
        },
    )
}

/// Completes a number by the check character that its own rule expects; a zero is tried first.
fn with_check(number: &str, expected: impl Fn(&str) -> Option<char>) -> String {
    let mut candidate = format!("{number}0");
    if let Some(right) = expected(&candidate) {
        candidate.pop();
        candidate.push(right);
    }
    candidate
}

const BRAND: [char; 40] = [
    '华', '盛', '恒', '隆', '源', '泰', '宏', '达', '兴', '利', '金', '鑫', '瑞', '丰', '嘉', '信',
    '联', '创', '远', '东', '海', '明', '德', '和', '美', '安', '康', '宝', '通', '顺', '新', '科',
    '宇', '博', '文', '雅', '翔', '凯', '诚', '昊',
];

/// Trades as they stand in names, with a phrase of the business scope.
const TRADES: [(&str, &str); 12] = [
    ("贸易", "日用百货、针纺织品、五金交电的销售"),
    ("餐饮管理", "餐饮企业管理，热食类食品制售"),
    ("科技", "计算机软硬件、网络科技领域内的技术开发、技术咨询"),
    ("建筑工程", "建筑装饰装修工程设计与施工"),
    ("物流", "道路普通货物运输，货运代理，仓储服务（除危险品）"),
    ("机械设备", "机械设备及配件的加工、维修、批发、零售"),
    (
        "化工",
        "化工原料及产品销售（除危险化学品、监控化学品、民用爆炸物品、易制毒化学品）",
    ),
    ("服饰", "服装鞋帽、箱包皮具的设计与销售"),
    ("医药", "第二类医疗器械经营，保健食品零售"),
    ("广告", "设计、制作、代理、发布各类广告"),
    ("物业管理", "物业管理，停车场库经营管理，房屋租赁"),
    ("农业发展", "蔬菜、瓜果、苗木的种植与销售"),
];
