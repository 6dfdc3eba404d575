//! A small city of processes: hub, two districts, one bureau with a legacy database of a few rows.

use std::path::{Path, PathBuf};

use demo::agent_site::{AgentSite, PAGE_ROWS, SourceSite};
use demo::site::{NodeSite, Ports};
use supervision::identifier::organisation::{OrganisationCode, OrganisationFault};
use supervision::identifier::uscc::{Uscc, UsccFault};
use tempfile::TempDir;
use tests::legacy::registrations::Registration;
use tests::legacy::{Legacy, TABLE};
use tests::process::{Program, Running, temporary_folder};
use tests::real_city::party::{invite, node_site, ready, run};
use tests::real_city::source::COLUMNS;

use crate::clock::set_clock;
use crate::host;

pub const CITY: &str = "370100";
/// The districts: where the bureau is, and another one.
pub const HERE: &str = "370102";
pub const ELSEWHERE: &str = "370103";

pub struct World {
    pub city: NodeSite,
    pub here: NodeSite,
    pub elsewhere: NodeSite,
    ports: Ports,
    running: Vec<Running>,
    folder: TempDir,
}

impl World {
    /// City and districts, running.
    pub async fn new() -> Self {
        Self::with_clocks(0, 0).await
    }

    /// A city that is on disk already, founded and running without districts. The districts' sites are not written.
    pub async fn alone(city: NodeSite, folder: TempDir, ports: Ports) -> Self {
        run(
            &host(),
            Program::City,
            "city",
            &city.found("测试市平台", CITY),
        )
        .expect("founded");
        let started = host().start(Program::City, "city", city.command("run"));
        let running = vec![started.expect("started")];
        ready(&city.data(), "city").await.expect("the city is up");
        Self {
            here: city.clone(),
            elsewhere: city.clone(),
            city,
            ports,
            running,
            folder,
        }
    }

    /// Starts an agent alone, after everything was stopped, and waits until it answers.
    pub async fn running_again(&mut self, site: &AgentSite) {
        self.start("again", site);
        ready(&site.data(), "again").await.expect("it is up");
    }

    /// City and districts, running; the clocks of the city and of the bureau's district are off by so many seconds.
    pub async fn with_clocks(city_s: i64, here_s: i64) -> Self {
        let folder = temporary_folder().expect("a folder");
        let ports = Ports::default();
        let site = |name| node_site(folder.path(), name, &ports).expect("a node on disk");
        let (city, here, elsewhere) = (site("city"), site(HERE), site(ELSEWHERE));
        for (site, offset_s) in [(&city, city_s), (&here, here_s)] {
            if offset_s != 0 {
                set_clock(&site.config(), offset_s);
            }
        }
        run(
            &host(),
            Program::City,
            "city",
            &city.found("测试市平台", CITY),
        )
        .expect("founded");
        let mut running = vec![
            host()
                .start(Program::City, "city", city.command("run"))
                .expect("started"),
        ];
        ready(&city.data(), "city").await.expect("the city is up");
        for (code, site) in [(HERE, &here), (ELSEWHERE, &elsewhere)] {
            let words = [
                "--kind",
                "district",
                "--title",
                code,
                "--jurisdiction",
                code,
            ];
            let joining = invite(&host(), Program::City, &city, &words).expect("a code");
            run(&host(), Program::District, code, &site.join(&joining)).expect("joined");
            running.push(
                host()
                    .start(Program::District, code, site.command("run"))
                    .expect("started"),
            );
            ready(&site.data(), code).await.expect("the district is up");
        }
        Self {
            city,
            here,
            elsewhere,
            ports,
            running,
            folder,
        }
    }

    /// Kills everything that runs.
    pub fn stop(&mut self) {
        self.running.clear();
    }

    /// Hands out one process that runs, by its name.
    pub fn take(&mut self, name: &str) -> Running {
        let at = self.running.iter().position(|r| r.name() == name);
        self.running.remove(at.expect("it runs"))
    }

    /// Starts city and districts again.
    pub async fn start_nodes(&mut self) {
        for (program, name, site) in [
            (Program::City, "city", &self.city),
            (Program::District, HERE, &self.here),
            (Program::District, ELSEWHERE, &self.elsewhere),
        ] {
            self.running.push(
                host()
                    .start(program, name, site.command("run"))
                    .expect("started"),
            );
            ready(&site.data(), name).await.expect("it is up");
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A legacy database with these rows.
    pub async fn legacy(&self, name: &str, rows: &[Registration]) -> (Legacy, PathBuf) {
        let path = self.folder().join(format!("{name}.db"));
        let mut legacy = Legacy::create(&path).await.expect("a database");
        legacy.insert(rows).await.expect("rows");
        (legacy, path)
    }

    /// A bureau's agent, joined at the district or the city and not running yet. `words` are further arguments of the
    /// invitation.
    pub fn agent(&self, name: &str, database: &Path, at: Program, words: &[&str]) -> AgentSite {
        let site = self.stranger(name, database);
        let joining = self.code(name, at, words);
        run(&host(), Program::Agent, name, &site.join(&joining)).expect("joined");
        site
    }

    /// A bureau's agent that nobody has let in.
    pub fn stranger(&self, name: &str, database: &Path) -> AgentSite {
        let source = SourceSite {
            name: "登记库",
            path: database,
            table: Some(TABLE),
            key: "NBXH",
            updated: Some("GXSJ"),
            columns: &COLUMNS,
            page_rows: PAGE_ROWS,
        };
        AgentSite::write(&self.folder().join(name), &source, &self.ports).expect("an agent on disk")
    }

    /// A code for a bureau's agent.
    pub fn code(&self, name: &str, at: Program, words: &[&str]) -> String {
        let mut all = vec!["--title", name, "--department", "区市场监管局"];
        all.extend(words);
        let node = match at {
            Program::City => {
                all.extend(["--kind", "department"]);
                &self.city
            }
            _ => &self.here,
        };
        invite(&host(), at, node, &all).expect("a code")
    }

    /// Starts an agent, which ends with this world.
    pub fn start(&mut self, name: &str, site: &AgentSite) {
        self.running.push(
            host()
                .start(Program::Agent, name, site.command("run"))
                .expect("started"),
        );
    }
}

/// A registration with a valid code of the bureau's own district.
pub fn row(serial: u32, name: &str) -> Registration {
    let some = |text: &str| Some(text.to_owned());
    Registration {
        name: some(name),
        code: Some(code(serial)),
        founded: some("2015-06-01"),
        representative: some("王一"),
        capital: some("100万元人民币"),
        scope: some("日用百货的销售"),
        area: some("历下"),
        address: some("济南市历下区泉城路1号"),
        ..Registration::default()
    }
}

/// A valid code of the bureau's own district.
pub fn code(serial: u32) -> String {
    let organisation =
        completed(
            &format!("M{serial:07}"),
            |candidate| match OrganisationCode::parse_clean(candidate) {
                Err(OrganisationFault::CheckCharacter { expected }) => Some(expected),
                _ => None,
            },
        );
    completed(
        &format!("91{HERE}{organisation}"),
        |candidate| match Uscc::parse_clean(candidate) {
            Err(UsccFault::CheckCharacter { expected, .. }) => Some(expected),
            _ => None,
        },
    )
}

fn completed(number: &str, expected: impl Fn(&str) -> Option<char>) -> String {
    let mut candidate = format!("{number}0");
    if let Some(right) = expected(&candidate) {
        candidate.pop();
        candidate.push(right);
    }
    candidate
}
