//! Setting up: a new city with its root, its keys, its first account.

use std::path::Path;

use node::Node;
use node::command::account::{NewAccount, Role};
use node::home::{Founding, Home};
use protocol::name::SeatId;
use runtime::door;
use runtime::link::registry::Links;

use node::config::Config;

/// What a new city is called.
#[derive(Debug, Clone)]
pub struct NewCity {
    /// Name for people.
    pub title: String,
    /// Division code, as 990100.
    pub city: String,
    /// Account of the first administrator.
    pub admin: String,
    /// Real name of the administrator.
    pub admin_name: String,
    /// Password of the administrator.
    pub password: String,
}

/// Sets up a city in the configured folder. Nothing is left behind if it fails before the end of its first step.
pub async fn init(
    config: &Config,
    new: &NewCity,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let home = Home::at(&config.node.folder)?;
    let table = supervision::division::DivisionTable::builtin();
    if table.city(&new.city).is_none() {
        return Err(format!("区划表中没有城市 {}:请填写地级市的六位区划代码", new.city).into());
    }
    let _lock = runtime::files::FolderLock::take(Path::new(home.folder()))?;
    let root = home.found_city(&Founding {
        title: &new.title,
        city: &new.city,
        root_seed: door::random(),
        seed: door::random(),
        seat: SeatId(door::random()),
        permitted_types: supervision::standard::Standards::builtin()
            .iter()
            .map(|s| s.record_type.clone())
            .collect(),
    })?;
    let clock = door::Clock::system();
    let node: Node = crate::app::open(config, &home, &clock, Links::new()).await?;
    let account = NewAccount {
        account: &new.admin,
        name: &new.admin_name,
        role: Role::Administrator,
        password: &new.password,
        salt: door::random(),
        by: "init",
    };
    node.put_account(&account, clock.now_us()).await?;
    node.store().close().await;
    Ok(root.to_string())
}
