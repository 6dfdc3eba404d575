//! The pages: askama templates filled with views. Nothing is decided or fetched here.

use askama::Template;

use crate::view::account::{AccountDetail, Accounts};
use crate::view::admission::Admissions;
use crate::view::audit::Acts;
use crate::view::dossier::Dossier;
use crate::view::entity::Search;
use crate::view::failure::Failure;
use crate::view::health::Health;
use crate::view::refusal::Refusals;
use crate::view::shell::Shell;
use crate::view::unsettled::UnsettledList;

/// Sign-in form.
#[derive(Template)]
#[template(path = "sign-in.html")]
pub struct SignInPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// What was wrong with the last try.
    pub error: Option<&'a str>,
    /// Account as typed.
    pub account: &'a str,
    /// Where to go afterwards.
    pub next: &'a str,
    /// Token of the form.
    pub token: &'a str,
}

/// Nodes and agents.
#[derive(Template)]
#[template(path = "nodes.html")]
pub struct NodesPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// Figures.
    pub health: &'a Health,
}

/// Entity search.
#[derive(Template)]
#[template(path = "entities.html")]
pub struct EntitiesPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// Hits.
    pub search: &'a Search,
}

/// Dossier.
#[derive(Template)]
#[template(path = "dossier.html")]
pub struct DossierPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// The entity.
    pub dossier: &'a Dossier,
}

/// Refusals.
#[derive(Template)]
#[template(path = "refusals.html")]
pub struct RefusalsPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// The list.
    pub list: &'a Refusals,
}

/// Entities for a person to settle.
#[derive(Template)]
#[template(path = "unsettled.html")]
pub struct UnsettledPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// The list.
    pub list: &'a UnsettledList,
}

/// Admissions.
#[derive(Template)]
#[template(path = "admissions.html")]
pub struct AdmissionsPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// Requests and codes.
    pub list: &'a Admissions,
}

/// The record of acts.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct AuditPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// Acts.
    pub acts: &'a Acts,
}

/// Accounts.
#[derive(Template)]
#[template(path = "accounts.html")]
pub struct AccountsPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// The list.
    pub list: &'a Accounts,
}

/// One account.
#[derive(Template)]
#[template(path = "account.html")]
pub struct AccountPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// It.
    pub detail: &'a AccountDetail,
}

/// The own password.
#[derive(Template)]
#[template(path = "password.html")]
pub struct PasswordPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// Token of the form.
    pub token: &'a str,
    /// What was wrong with the last try.
    pub wrong: Option<&'a str>,
    /// Whether it has just been changed.
    pub done: bool,
}

/// What went wrong.
#[derive(Template)]
#[template(path = "failure.html")]
pub struct FailurePage<'a> {
    /// Frame.
    pub shell: &'a Shell,
    /// What, whose fault, what to do.
    pub failure: &'a Failure,
}

/// The list of keys.
#[derive(Template)]
#[template(path = "keys.html")]
pub struct KeysPage<'a> {
    /// Frame.
    pub shell: &'a Shell,
}
