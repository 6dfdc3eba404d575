//! A city that is none of those that the product was made for, with a division that only its own file of divisions has.

use std::time::Duration;

use demo::site::{NodeSite, Ports};
use tests::process::{Finished, Program, temporary_folder};
use tests::real_city::party::{invite, node_site, ready, run};

use crate::host;

/// Hangzhou, one of its districts, and a zone that the built-in table does not have.
const CITY: &str = "330100";
const DISTRICT: &str = "330113";
const ZONE: &str = "330171";
const HEAD: &str = "code,name,parent,valid_from,valid_to,successors";

#[tokio::test]
async fn a_city_that_nobody_prepared_is_founded_with_divisions_of_its_own() {
    let folder = temporary_folder().expect("a folder");
    let ports = Ports::default();
    let site = |name| node_site(folder.path(), name, &ports).expect("a node on disk");
    let (city, district) = (site("city"), site("district"));
    let file = folder.path().join("divisions.csv");
    let with = |mut args: Vec<String>, text: &str| {
        std::fs::write(&file, text).expect("written");
        args.extend(["--divisions".to_owned(), file.display().to_string()]);
        args
    };
    let own = format!("{HEAD}\n{ZONE},杭州某开发区,{CITY},2024,,\n");

    // a district is no city, and a file with a fault founds nothing
    let refused = refused(&city, &city.found("测试市平台", DISTRICT));
    assert!(
        refused.contains("330113（临平区）是区县，不是城市")
            && refused.contains("如 330100（杭州市）"),
        "{refused}"
    );
    let bad = with(
        city.found("测试市平台", CITY),
        &format!("{HEAD}\n{ZONE},杭州某开发区,330199,,,\n"),
    );
    let refused = self::refused(&city, &bad);
    assert!(
        refused.contains("第 2 行「parent」列：上级应为更高一级区划的六位代码（330199）"),
        "{refused}"
    );

    run(
        &host(),
        Program::City,
        "city",
        &with(city.found("测试市平台", CITY), &own),
    )
    .expect("founded");
    let _city = host()
        .start(Program::City, "city", city.command("run"))
        .expect("started");
    ready(&city.data(), "city").await.expect("the city is up");

    let guest = |code| {
        [
            "--kind",
            "district",
            "--title",
            code,
            "--jurisdiction",
            code,
        ]
    };
    invite(&host(), Program::City, &city, &guest("310101"))
        .expect_err("a district of another city");
    let joining = invite(&host(), Program::City, &city, &guest(ZONE)).expect("a code");
    run(
        &host(),
        Program::District,
        ZONE,
        &with(district.join(&joining), &own),
    )
    .expect("joined");
    let _district = host()
        .start(Program::District, ZONE, district.command("run"))
        .expect("started");
    ready(&district.data(), ZONE)
        .await
        .expect("the district is up");
    let words = ["--title", "某局", "--department", "某局"];
    invite(&host(), Program::District, &district, &words).expect("a code for a department");
    invite(&host(), Program::City, &city, &guest(DISTRICT)).expect("a code");
}

/// What an `init` that must fail says.
fn refused(site: &NodeSite, args: &[String]) -> String {
    let Finished { status, stderr, .. } = host()
        .run(Program::City, "init", args, Duration::from_secs(60))
        .expect("it ends");
    assert!(!status.success(), "it is refused");
    assert!(
        !site.data().join("statements").exists() && !site.data().join("divisions.csv").exists(),
        "nothing is left behind"
    );
    stderr.join("\n")
}
