//! Who asks: session cookies, tokens of forms, and how often somebody may try.

pub(crate) mod device;
pub(crate) mod failures;
pub(crate) mod limit;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use node::command::account::{Account, Role};
use node::command::actor::{Actor, Way};
use protocol::hash;
use protocol::name::from_hex;

use crate::Console;
use crate::fault::Fault;

/// Passwords hashed at once for those who are known here, and as many for strangers; further attempts wait.
pub(crate) const HASHING_MAX: usize = 2;

/// The session behind a request, put there by `frame::visitor`.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) token: [u8; 32],
    pub(crate) account: Account,
    /// As whom acts of this request are written down.
    pub(crate) actor: Actor,
}

/// Whoever asks, signed in or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor(pub(crate) Option<Session>);

impl Session {
    /// The token that a form for this address must bring along.
    pub(crate) fn form_token(&self, action: &str) -> String {
        token(&self.token, action)
    }

    /// Refuses a form that was not made for this session and address.
    pub(crate) fn check_form(&self, action: &str, given: &str) -> Result<(), Fault> {
        if same(&self.form_token(action), given) {
            Ok(())
        } else {
            Err(Fault::StaleForm)
        }
    }

    /// What this session counts as among those who try passwords of its account.
    pub(crate) fn device(&self) -> device::Device {
        let mut number = [0; 16];
        number.copy_from_slice(&hash::sha256(&[b"session", &self.token]).0[..16]);
        number
    }

    /// Refuses whoever may not decide on admissions.
    pub(crate) fn must_admit(&self) -> Result<(), Fault> {
        if self.account.role.admits() {
            return Ok(());
        }
        Err(self.forbidden("没有接入审批的权限", "接入审批只对本节点的管理员开放"))
    }

    /// Refuses whoever may not open and change accounts.
    pub(crate) fn must_manage(&self) -> Result<(), Fault> {
        if self.account.role.manages() {
            return Ok(());
        }
        Err(self.forbidden("没有管理账号的权限", "账号管理只对本节点的管理员开放"))
    }

    /// Refuses whoever may not see who has done what.
    pub(crate) fn must_audit(&self) -> Result<(), Fault> {
        if self.account.role.audits() {
            return Ok(());
        }
        Err(self.forbidden("没有查看审计记录的权限", "审计记录只对审计员和管理员开放"))
    }

    fn forbidden(&self, title: &'static str, rule: &str) -> Fault {
        Fault::Forbidden {
            title,
            why: format!("您的账号是{}，{rule}。", self.account.role.label()),
        }
    }

    /// The department whose refusals are shown: refuses an account of one department that asks for another's.
    pub(crate) fn refusals_of(&self, asked: &str) -> Result<Option<String>, Fault> {
        self.department_of(asked, "不能查看其他部门的拒收记录", "拒收记录")
    }

    /// The department whose unsettled entities are shown, likewise.
    pub(crate) fn unsettled_of(&self, asked: &str) -> Result<Option<String>, Fault> {
        self.department_of(asked, "不能查看其他部门的待核实主体", "待核实主体")
    }

    fn department_of(
        &self,
        asked: &str,
        title: &'static str,
        what: &str,
    ) -> Result<Option<String>, Fault> {
        match &self.account.role {
            Role::Department(own) if !asked.is_empty() && asked != own => Err(Fault::Forbidden {
                title,
                why: format!(
                    "您的账号属于「{own}」，只能查看本部门的{what}；您要看的是「{asked}」的。"
                ),
            }),
            Role::Department(own) => Ok(Some(own.clone())),
            _ => Ok(Some(asked.to_owned()).filter(|d| !d.is_empty())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let visitor = parts.extensions.get::<Visitor>();
        visitor.and_then(|v| v.0.clone()).ok_or_else(|| {
            let next = parts
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default();
            Fault::SignedOut {
                next: if parts.method == axum::http::Method::GET {
                    next
                } else {
                    String::new()
                },
            }
        })
    }
}

impl Console {
    /// The session of a request's cookie, if it stands. `way` and `client` are how and from where the request came.
    pub(crate) async fn session(
        &self,
        headers: &HeaderMap,
        way: Way,
        client: &str,
    ) -> Result<Option<Session>, Fault> {
        let Some(token) = cookie(headers, &self.cookie).and_then(from_hex::<32>) else {
            return Ok(None);
        };
        let login = self.node.login(&token, self.now_us()).await?;
        Ok(login.map(|login| Session {
            token,
            actor: Actor::signed_in(&login.account, way, client),
            account: login.account,
        }))
    }

    /// Hashes a password, or several, beside other work, for somebody who is signed in. The place among the few that do so at
    /// once belongs to the work and not to whoever waits for it.
    pub(crate) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let place = self.known_hashing.clone().acquire_owned().await;
        let place = place.map_err(|_| Fault::Slow)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|error| Fault::Here {
            what: error.to_string(),
        })
    }

    /// The token of the sign-in form, bound to the visitor's own cookie.
    pub(crate) fn sign_in_token(&self, visitor: &str) -> String {
        token(&self.secret, &format!("/sign-in\n{visitor}"))
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn token(key: &[u8; 32], what: &str) -> String {
    hash::hmac(key, what.as_bytes()).to_string()[..32].to_owned()
}

/// Compares in a time that does not tell where the difference is.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |all, (x, y)| all | (x ^ y))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(role: Role) -> Session {
        let account = Account {
            account: "w".to_owned(),
            name: "王芳".to_owned(),
            role,
        };
        Session {
            token: [3; 32],
            actor: Actor::signed_in(&account, Way::Page, "127.0.0.1"),
            account,
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        let value = "a=1; zongheng_01=deadbeef;xzongheng_01=no"
            .parse()
            .expect("a header");
        headers.insert(header::COOKIE, value);
        assert_eq!(cookie(&headers, "zongheng_01"), Some("deadbeef"));
        assert_eq!(cookie(&headers, "zongheng"), None);
    }

    #[test]
    fn a_form_is_good_for_its_own_address_only() {
        let session = session(Role::Clerk);
        let token = session.form_token("/admissions/1/approve");
        assert!(session.check_form("/admissions/1/approve", &token).is_ok());
        assert!(session.check_form("/admissions/2/approve", &token).is_err());
        assert!(session.check_form("/admissions/1/approve", "").is_err());
    }

    #[test]
    fn an_account_of_a_department_sees_its_own_refusals() {
        let own = session(Role::Department("甲局".to_owned()));
        assert_eq!(own.refusals_of("").ok(), Some(Some("甲局".to_owned())));
        assert_eq!(own.refusals_of("甲局").ok(), Some(Some("甲局".to_owned())));
        assert!(own.refusals_of("乙局").is_err());
        assert!(own.must_admit().is_err());
        assert_eq!(session(Role::Clerk).refusals_of("").ok(), Some(None));
        assert!(session(Role::Administrator).must_admit().is_ok());
    }

    #[test]
    fn accounts_are_for_administrators_and_the_record_of_acts_for_auditors_too() {
        for (role, manages, audits) in [
            (Role::Administrator, true, true),
            (Role::Auditor, false, true),
            (Role::Clerk, false, false),
            (Role::Department("甲局".to_owned()), false, false),
        ] {
            let session = session(role);
            assert_eq!(session.must_manage().is_ok(), manages, "{session:?}");
            assert_eq!(session.must_audit().is_ok(), audits, "{session:?}");
        }
    }
}
