//! Configurations as operators write them, with the message that each mistake gets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    name: String,
    link: Link,
    #[serde(default)]
    source: Vec<Source>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, toml::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Link {
    listen: std::net::SocketAddr,
    idle: Period,
    #[serde(default)]
    window: Option<Size>,
    #[serde(default)]
    log: Option<crate::telemetry::LogForm>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Source {
    table: String,
}

const KNOWN: &[&str] = &[
    "name",
    "link.listen",
    "link.idle",
    "link.window",
    "link.log",
    "source.table",
    "labels.**",
];

const GOOD: &str = "name = \"区\"\n[link]\nlisten = \"127.0.0.1:1\"\nidle = \"45s\"\nwindow = \"8MiB\"\n\
                    [[source]]\ntable = \"t\"\n[labels]\na.b = 1\n";

fn check(text: &str, expected: &str) {
    let error = parse::<Sample>(Path::new("x.toml"), text, KNOWN).expect_err(text);
    let message = error.to_string();
    assert!(message.contains(expected), "{message}\n没有：{expected}");
}

#[test]
fn a_good_file_loads() {
    let sample: Sample = parse(Path::new("x.toml"), GOOD, KNOWN).expect("good");
    assert_eq!(sample.link.idle, Period(Duration::from_secs(45)));
    assert_eq!(sample.link.window, Some(Size(8 << 20)));
    assert_eq!(sample.source.len(), 1);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let swap = |from: &str, to: &str| GOOD.replace(from, to);
    check(
        &swap("idle =", "idel ="),
        "第 4 行：不认识的配置项 link.idel，是否应为 link.idle？",
    );
    check(
        &swap("[[source]]\ntable", "[[source]]\ntabel"),
        "第 7 行：不认识的配置项 source.tabel，是否应为 source.table？",
    );
    check(
        &swap("[link]", "[lnik]"),
        "第 2 行：不认识的配置项 lnik，是否应为 link？",
    );
    check(
        &format!("listen = \"x\"\n{GOOD}"),
        "第 1 行：不认识的配置项 listen，是否应为 link.listen？",
    );
    check(
        &format!("completely_else = 1\n{GOOD}"),
        "第 1 行：不认识的配置项 completely_else，请对照",
    );
    check(&swap("idle = \"45s\"\n", ""), "缺少必填项 idle");
    check(
        &swap("\"45s\"", "45"),
        "第 4 行：取值不符合要求：写的是整数 45，应为 带单位的时长",
    );
    check(&swap("\"45s\"", "\"45 parsec\""), "带单位的时长");
    check(&swap("\"8MiB\"", "\"8MB\""), "带单位的大小");
    check(
        &swap("idle", "log = \"xml\"\nidle"),
        "取值 xml 无效，可用：",
    );
    check(&swap("[link]", "[link"), "第 2 行不是合法的 TOML");
    check(&swap("name = \"区\"", "name = 1"), "第 1 行");
}

#[test]
fn no_mistake_is_told_in_english() {
    let swap = |from: &str, to: &str| GOOD.replace(from, to);
    for (text, part) in [
        (
            swap("127.0.0.1:1", "127.0.0.1"),
            "第 3 行：地址写法有误，应为 `IP:端口`",
        ),
        (swap("127.0.0.1:1", "本机:80"), "应为 `IP:端口`"),
        (swap("\"127.0.0.1:1\"", "80"), "第 3 行"),
        (swap("\"8MiB\"", "\"4 G\""), "写的是文字 \"4 G\"，应为"),
        (
            swap("\"t\"", "true"),
            "写的是真假值 true，应为用引号括起的文字",
        ),
        (swap("\"t\"", "[1]"), "写的是数组，应为用引号括起的文字"),
        (
            swap("idle = \"45s\"", "log = \"xml\"\nidle = \"45s\""),
            "可用：text、json",
        ),
        (swap("name = \"区\"", "name = 区"), "第 1 行不是合法的 TOML"),
        (
            swap("name = \"区\"", "name = \"区"),
            "第 1 行不是合法的 TOML",
        ),
        (swap("name = \"区\"", "name"), "第 1 行不是合法的 TOML"),
        (swap("name = \"区\"", "name ="), "第 1 行不是合法的 TOML"),
        (swap("name = \"区\"", "名称 = 1"), "第 1 行不是合法的 TOML"),
        (
            swap("name = \"区\"", "name = \"区\"\nname = \"区\""),
            "第 2 行不是合法的 TOML：配置项重复",
        ),
        (
            swap("name = \"区\"", "name = \"区\" [x]"),
            "第 1 行不是合法的 TOML",
        ),
        (
            swap("name = \"区\"", "name = \"c:\\qu\""),
            "第 1 行不是合法的 TOML",
        ),
        (
            swap("[link]", "[link"),
            "第 2 行不是合法的 TOML：表名缺少右方括号",
        ),
        (swap("[[source]]", "[[source]"), "不是合法的 TOML"),
    ] {
        let error = parse::<Sample>(Path::new("x.toml"), &text, KNOWN)
            .expect_err(&text)
            .to_string();
        assert!(error.contains(part), "{error}\n没有：{part}");
        let english = [
            "expected",
            "invalid",
            "missing",
            "string",
            "integer",
            "unexpected",
            "syntax",
            "key ",
        ];
        assert!(!english.iter().any(|word| error.contains(word)), "{error}");
    }
    let missing = load::<Sample>(Path::new("/nowhere/x.toml"), KNOWN)
        .expect_err("missing")
        .to_string();
    assert!(
        missing.contains("文件或目录不存在") && !missing.contains("os error"),
        "{missing}"
    );
}

#[test]
fn a_file_in_another_encoding_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.toml");
    fs::write(&path, b"# a\nname = \"\xc7\xf8\"\n").expect("writing");
    let error = load::<Sample>(&path, KNOWN).expect_err("GBK");
    assert!(error.to_string().contains("第 2 行"), "{error}");
    assert!(error.to_string().contains("UTF-8"), "{error}");
}

#[test]
fn units_are_read_exactly() {
    let period = |text, ms: Option<u64>| {
        let expected = ms.map(|ms| Period(Duration::from_millis(ms)));
        assert_eq!(Period::parse(text), expected, "{text}");
    };
    period("0s", Some(0));
    period("500ms", Some(500));
    period("2 h", Some(7_200_000));
    period("7d", Some(604_800_000));
    for wrong in [
        "",
        "s",
        "5",
        "-5s",
        "1.5s",
        "5S",
        "99999999999999999999s",
        "99999999d",
    ] {
        period(wrong, None);
    }
    assert_eq!(Size::parse("64KiB"), Some(Size(65_536)));
    for wrong in ["64", "64kb", "1.5MiB", "18446744073709551615GiB"] {
        assert_eq!(Size::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_secret_comes_from_a_private_file_and_stays_out_of_debug() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("secret");
    let put = |content: &str, mode| {
        fs::write(&path, content).expect("writing");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        SecretFile(path.clone()).read()
    };
    let secret = put("s3cret \n", 0o600).expect("good");
    assert_eq!(secret.expose(), "s3cret ");
    assert!(!format!("{secret:?}").contains("s3cret"));
    for (content, mode, expected) in [
        ("s3cret", 0o644, "chmod"),
        ("", 0o600, "恰好有一行"),
        ("a\nb", 0o600, "恰好有一行"),
    ] {
        let error = put(content, mode).expect_err(content).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
