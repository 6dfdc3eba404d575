//! Browsers from which an account was signed in to: a cookie that this node signed. It opens nothing; it only keeps its
//! holder a place among those who try (`limit`).

use axum::http::HeaderMap;
use protocol::hash;
use protocol::name::from_hex;

use super::{cookie, same};

/// Seconds that a browser is remembered.
pub(crate) const REMEMBERED_SECONDS: u32 = 365 * 86_400;

/// Number of a browser, drawn for it.
pub(crate) type Device = [u8; 16];

/// The browser of a request, if it shows that this account was signed in to from it.
pub(crate) fn of(
    headers: &HeaderMap,
    console_cookie: &str,
    key: &[u8; 32],
    account: &str,
) -> Option<Device> {
    let (number, signature) = cookie(headers, &name(console_cookie, account))?.split_once('.')?;
    let device = from_hex::<16>(number)?;
    same(&sign(key, account, number), signature).then_some(device)
}

/// Name and value of the cookie of a browser.
pub(crate) fn cookie_of(
    console_cookie: &str,
    key: &[u8; 32],
    account: &str,
    device: Device,
) -> (String, String) {
    let number: String = device.iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = sign(key, account, &number);
    (
        name(console_cookie, account),
        format!("{number}.{signature}"),
    )
}

/// Several people at one browser have a cookie each.
fn name(console_cookie: &str, account: &str) -> String {
    let account = hash::sha256(&[account.as_bytes()]).to_string();
    format!("{console_cookie}_of_{}", &account[..12])
}

fn sign(key: &[u8; 32], account: &str, number: &str) -> String {
    hash::hmac(key, format!("device\n{number}\n{account}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_for_its_account_and_here_only() {
        let (name, value) = cookie_of("zongheng_01", &[1; 32], "wangfang", [9; 16]);
        let check = |value: &str, key: u8, account: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            let line = format!("{name}={value}").parse().expect("a header");
            headers.insert(axum::http::header::COOKIE, line);
            let known = of(&headers, "zongheng_01", &[key; 32], account);
            assert_eq!(
                known,
                expected.then_some([9; 16]),
                "{value} {key} {account}"
            );
        };
        check(&value, 1, "wangfang", true);
        check(&value, 2, "wangfang", false);
        check(&value, 1, "liming", false);
        check(&value.replace("09", "08"), 1, "wangfang", false);
        check("", 1, "wangfang", false);
        check(".", 1, "wangfang", false);
        assert_ne!(super::name("zongheng_01", "liming"), name);
    }
}
