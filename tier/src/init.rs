//! Setting up: the tier brings identity and keys, then the first account is opened.

use std::path::Path;

use node::command::account::{NewAccount, Role};
use node::command::actor::Actor;
use node::config::Config;
use node::home::{self, Home};
use runtime::config::ConfigError;
use runtime::control::Caller;
use runtime::door;
use runtime::files::FolderLock;
use runtime::link::registry::Links;
use store::Store;

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

/// Sets the configured folder up. `divisions` is a file of rows for the division table; they stay in the folder. Gives what
/// people are to be told of it.
pub async fn init<P: Program>(
    config: &Config,
    founding: &P::Founding,
    administrator: &Administrator,
    divisions: Option<&Path>,
) -> Result<String, Failure> {
    let actor = Actor::operator(&Caller::own()?);
    let account = NewAccount {
        account: &administrator.account,
        name: &administrator.name,
        role: Role::Administrator,
        password: &administrator.password,
        salt: door::random(),
    };
    // nothing is founded and no code is used for an account, divisions or a database that will not do
    account.check()?;
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(ConfigError::Unfit { faults }.into());
    }
    let given = divisions.map(home::read_divisions).transpose()?;
    let rows = given.as_ref().map(|(bytes, _)| bytes.as_slice());
    let home = Home::at(&config.node.folder)?;
    let _lock = FolderLock::take(home.folder())?;
    Store::check(&config.store(home.database())?).await?;
    let fresh = !home.is_taken();
    if fresh && rows.is_some() {
        home.write_divisions(rows)?;
    }
    let founded = match P::found(founding, &home).await {
        Ok(founded) => founded,
        Err(error) => {
            if fresh && rows.is_some() {
                home.write_divisions(None)?;
            }
            return Err(error);
        }
    };
    // a district that has joined already may bring the rows later
    if !fresh && rows.is_some() {
        home.write_divisions(rows)?;
    }
    let clock = door::Clock::system();
    let node = app::open::<P>(config, &home, &clock, Links::new()).await?;
    node.put_account(&account, &actor, clock.now_us()).await?;
    node.store().close().await;
    Ok(founded)
}

/// Gives the node in the configured folder other keys. No process may run it.
pub async fn rotate<P: Program>(
    config: &Config,
    rotation: &P::Rotation,
) -> Result<String, Failure> {
    let actor = Actor::operator(&Caller::own()?);
    let home = Home::at(&config.node.folder)?;
    let _lock = FolderLock::take(home.folder())?;
    // whether there is a node at all is said before anything is made
    home.chain()?;
    P::rotate(rotation, &home, config, &actor).await
}
