//! What the city's program has of its own: founding the city with its root and keys, and inviting districts beside
//! departments.

use clap::{Args, Subcommand};
use node::home::{Founding, Home};
use protocol::name::SeatId;
use runtime::control::Caller;
use runtime::door;
use supervision::standard::Standards;
use tier::{Errand, Failure, Ground, Program};

/// The city's program. Nothing runs beside the node here: the city dials nobody.
pub struct City;

/// What a new city is called.
#[derive(Args)]
pub struct NewCity {
    /// 平台名称，如「示范市综合监管平台」
    #[arg(long)]
    pub title: String,
    /// 城市的六位区划代码：地级市（州、盟、地区）、直辖市或单独设立平台的县级市
    #[arg(long)]
    pub city: String,
}

/// Whom the city invites.
#[derive(Args)]
pub struct Guest {
    /// 接入方：district 区县节点，department 部门代理
    #[arg(long, value_parser = ["district", "department"])]
    pub kind: String,
    /// 所属区划代码：区县节点填区县代码；市级部门代理可不填
    #[arg(long, default_value = "")]
    pub jurisdiction: String,
}

/// Commands of the city alone: none.
#[derive(Subcommand)]
pub enum NoCommand {}

impl Program for City {
    const TIER: node::Tier = node::Tier::City;
    const NAME: &'static str = "zongheng-city";
    const ABOUT: &'static str = "纵横 · 市级节点";
    const CONFIG: &'static str = "/etc/zongheng/city.toml";

    type Founding = NewCity;
    type Guest = Guest;
    type Command = NoCommand;

    async fn found(new: &NewCity, home: &Home) -> Result<String, Failure> {
        home.divisions()?.city(&new.city)?;
        let root = home.found_city(&Founding {
            title: &new.title,
            city: &new.city,
            root_seed: door::random(),
            seed: door::random(),
            seat: SeatId(door::random()),
            permitted_types: Standards::builtin()
                .iter()
                .map(|s| s.record_type.clone())
                .collect(),
        })?;
        Ok(format!(
            "市级节点已建立。根声明指纹 {root}\n请将 {} 移至离线介质妥善保管\n",
            home.folder().join("root.key").display()
        ))
    }

    fn guest(guest: &Guest) -> (&str, &str) {
        (&guest.kind, &guest.jurisdiction)
    }

    fn errand(command: NoCommand) -> Errand<Self> {
        match command {}
    }

    fn start(_ground: &Ground<'_>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn answer(&self, _caller: &Caller, _request: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_city_is_founded_once_and_only_where_the_table_has_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        let check = async |city: &str, expected: Result<&str, &str>| {
            let new = NewCity {
                title: "测试市平台".to_owned(),
                city: city.to_owned(),
            };
            let told = City::found(&new, &home).await.map_err(|e| e.to_string());
            match (told, expected) {
                (Ok(told), Ok(part)) => assert!(told.contains(part), "{told}"),
                (Err(told), Err(part)) => assert!(told.contains(part), "{told}"),
                (told, expected) => panic!("{told:?} is not {expected:?}"),
            }
        };
        check("990000", Err("区划表中没有城市 990000")).await;
        check(
            "370102",
            Err(
                "370102（历下区）是区县，不是城市：请填写地级市（州、盟、地区）、直辖市或单独设立平台的县级市的区划代码，如 370100（济南市）",
            ),
        )
        .await;
        check("370000", Err("370000（山东省）是省级区划，不是城市")).await;
        check(
            "371200",
            Err("371200（莱芜市）不是现行区划，其后为 370100（济南市），请填写"),
        )
        .await;
        check(
            "310100",
            Err("310100（市辖区）不是现行区划，其后为 310000（上海市），请填写"),
        )
        .await;
        assert!(!home.is_taken(), "nothing is left behind");
        check("370100", Ok("root.key 移至离线介质")).await;
        check("370100", Err("不再重复建立")).await;
    }

    #[tokio::test]
    async fn any_city_is_founded_and_knows_its_regions() {
        for (city, name, regions) in [
            ("140200", "大同市", 10),
            ("210200", "大连市", 10),
            ("310000", "上海市", 16),
            ("330782", "义乌市", 0),
            ("370100", "济南市", 12),
            ("522300", "黔西南布依族苗族自治州", 8),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let home = Home::at(folder.path()).expect("a home");
            let new = NewCity {
                title: "测试市平台".to_owned(),
                city: city.to_owned(),
            };
            City::found(&new, &home).await.expect(name);
            let table = home.divisions().expect("a table");
            let city = table.city(city).expect(name);
            assert_eq!((city.name.as_str(), city.districts.len()), (name, regions));
        }
    }
}
