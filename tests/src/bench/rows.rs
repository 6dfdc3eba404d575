//! The rows that are measured with: key, code, name, status, legal representative, address and so on, about 266 bytes each,
//! keys spread at random. The same number gives the same row; an update changes status, legal representative and time.

use supervision::identifier::organisation::{OrganisationCode, OrganisationFault};
use supervision::identifier::uscc::{Uscc, UsccFault};

/// The columns of a row as a department's table has them; the first is the key, the last the time of the last change.
pub const COLUMNS: [&str; 10] = [
    "NBXH", "TYSHXYDM", "QYMC", "DJZT", "FDDBR", "ZS", "JYFW", "CLRQ", "SSQY", "GXSJ",
];
/// The standard's field of each column but the last.
pub const FIELDS: [&str; 9] = [
    "entity_id",
    "uscc",
    "name",
    "state",
    "legal_rep",
    "address",
    "scope",
    "est_date",
    "area",
];
/// The table.
pub const TABLE: &str = "QYJBXX";
/// The district that all rows belong to, with its city.
pub const DISTRICT: &str = "370102";
/// The city.
pub const CITY: &str = "370100";

/// A row: one value per column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub [String; COLUMNS.len()]);

impl Row {
    /// Row `number` in its state after `version` updates. Times are `2024-01-01` and whole seconds behind it.
    pub fn new(number: u64, version: u64) -> Self {
        let mut draw = Draw(number ^ 0x6a09_e667_f3bc_c908);
        let brand: String = (0..3).map(|_| *draw.one(&BRAND)).collect();
        let (trade, scope) = *draw.one(&TRADES);
        let besides = *draw.one(&[
            "货物进出口业务",
            "会议及展览服务",
            "技术推广服务",
            "国内货运代理",
        ]);
        let form = *draw.one(&["有限公司", "有限责任公司", "（集团）有限公司", "商行"]);
        let road = *draw.one(&[
            "中山路",
            "泉城路",
            "经十路",
            "解放东路",
            "花园路",
            "工业南路",
        ]);
        let (house, room) = (1 + draw.below(2_000), 101 + draw.below(2_000));
        let founded = format!(
            "{}-{:02}-{:02}",
            1985 + draw.below(38),
            1 + draw.below(12),
            1 + draw.below(28)
        );
        // what an update changes: the person always, so that no update says what was said before
        let mut draw = Draw(number.wrapping_mul(31).wrapping_add(version) ^ 0xbb67_ae85_84ca_a73b);
        let state = *draw.one(&[
            "存续（在营、开业、在册）",
            "存续（在营、开业、在册）",
            "吊销，未注销",
            "停业",
        ]);
        let family = *draw.one(&["王", "李", "张", "陈", "欧阳", "赵"]);
        let given = BRAND[(number + version) as usize % BRAND.len()];
        let person = match draw.below(2) {
            0 => format!("{family}{given}"),
            _ => format!("{family}{}{given}", draw.one(&BRAND)),
        };
        let seconds = version * 86_400 + number / 50;
        Self([
            key(number),
            code(number),
            format!("济南{brand}{trade}{form}"),
            state.to_owned(),
            person,
            format!("济南市历下区{road}{house}号{room}室"),
            format!("{scope}；{besides}"),
            founded,
            "历下区".to_owned(),
            time(seconds),
        ])
    }

    /// Bytes of the row as tab-separated text.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|value| value.len() + 1).sum()
    }
}

/// The key of a row: 16 digits of base 16 that follow no order.
pub fn key(number: u64) -> String {
    format!("{:016x}", Draw(number).next())
}

/// The numbers below `rows` in an order that looks random: every one once.
pub fn shuffled(rows: u64, seed: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..rows).collect();
    let mut draw = Draw(seed);
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, draw.below(at + 1));
    }
    numbers
}

/// A valid code of the district's registry. Numbers below 10^7 give different codes.
fn code(number: u64) -> String {
    // a multiplier without factors 2 and 5 makes digits that follow no order and do not repeat
    let serial = format!("M{:07}", number.wrapping_mul(7_654_321) % 10_000_000);
    let organisation = completed(&serial, |candidate| {
        match OrganisationCode::parse_clean(candidate) {
            Err(OrganisationFault::CheckCharacter { expected }) => Some(expected),
            _ => None,
        }
    });
    completed(
        &format!("91{DISTRICT}{organisation}"),
        |candidate| match Uscc::parse_clean(candidate) {
            Err(UsccFault::CheckCharacter { expected, .. }) => Some(expected),
            _ => None,
        },
    )
}

fn completed(number: &str, expected: impl Fn(&str) -> Option<char>) -> String {
    let mut candidate = format!("{number}0");
    if let Some(right) = expected(&candidate) {
        candidate.pop();
        candidate.push(right);
    }
    candidate
}

fn time(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (month, day) = (1 + day / 28 % 12, 1 + day % 28);
    format!(
        "2024-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// SplitMix64: a stream of numbers that a seed fixes.
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
        (self.next() % bound.max(1) as u64) as usize
    }

    fn one<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}

const BRAND: [char; 36] = [
    '华', '盛', '恒', '隆', '源', '泰', '宏', '达', '兴', '利', '金', '鑫', '瑞', '丰', '嘉', '信',
    '联', '创', '远', '东', '海', '明', '德', '和', '美', '安', '康', '宝', '通', '顺', '新', '宇',
    '博', '文', '翔', '凯',
];

const TRADES: [(&str, &str); 10] = [
    ("贸易", "日用百货、针纺织品、五金交电的批发零售"),
    ("餐饮管理", "餐饮企业管理；热食类食品制售"),
    ("信息科技", "计算机软硬件的技术开发、技术服务"),
    ("建筑工程", "建筑装饰装修工程设计与施工"),
    ("物流", "道路普通货物运输；货运代理；仓储"),
    ("机械设备", "机械设备及配件的加工、维修、销售"),
    ("服饰", "服装鞋帽、箱包皮具的设计与销售"),
    ("医药", "第二类医疗器械经营；保健食品零售"),
    ("物业管理", "物业管理；停车场经营管理；房屋租赁"),
    ("农业发展", "蔬菜、瓜果、苗木的种植与销售"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_have_the_measured_size_and_differ() {
        let rows: Vec<Row> = (0..2_000).map(|number| Row::new(number, 0)).collect();
        let bytes = rows.iter().map(Row::bytes).sum::<usize>() / rows.len();
        assert!((256..=276).contains(&bytes), "{bytes} bytes per row");
        for column in [0, 1] {
            let values: HashSet<&String> = rows.iter().map(|row| &row.0[column]).collect();
            assert_eq!(values.len(), rows.len(), "{}", COLUMNS[column]);
        }
        assert!(rows.iter().all(|row| Uscc::parse(&row.0[1]).is_ok()));
    }

    #[test]
    fn an_update_changes_three_columns() {
        let differ = |number| {
            let (before, after) = (Row::new(number, 0), Row::new(number, 1));
            (0..COLUMNS.len())
                .filter(|at| before.0[*at] != after.0[*at])
                .max()
        };
        assert!((0..100).all(|number| differ(number) == Some(9)));
        assert!((0..5_000).all(|number| Row::new(number, 1).0[4] != Row::new(number, 2).0[4]));
        assert_eq!(Row::new(7, 0).0[..3], Row::new(7, 3).0[..3]);
    }

    #[test]
    fn shuffling_keeps_every_number() {
        let numbers = shuffled(1_000, 3);
        assert_ne!(numbers[..10], (0..10).collect::<Vec<_>>()[..]);
        assert_eq!(numbers.into_iter().collect::<HashSet<_>>().len(), 1_000);
    }
}
