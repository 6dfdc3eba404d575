//! The parties of a real city as processes: admitted one by one, started, killed at random moments, asked how far they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use demo::agent_site::{self, AgentSite, SourceSite};
use demo::process::{STATUS, ask};
use demo::progress::{self, AgentState, NodeState};
use demo::site::{NodeSite, Ports};
use protocol::name::SeatId;
use serde_json::Value;

use super::source::{Bureau, COLUMNS, Expected};
use super::{Plan, RealCityError};
use crate::legacy::TABLE;
use crate::process::{Finished, Host, Program, Running};

/// How long a command may take: machines that test are slow.
const COMMAND: Duration = Duration::from_secs(120);
/// Password of every administrator; the city lives for minutes on loopback.
pub const PASSWORD: &str = "a-real-city-9";
/// Cursors and counts without sums: cheap enough to be asked often.
const PROGRESS: &str = r#"{"command":"status","sums":false}"#;
/// Times that each process is killed.
const KILLS_EACH: u32 = 2;
/// Rows that agents read at once when they are killed meanwhile, so that there is more to be interrupted.
const PAGE_ROWS_KILLED: usize = 250;

/// One party.
#[derive(Debug)]
struct Party {
    name: String,
    program: Program,
    run: Vec<String>,
    running: Option<Running>,
}

/// All of them.
pub struct Parties {
    host: Host,
    city: NodeSite,
    city_code: String,
    districts: Vec<(String, String, NodeSite)>,
    agents: Vec<(AgentSite, u64, String, SeatId)>,
    parties: Vec<Party>,
    /// Peak memory by process.
    pub memory: BTreeMap<String, u64>,
    /// Kills by process.
    pub kills: BTreeMap<String, u32>,
}

/// Where everything lies after the end.
#[derive(Debug)]
pub struct Ended {
    /// Folder of the city's database.
    pub city: PathBuf,
    /// Region and folder of the database of each district.
    pub districts: Vec<(String, PathBuf)>,
    /// Seat of each bureau, in their order.
    pub seats: Vec<SeatId>,
}

impl Parties {
    /// Founds the city, lets districts and agents join, starts the nodes. Agents wait.
    pub async fn admit(
        host: &Host,
        plan: &Plan,
        expected: &Expected,
        told: impl Fn(&str),
    ) -> Result<Self, RealCityError> {
        let ports = Ports::default();
        let folder = &plan.folder;
        let city = node_site(folder, "city", &ports)?;
        run(
            host,
            Program::City,
            "city",
            &city.found("实测市综合监管平台", &plan.city),
        )?;
        let mut this = Self {
            host: host.clone(),
            city,
            city_code: plan.city.clone(),
            districts: Vec::new(),
            agents: Vec::new(),
            parties: Vec::new(),
            memory: BTreeMap::new(),
            kills: BTreeMap::new(),
        };
        let site = this.city.clone();
        this.start(Program::City, "city", site.command("run"))?;
        ready(&site.data(), "city").await?;
        told("各区入网");
        for code in &expected.districts {
            let name = expected.city.region_name(code).unwrap_or(code).to_owned();
            let site = node_site(folder, code, &ports)?;
            let title = format!("{name}综合监管平台");
            let words = [
                "--kind",
                "district",
                "--title",
                &title,
                "--jurisdiction",
                code,
            ];
            let joining = invite(host, Program::City, &this.city, &words)?;
            run(host, Program::District, code, &site.join(&joining))?;
            this.start(Program::District, code, site.command("run"))?;
            this.districts.push((code.clone(), name, site));
        }
        for (code, _, site) in &this.districts {
            ready(&site.data(), code).await?;
        }
        told("各局代理入网");
        for bureau in &expected.bureaus {
            let (program, node) = match this
                .districts
                .iter()
                .find(|(code, ..)| *code == bureau.region)
            {
                Some((_, _, site)) => (Program::District, site.clone()),
                None => (Program::City, this.city.clone()),
            };
            let page_rows = if plan.kill.is_some() {
                PAGE_ROWS_KILLED
            } else {
                agent_site::PAGE_ROWS
            };
            let site = agent_site(folder, bureau, page_rows, &ports)?;
            let mut words = vec!["--title", &bureau.title, "--department", "市场监督管理局"];
            if program == Program::City {
                words.extend(["--kind", "department"]);
            }
            let joining = invite(host, program, &node, &words)?;
            run(host, Program::Agent, &bureau.name, &site.join(&joining))?;
            let seat = seat_of(&node, &bureau.title).await?;
            this.agents
                .push((site, bureau.rows, bureau.name.clone(), seat));
        }
        Ok(this)
    }

    fn start(
        &mut self,
        program: Program,
        name: &str,
        run: Vec<String>,
    ) -> Result<(), RealCityError> {
        let running = Some(self.host.start(program, name, &run)?);
        let name = name.to_owned();
        self.parties.push(Party {
            name,
            program,
            run,
            running,
        });
        Ok(())
    }

    /// Starts the agents: from here on data flow.
    pub fn start_agents(&mut self) -> Result<(), RealCityError> {
        let agents: Vec<_> = self
            .agents
            .iter()
            .map(|(site, _, name, _)| (name.clone(), site.command("run")))
            .collect();
        for (name, args) in agents {
            self.start(Program::Agent, &name, args)?;
        }
        Ok(())
    }

    /// Kills every process several times, in an order and after pauses that the seed fixes, and starts it again at once.
    pub async fn kill_each(&mut self, seed: u64) -> Result<(), RealCityError> {
        let mut draw = Draw(seed);
        // short pauses at first: the interesting time is while data flow
        let mut order: Vec<usize> = (0..self.parties.len())
            .cycle()
            .take(self.parties.len() * KILLS_EACH as usize)
            .collect();
        for at in (1..order.len()).rev() {
            order.swap(at, draw.below(at as u64 + 1) as usize);
        }
        // the hub is everybody's neighbour: it is killed more often
        for at in (0..order.len())
            .step_by(6)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            order.insert(at, 0);
        }
        for at in order {
            tokio::time::sleep(Duration::from_millis(draw.below(250))).await;
            let party = &mut self.parties[at];
            let Some(mut running) = party.running.take() else {
                continue;
            };
            let peak = running.peak_memory_bytes();
            keep_peak(&mut self.memory, &party.name, peak);
            running.kill()?;
            *self.kills.entry(party.name.clone()).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(draw.below(100))).await;
            party.running = Some(self.host.start(party.program, &party.name, &party.run)?);
        }
        Ok(())
    }

    /// Waits until everything has arrived and sums are equal.
    pub async fn converge(
        &mut self,
        expected: &Expected,
        began: Instant,
        timeout: Duration,
        told: impl Fn(&str),
    ) -> Result<(), RealCityError> {
        let mut said = Instant::now();
        loop {
            for party in &mut self.parties {
                if party
                    .running
                    .as_mut()
                    .is_none_or(|running| !running.is_running())
                {
                    let lines = party
                        .running
                        .as_ref()
                        .map(Running::lines)
                        .unwrap_or_default();
                    let last = lines
                        .iter()
                        .rev()
                        .take(20)
                        .rev()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join("\n");
                    return Err(RealCityError::Said {
                        party: party.name.clone(),
                        said: format!("意外结束：\n{last}"),
                    });
                }
            }
            let (city, districts, agents) = self.look(PROGRESS).await;
            let mut missing = progress::missing(&city, &districts, &agents);
            // a row is stated as a record, or refused
            let figure = |key: &str| city.status[key].as_u64().unwrap_or(0);
            let records = figure("records") + figure("refusals");
            if missing.is_empty() && records < expected.rows.len() as u64 {
                missing.push(format!("市级只有 {records} 条记录和拒收"));
            }
            if missing.is_empty() {
                // sums cost a walk over all records: asked for once the rest is there
                let (city, districts, agents) = self.look(STATUS).await;
                missing = progress::missing(&city, &districts, &agents);
                if missing.is_empty() {
                    return Ok(());
                }
            }
            if began.elapsed() > timeout {
                return Err(RealCityError::Unfinished {
                    seconds: timeout.as_secs(),
                    missing,
                });
            }
            if said.elapsed() > Duration::from_secs(5) {
                said = Instant::now();
                let some: Vec<_> = missing.iter().take(4).cloned().collect();
                told(&format!("市级 {records} 条；{}", some.join("；")));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn look(&self, request: &str) -> (NodeState, Vec<NodeState>, Vec<AgentState>) {
        let mut agents = Vec::new();
        for (site, rows, name, _) in &self.agents {
            agents.push(site.state(name, *rows).await);
        }
        let mut districts = Vec::new();
        for (code, name, site) in &self.districts {
            districts.push(state(site, name, code, request).await);
        }
        (
            state(&self.city, "市级", &self.city_code, request).await,
            districts,
            agents,
        )
    }

    /// Checks every signature at the city, down to the departments' rows.
    pub fn verify(&self) -> Result<Value, RealCityError> {
        let mut args = self.city.command("verify");
        args.extend(["--deep", "--json"].map(str::to_owned));
        let done = self
            .host
            .run(Program::City, "verify", &args, Duration::from_secs(1_800))?;
        let said = done.stdout.join("\n");
        serde_json::from_str(&said).map_err(|_| RealCityError::Said {
            party: "verify".to_owned(),
            said: format!("{said}\n{}", done.stderr.join("\n")),
        })
    }

    /// Notes the peak memory of every process so far.
    pub fn remember_memory(&mut self) {
        for party in &mut self.parties {
            let peak = party.running.as_mut().and_then(Running::peak_memory_bytes);
            keep_peak(&mut self.memory, &party.name, peak);
        }
    }

    /// Ends everybody in order: agents, districts, city.
    pub fn stop(mut self) -> Result<Ended, RealCityError> {
        for party in self.parties.iter_mut().rev() {
            if let Some(running) = party.running.take() {
                let done = running.terminate(COMMAND)?;
                if !done.status.success() {
                    return Err(failed(&party.name, &done));
                }
            }
        }
        Ok(Ended {
            city: self.city.database(),
            districts: self
                .districts
                .iter()
                .map(|(code, _, site)| (code.clone(), site.database()))
                .collect(),
            seats: self.agents.iter().map(|(.., seat)| *seat).collect(),
        })
    }
}

fn keep_peak(memory: &mut BTreeMap<String, u64>, name: &str, peak: Option<u64>) {
    let kept = memory.entry(name.to_owned()).or_default();
    *kept = (*kept).max(peak.unwrap_or(0));
}

async fn state(site: &NodeSite, name: &str, region: &str, request: &str) -> NodeState {
    NodeState {
        name: name.to_owned(),
        region: region.to_owned(),
        status: ask(&site.data(), request).await.unwrap_or_default(),
    }
}

/// A node on disk, below `folder`.
pub fn node_site(folder: &Path, name: &str, ports: &Ports) -> Result<NodeSite, RealCityError> {
    let folder = folder.join(name);
    let io = |source| RealCityError::System {
        what: folder.display().to_string(),
        source,
    };
    let site = NodeSite::new(folder.clone(), ports).map_err(io)?;
    site.write(PASSWORD).map_err(io)?;
    Ok(site)
}

fn agent_site(
    folder: &Path,
    bureau: &Bureau,
    page_rows: usize,
    ports: &Ports,
) -> Result<AgentSite, RealCityError> {
    let folder = folder.join(&bureau.name);
    let source = SourceSite {
        name: &bureau.title,
        path: &bureau.database,
        table: Some(TABLE),
        key: "NBXH",
        updated: Some("GXSJ"),
        columns: &COLUMNS,
        page_rows,
    };
    AgentSite::write(&folder, &source, ports).map_err(|source| RealCityError::System {
        what: folder.display().to_string(),
        source,
    })
}

/// Runs a command to its end; one that fails is the end of the run.
pub fn run(
    host: &Host,
    program: Program,
    name: &str,
    args: &[String],
) -> Result<Finished, RealCityError> {
    let done = host.run(program, name, args, COMMAND)?;
    if done.status.success() {
        Ok(done)
    } else {
        Err(failed(name, &done))
    }
}

fn failed(name: &str, done: &Finished) -> RealCityError {
    let said = [done.stdout.join("\n"), done.stderr.join("\n")].join("\n");
    let tail = said
        .lines()
        .rev()
        .take(20)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("\n");
    RealCityError::Said {
        party: name.to_owned(),
        said: format!("{}\n{tail}", done.status),
    }
}

/// Issues a pre-approved code at a node; `words` are further arguments.
pub fn invite(
    host: &Host,
    program: Program,
    node: &NodeSite,
    words: &[&str],
) -> Result<String, RealCityError> {
    let mut args = node.command("invite");
    args.extend(
        words
            .iter()
            .copied()
            .chain(["--pre-approved", "--json"])
            .map(str::to_owned),
    );
    let done = run(host, program, "invite", &args)?;
    let said = done.stdout.join("\n");
    let answer: Value = serde_json::from_str(&said).unwrap_or_default();
    match answer["code"].as_str() {
        Some(code) => Ok(code.to_owned()),
        None => Err(RealCityError::Said {
            party: "invite".to_owned(),
            said,
        }),
    }
}

/// Waits until a process answers at its control socket.
pub async fn ready(data: &Path, name: &str) -> Result<(), RealCityError> {
    let began = Instant::now();
    while ask(data, PROGRESS).await.is_none() {
        if began.elapsed() > COMMAND {
            let said = "没有就绪，见其日志".to_owned();
            return Err(RealCityError::Said {
                party: name.to_owned(),
                said,
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The seat that a node admitted under a title.
async fn seat_of(node: &NodeSite, title: &str) -> Result<SeatId, RealCityError> {
    let answer = ask(&node.data(), r#"{"command":"peers"}"#)
        .await
        .unwrap_or_default();
    let peers = answer["peers"].as_array().map_or(&[][..], Vec::as_slice);
    let found = peers
        .iter()
        .find(|peer| peer["title"] == title)
        .and_then(|peer| peer["seat"].as_str());
    found
        .and_then(SeatId::from_hex)
        .ok_or_else(|| RealCityError::Said {
            party: title.to_owned(),
            said: format!("节点上没有这个代理：{answer}"),
        })
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
