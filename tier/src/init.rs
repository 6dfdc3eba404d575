//! Setting up: the tier brings identity and keys, then the first account is opened.

use node::command::account::{NewAccount, Role};
use node::config::Config;
use node::home::Home;
use runtime::door;
use runtime::files::FolderLock;
use runtime::link::registry::Links;

use crate::{Failure, Program, app};

/// The first administrator.
pub struct Administrator {
    /// Account.
    pub account: String,
    /// Real name.
    pub name: String,
    /// Password.
    pub password: String,
}

/// Sets the configured folder up. Gives what people are to be told of it.
pub async fn init<P: Program>(
    config: &Config,
    founding: &P::Founding,
    administrator: &Administrator,
) -> Result<String, Failure> {
    let account = NewAccount {
        account: &administrator.account,
        name: &administrator.name,
        role: Role::Administrator,
        password: &administrator.password,
        salt: door::random(),
        by: "init",
    };
    // before anything is made or a code spent
    account.check()?;
    let home = Home::at(&config.node.folder)?;
    let _lock = FolderLock::take(home.folder())?;
    let founded = P::found(founding, &home).await?;
    let clock = door::Clock::system();
    let node = app::open::<P>(config, &home, &clock, Links::new()).await?;
    node.put_account(&account, clock.now_us()).await?;
    node.store().close().await;
    Ok(founded)
}
