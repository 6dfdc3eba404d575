//! What the city's program has of its own: founding the city with its root and keys, and inviting districts beside
//! departments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::command::actor::Actor;
use node::command::revoke::Reason;
use node::command::rotate::Former;
use node::config::Config;
use node::home::{Founding, Home, Seeds, read_root_key};
use protocol::admission::newcomer::fingerprint;
use protocol::name::SeatId;
use runtime::control::Caller;
use runtime::door::{self, Clock};
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
    /// 平台运行机构的机构代码；不填时为城市区划代码加 .zx（市中心）
    #[arg(long, default_value = "")]
    pub organisation: String,
}

/// How the city gets other keys.
#[derive(Args)]
pub struct Rotation {
    /// 根密钥文件（init 时生成的 root.key，从离线介质取来，用后取走）
    #[arg(long)]
    pub root_key: PathBuf,
    /// 原密钥已丢失，不能同意更换：说明原因
    #[arg(long, conflicts_with = "revoke")]
    pub lost: Option<String>,
    /// 同时撤销原密钥（失窃时使用）：stolen、lost、left、replaced 或 other
    #[arg(long, value_parser = ["stolen", "lost", "left", "replaced", "other"], requires = "text")]
    pub revoke: Option<String>,
    /// 撤销原密钥的说明
    #[arg(long, requires = "revoke")]
    pub text: Option<String>,
}

/// Whom the city invites.
#[derive(Args)]
pub struct Guest {
    /// 接入方：district 区县节点，department 部门代理；续期时不填
    #[arg(long, value_parser = ["district", "department"], required_unless_present = "renew")]
    pub kind: Option<String>,
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
    type Rotation = Rotation;
    type Command = NoCommand;

    async fn found(new: &NewCity, home: &Home) -> Result<String, Failure> {
        home.divisions()?.city(&new.city)?;
        let centre = format!("{}.zx", new.city);
        let organisation = match new.organisation.trim() {
            "" => centre.as_str(),
            given => given,
        };
        if !protocol::code::is_organisation(organisation) {
            return Err(format!(
                "机构代码「{organisation}」有误：应为区划代码、点、机构简称（小写字母或数字，2 至 16 位），如 {centre}"
            )
            .into());
        }
        let root = home.found_city(&Founding {
            title: &new.title,
            city: &new.city,
            organisation,
            root_seed: door::random(),
            seeds: Seeds {
                sign: door::random(),
                seal: door::random(),
            },
            seat: SeatId(door::random()),
        })?;
        Ok(format!(
            "市级节点已建立。根声明指纹 {root}\n请将 {} 移至离线介质妥善保管\n",
            home.folder().join("root.key").display()
        ))
    }

    async fn rotate(
        rotation: &Rotation,
        home: &Home,
        config: &Config,
        actor: &Actor,
    ) -> Result<String, Failure> {
        let root = read_root_key(&rotation.root_key)?;
        let former = match (&rotation.lost, &rotation.revoke) {
            (Some(text), _) => Former::Lost(text),
            (None, Some(reason)) => Former::CalledBack(
                Reason::from_key(reason).unwrap_or(Reason::Other),
                rotation.text.as_deref().unwrap_or_default(),
            ),
            (None, None) => Former::Agree,
        };
        let keys = home.next_keys_or(&Seeds {
            sign: door::random(),
            seal: door::random(),
        })?;
        let clock = Clock::system();
        let node = tier::open_former::<Self>(config, home, &clock).await?;
        let rotated = node
            .rotate_city(&root, &keys, former, actor, clock.now_us())
            .await;
        node.store().close().await;
        home.replace_keys(&rotated?)?;
        Ok(format!(
            "市级节点的密钥已更换，新密钥指纹 {}。请重新启动节点，并把根密钥文件取回离线保管",
            fingerprint(&keys.public())
        ))
    }

    fn guest(guest: &Guest) -> (&str, &str) {
        (
            guest.kind.as_deref().unwrap_or_default(),
            &guest.jurisdiction,
        )
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
        let check = async |city: &str, organisation: &str, expected: Result<&str, &str>| {
            let new = NewCity {
                title: "测试市平台".to_owned(),
                city: city.to_owned(),
                organisation: organisation.to_owned(),
            };
            let told = City::found(&new, &home).await.map_err(|e| e.to_string());
            match (told, expected) {
                (Ok(told), Ok(part)) => assert!(told.contains(part), "{told}"),
                (Err(told), Err(part)) => assert!(told.contains(part), "{told}"),
                (told, expected) => panic!("{told:?} is not {expected:?}"),
            }
        };
        check("990000", "", Err("区划表中没有城市 990000")).await;
        check(
            "370102",
            "",
            Err(
                "370102（历下区）是区县，不是城市：请填写地级市（州、盟、地区）、直辖市或单独设立平台的县级市的区划代码，如 370100（济南市）",
            ),
        )
        .await;
        check("370000", "", Err("370000（山东省）是省级区划，不是城市")).await;
        check(
            "371200",
            "",
            Err("371200（莱芜市）不是现行区划，其后为 370100（济南市），请填写"),
        )
        .await;
        check(
            "310100",
            "",
            Err("310100（市辖区）不是现行区划，其后为 310000（上海市），请填写"),
        )
        .await;
        assert!(!home.is_taken(), "nothing is left behind");
        check("370100", "370100.市中心", Err("370100.zx")).await;
        assert!(!home.is_taken(), "nothing is left behind");
        check("370100", "", Ok("root.key 移至离线介质")).await;
        check("370100", "", Err("不再重复建立")).await;
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
                organisation: String::new(),
            };
            City::found(&new, &home).await.expect(name);
            let table = home.divisions().expect("a table");
            let city = table.city(city).expect(name);
            assert_eq!((city.name.as_str(), city.districts.len()), (name, regions));
        }
    }
}
