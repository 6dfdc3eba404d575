//! Setting up: a district joins its city with a code, and gets its first account.

use node::Node;
use node::command::account::{NewAccount, Role};
use node::command::join::{self, Newcomer};
use node::home::Home;
use runtime::admission::code::Code;
use runtime::door;
use runtime::link::registry::Links;
use runtime::worker::Shutdown;

use node::config::Config;

/// What a new district brings.
#[derive(Debug, Clone)]
pub struct NewDistrict {
    /// Code that the city issued.
    pub code: String,
    /// Account of the first administrator.
    pub admin: String,
    /// Real name of the administrator.
    pub admin_name: String,
    /// Password of the administrator.
    pub password: String,
}

/// Joins the city and sets the folder up. Waits for a person's approval; can be interrupted and called again.
pub async fn init(
    config: &Config,
    new: &NewDistrict,
    told: impl Fn(&str) + Send + Sync,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let home = Home::at(&config.node.folder)?;
    let _lock = runtime::files::FolderLock::take(home.folder())?;
    let clock = door::Clock::system();
    if !home.is_taken() {
        let code = Code::parse(&new.code)?;
        let seed = home.signing_seed(door::random())?;
        let newcomer = Newcomer {
            instance_file: home.instance_file(),
            seed,
        };
        let chain = join::join(&code, &newcomer, told, &Shutdown::new()).await?;
        home.write_chain(&chain)?;
        home.write_parent(&code.address)?;
    }
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
    Ok(())
}
