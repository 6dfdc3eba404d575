//! The pages over made-up figures, compared with golden files. `UPDATE_GOLDEN=1 cargo test -p console --test pages` writes
//! them anew; then look at the difference, and at the pages.

mod fixture;

use std::path::PathBuf;

use askama::Template;
use console::page;
use console::view::shell::{Here, TextSize};

fn check(name: &str, page: &impl Template) {
    let mut html = page.render().expect("the template renders");
    // hashed names change with every touch of a style sheet; the golden file is about the page
    let assets = console::assets::assets();
    for (address, stable) in [
        (&assets.style, "/static/console.css"),
        (&assets.icon, "/static/icon.svg"),
        (&assets.keys, "/static/keys.js"),
        (&assets.refresh, "/static/refresh.js"),
        (&assets.dossier, "/static/dossier.js"),
    ] {
        html = html.replace(address.as_str(), stable);
    }
    assert!(
        !html.contains(" style="),
        "{name}: inline style would be blocked by the policy"
    );
    assert!(
        !html.contains("<script>"),
        "{name}: inline script would be blocked by the policy"
    );
    assert!(html.len() < 200 * 1024, "{name}: {} bytes", html.len());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.html"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &html).expect("golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if golden != html {
        let line = golden.lines().zip(html.lines()).position(|(a, b)| a != b);
        let at = line.unwrap_or_else(|| golden.lines().count().min(html.lines().count()));
        panic!(
            "{name}: differs from {} at line {}\n golden: {}\n    now: {}",
            path.display(),
            at + 1,
            golden.lines().nth(at).unwrap_or("(end)"),
            html.lines().nth(at).unwrap_or("(end)"),
        );
    }
}

#[test]
fn sign_in() {
    let shell = fixture::stranger();
    let page = page::SignInPage {
        shell: &shell,
        error: None,
        account: "",
        next: "/",
        token: "t0",
    };
    check("sign-in", &page);
    let error = Some("账号或口令不正确。");
    let page = page::SignInPage {
        shell: &shell,
        error,
        account: "wangfang",
        next: "/",
        token: "t0",
    };
    check("sign-in-error", &page);
}

#[test]
fn nodes() {
    let shell = fixture::shell(Here::Nodes, "/nodes");
    check(
        "nodes",
        &page::NodesPage {
            shell: &shell,
            health: &fixture::health(),
        },
    );
}

#[test]
fn entities() {
    let shell = fixture::shell(Here::Entities, "/entities?q=远东");
    check(
        "entities",
        &page::EntitiesPage {
            shell: &shell,
            search: &fixture::search(),
        },
    );
    check(
        "entities-empty",
        &page::EntitiesPage {
            shell: &shell,
            search: &fixture::search_empty(),
        },
    );
}

#[test]
fn dossier() {
    let mut shell = fixture::shell(Here::Entities, "/entities/uscc:91310115MA1K3A1B2C");
    check(
        "dossier",
        &page::DossierPage {
            shell: &shell,
            dossier: &fixture::dossier(),
        },
    );
    shell.text = TextSize::Larger;
    check(
        "dossier-large",
        &page::DossierPage {
            shell: &shell,
            dossier: &fixture::dossier(),
        },
    );
}

#[test]
fn refusals() {
    let shell = fixture::shell(Here::Refusals, "/refusals");
    check(
        "refusals",
        &page::RefusalsPage {
            shell: &shell,
            list: &fixture::refusals(),
        },
    );
}

#[test]
fn unsettled() {
    let shell = fixture::shell(Here::Unsettled, "/unsettled");
    let check_list = |name, list| {
        let shell = &shell;
        check(name, &page::UnsettledPage { shell, list: &list });
    };
    check_list("unsettled", fixture::unsettled::list());
    check_list("unsettled-empty", fixture::unsettled::empty());
    let shell = fixture::shell(Here::Entities, "/entities/reg:310115001234562");
    check(
        "dossier-unsettled",
        &page::DossierPage {
            shell: &shell,
            dossier: &fixture::unsettled::dossier(),
        },
    );
}

#[test]
fn admissions() {
    let shell = fixture::shell(Here::Admissions, "/admissions");
    check(
        "admissions",
        &page::AdmissionsPage {
            shell: &shell,
            list: &fixture::admissions(),
        },
    );
}

#[test]
fn accounts() {
    let shell = fixture::shell(Here::Accounts, "/accounts");
    let list = fixture::people::accounts();
    let shell = &shell;
    check("accounts", &page::AccountsPage { shell, list: &list });
    let detail = fixture::people::account();
    let page = page::AccountPage {
        shell,
        detail: &detail,
    };
    check("account", &page);
}

#[test]
fn password() {
    let shell = fixture::shell(Here::Elsewhere, "/password");
    for (name, wrong, done) in [
        ("password", None, true),
        ("password-error", Some("原口令不正确。"), false),
    ] {
        let page = page::PasswordPage {
            shell: &shell,
            token: "t4",
            wrong,
            done,
        };
        check(name, &page);
    }
}

#[test]
fn audit() {
    let shell = fixture::shell(Here::Audit, "/audit");
    for (name, acts) in [
        ("audit", fixture::people::acts()),
        ("audit-empty", fixture::people::no_acts()),
    ] {
        let page = page::AuditPage {
            shell: &shell,
            acts: &acts,
        };
        check(name, &page);
    }
}

#[test]
fn failure() {
    let mut shell = fixture::shell(Here::Elsewhere, "/admissions");
    shell.warnings =
        vec!["时钟偏移 31,536,000 秒正在生效：这是测试环境，所有时间都不是真实时间".to_owned()];
    check(
        "failure",
        &page::FailurePage {
            shell: &shell,
            failure: &fixture::failure(),
        },
    );
    check("keys", &page::KeysPage { shell: &shell });
}
