//! The command line of a made-up tier, and what a set-up refuses.

use clap::CommandFactory;
use node::command::actor::Actor;
use node::home::Home;
use runtime::control::Caller;

use super::*;
use crate::Ground;

/// A tier with something of its own at each place.
pub(crate) struct Toy;

#[derive(Args)]
pub(crate) struct Toys {
    #[arg(long)]
    colour: String,
}

#[derive(Subcommand)]
pub(crate) enum Play {
    Play {
        #[command(flatten)]
        common: Common<Toy>,
    },
}

impl Program for Toy {
    const TIER: node::Tier = node::Tier::City;
    const NAME: &'static str = "toy";
    const ABOUT: &'static str = "a toy";
    const CONFIG: &'static str = "/toy.toml";
    type Founding = Toys;
    type Guest = Toys;
    type Rotation = Toys;
    type Command = Play;

    async fn found(_founding: &Toys, _home: &Home) -> Result<String, Failure> {
        panic!("the toy is founded");
    }

    async fn rotate(
        _rotation: &Toys,
        _home: &Home,
        _config: &Config,
        _actor: &Actor,
    ) -> Result<String, Failure> {
        panic!("the toy gets other keys");
    }

    fn guest(guest: &Toys) -> (&str, &str) {
        (&guest.colour, "")
    }

    fn errand(command: Play) -> Errand<Self> {
        let Play::Play { common } = command;
        let (request, done) = (json!({ "command": "play" }), "played".to_owned());
        Errand {
            common,
            request,
            done,
        }
    }

    fn start(_ground: &Ground<'_>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn answer(&self, _caller: &Caller, _request: &str) -> Option<String> {
        None
    }
}

#[test]
fn a_tier_has_all_common_commands_and_its_own() {
    Cli::<Toy>::command().debug_assert();
    let check = |line: &str, good: bool| {
        let parsed = Cli::<Toy>::try_parse_from(line.split(' '));
        assert_eq!(parsed.is_ok(), good, "{line}");
    };
    let init = "--admin-name a --password-file p";
    check(&format!("toy init {init} --colour red"), true);
    check(&format!("toy init {init}"), false);
    check(
        &format!("toy init {init} --colour red --divisions d.csv"),
        true,
    );
    let seat = "00112233445566778899aabbccddeeff";
    check(
        "toy invite --title t --organisation 370102.scjg --colour red",
        true,
    );
    check("toy invite --title t --organisation 370102.scjg", false);
    check("toy invite --title t --colour red", false);
    check("toy invite --organisation 370102.scjg --colour red", false);
    check(
        &format!("toy invite --renew {seat} --colour red --code-file c"),
        true,
    );
    check(
        &format!("toy invite --renew {seat} --colour red --reason r"),
        true,
    );
    check(
        "toy invite --title t --organisation 370102.scjg --colour red --reason r",
        false,
    );
    check("toy revoke code 0123456789ab", true);
    check("toy revoke code", false);
    check(
        &format!("toy revoke seat {seat} --reason stolen --text t"),
        true,
    );
    check(&format!("toy revoke seat {seat} --reason stolen"), false);
    check(
        &format!("toy revoke seat {seat} --reason bored --text t"),
        false,
    );
    check("toy rotate --colour red", true);
    check("toy rotate", false);
    check("toy approve s --reason r", true);
    check("toy account a --name n --password-file p", true);
    check("toy account a --name n", false);
    check("toy account a --password-file p", false);
    check("toy account", false);
    check("toy account list", true);
    check("toy account list --json --config c", true);
    check("toy account disable a", true);
    check("toy account enable a --config c", true);
    check("toy account disable", false);
    check("toy account disable a --name n", false);
    check("toy refuse s --reason r", true);
    for word in ["run", "check-config", "peers", "status", "verify", "play"] {
        check(&format!("toy {word}"), true);
        check(&format!("toy {word} --colour red"), false);
    }
    check("toy verify --deep --json", true);
    check("toy verify --stop", true);
    check("toy verify --stop --deep", false);
    for (hours, good) in [
        ("0", false),
        ("1", true),
        ("8760", true),
        ("8761", false),
        ("99999999", false),
        ("x", false),
    ] {
        check(
            &format!("toy invite --title t --organisation o --colour red --hours {hours}"),
            good,
        );
    }
    check("toy cut", false);
    check("toy", false);
}

#[tokio::test]
async fn an_administrator_who_cannot_be_is_told_before_anything_is_founded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, data) = (folder.path().join("toy.toml"), folder.path().join("data"));
    let text = format!(
        "[node]\nfolder = {data:?}\n[link]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
         [status]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&file, text).expect("written");
    let config = Config::load(&file).expect("a configuration");
    let colour = "red".to_owned();
    for (account, name, password, part) in [
        ("admin", "王芳", "short", "口令至少"),
        ("admin", "王芳", "the admin's own", "账号名"),
        ("Admin", "王芳", "correct horse battery", "小写字母"),
        ("admin", " ", "correct horse battery", "真实姓名"),
    ] {
        let administrator = Administrator {
            account: account.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
        };
        let founding = Toys {
            colour: colour.clone(),
        };
        let told = init::init::<Toy>(&config, &founding, &administrator, None).await;
        let told = told.expect_err(part).to_string();
        assert!(told.contains(part), "{told}");
        assert!(!data.exists(), "nothing is left behind");
    }
}

#[test]
fn a_configuration_is_where_the_tier_says_unless_told() {
    let check = |line: &str, expected: &str| {
        let Ok(Cli {
            command: Command::Own(play),
        }) = Cli::<Toy>::try_parse_from(line.split(' '))
        else {
            panic!("{line} is no errand");
        };
        assert_eq!(Toy::errand(play).common.config, Path::new(expected));
    };
    check("toy play", "/toy.toml");
    check("toy play --config other.toml", "other.toml");
}
