//! The sample city: made, admitted party by party, run as separate processes, looked at, cut and connected.

use std::io;
use std::path::{Path, PathBuf};

use protocol::name::SeatId;
use runtime::say;
use serde_json::Value;
use supervision::division::{City, DivisionTable};

use crate::agent_site::AgentSite;
use crate::department::{CITY, DEPARTMENTS, DISTRICTS, Department, DepartmentError, Kind, Office};
use crate::process::{Launcher, Party, ProcessError, STATUS, ask};
use crate::progress::{AgentState, NodeState};
use crate::reexec::Program;
use crate::sample::Sample;
use crate::site::{NodeSite, Ports};

/// Why there is no sample city.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// A file or folder.
    #[error("无法写入 {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A party.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A legacy system.
    #[error(transparent)]
    Department(#[from] DepartmentError),
    /// An answer that is not what the command promises.
    #[error("{name} 的答复不合约定：{said}")]
    Answer {
        /// Which party.
        name: String,
        /// What it said.
        said: String,
    },
    /// A name that nobody has.
    #[error("没有叫「{0}」的区。可用：{1}")]
    NoDistrict(String, String),
}

/// A node of the sample city at work.
#[derive(Debug)]
pub struct Node {
    /// Name for people.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Where it lives.
    pub site: NodeSite,
    party: Party,
}

/// A department with its agent at work.
#[derive(Debug)]
pub struct Bureau {
    /// Its legacy system.
    pub office: Office,
    site: AgentSite,
    party: Party,
}

/// The sample city at work.
#[derive(Debug)]
pub struct SampleCity {
    /// The hub.
    pub city: Node,
    /// The districts.
    pub districts: Vec<Node>,
    /// The departments.
    pub bureaus: Vec<Bureau>,
}

/// How to make it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where everything lies.
    pub folder: PathBuf,
    /// Rows of each department.
    pub rows: u64,
    /// Password of every node's administrator.
    pub password: String,
    /// What made-up entities depend on.
    pub seed: u64,
}

impl SampleCity {
    /// Makes the city and starts everybody. `told` hears what is being done.
    pub async fn make(plan: &Plan, told: impl Fn(&str)) -> Result<Self, CityError> {
        let table = DivisionTable::builtin();
        let division = table
            .city(CITY)
            .expect("the built-in table has the sample city");
        let launcher = Launcher::new(plan.folder.join("logs")).map_err(|source| CityError::Io {
            path: plan.folder.clone(),
            source,
        })?;
        let ports = Ports::default();
        let title = format!("{}综合监管平台（演示）", division.name);
        let maker = Maker {
            plan,
            launcher,
            ports,
            division,
        };
        told(&format!("建立市级节点：{title}"));
        let city = maker.city(&title).await?;
        let mut districts = Vec::new();
        for (code, pre_approved) in DISTRICTS {
            let name = maker.division.region_name(code).unwrap_or(code).to_owned();
            let how = if pre_approved {
                "预先批准"
            } else {
                "由管理员批准"
            };
            told(&format!("{name}凭接入码入网（{how}）"));
            districts.push(maker.district(&city, code, &name, pre_approved).await?);
        }
        let mut bureaus = Vec::new();
        for department in &DEPARTMENTS {
            let how = if department.pre_approved {
                "预先批准"
            } else {
                "由管理员批准"
            };
            told(&format!(
                "{}：生成业务系统，代理凭接入码入网（{how}）",
                department.title
            ));
            let node = department
                .district
                .and_then(|code| districts.iter().find(|d| d.region == code));
            bureaus.push(maker.bureau(department, node.unwrap_or(&city)).await?);
        }
        Ok(Self {
            city,
            districts,
            bureaus,
        })
    }

    /// The district that people call so, by name, short name or code.
    pub fn district(&self, called: &str) -> Result<&Node, CityError> {
        let is = |node: &&Node| {
            !called.is_empty()
                && (node.region == called || node.name == called || node.name.starts_with(called))
        };
        self.districts.iter().find(is).ok_or_else(|| {
            let names: Vec<&str> = self.districts.iter().map(|d| d.name.as_str()).collect();
            CityError::NoDistrict(called.to_owned(), names.join("、"))
        })
    }

    /// What all of them say of themselves now.
    pub async fn look(&self) -> (NodeState, Vec<NodeState>, Vec<AgentState>) {
        let mut agents = Vec::new();
        for bureau in &self.bureaus {
            agents.push(bureau.state().await);
        }
        // districts before the city: what the city has got meanwhile makes no difference that goes away
        let mut districts = Vec::new();
        for district in &self.districts {
            districts.push(district.state().await);
        }
        (self.city.state().await, districts, agents)
    }

    /// A party that has ended by itself, if one has.
    pub fn ended(&mut self) -> Option<String> {
        let nodes = std::iter::once(&mut self.city).chain(&mut self.districts);
        let mut parties = nodes.map(|n| (n.name.clone(), &mut n.party)).chain(
            self.bureaus
                .iter_mut()
                .map(|b| (b.office.department.title.to_owned(), &mut b.party)),
        );
        parties.find_map(|(name, party)| (!party.is_running()).then_some(name))
    }

    /// Ends everybody in order, the lower ones first.
    pub async fn stop(self) {
        for bureau in self.bureaus {
            bureau.party.stop().await;
        }
        for district in self.districts {
            district.party.stop().await;
        }
        self.city.party.stop().await;
    }
}

impl Node {
    /// What it says of itself now.
    pub async fn state(&self) -> NodeState {
        NodeState {
            name: self.name.clone(),
            region: self.region.clone(),
            status: ask(&self.site.data(), STATUS).await.unwrap_or_default(),
        }
    }

    /// Cuts or restores a district's link to the city.
    pub async fn link(&self, command: &str) -> Result<(), CityError> {
        let request = serde_json::json!({ "command": command }).to_string();
        let answer = ask(&self.site.data(), &request).await;
        answer.map(|_| ()).ok_or_else(|| CityError::Answer {
            name: self.name.clone(),
            said: "没有答复".to_owned(),
        })
    }
}

impl Bureau {
    async fn state(&self) -> AgentState {
        self.site
            .state(self.office.department.title, self.office.rows() as u64)
            .await
    }
}

struct Maker<'a> {
    plan: &'a Plan,
    launcher: Launcher,
    ports: Ports,
    division: City,
}

impl Maker<'_> {
    fn site(&self, name: &str) -> Result<NodeSite, CityError> {
        let folder = self.plan.folder.join(name);
        let io = |source| CityError::Io {
            path: folder.clone(),
            source,
        };
        let site = NodeSite::new(folder.clone(), &self.ports).map_err(io)?;
        site.write(&self.plan.password).map_err(io)?;
        Ok(site)
    }

    async fn city(&self, title: &str) -> Result<Node, CityError> {
        let site = self.site("city")?;
        self.launcher
            .run(Program::City, "city", &site.found(title, CITY))
            .await?;
        self.node(Program::City, "city", "市级", CITY, site).await
    }

    async fn node(
        &self,
        program: Program,
        short: &str,
        name: &str,
        region: &str,
        site: NodeSite,
    ) -> Result<Node, CityError> {
        let mut party = self.launcher.start(program, short, &site.command("run"))?;
        party.ready(&site.data()).await?;
        Ok(Node {
            name: name.to_owned(),
            region: region.to_owned(),
            site,
            party,
        })
    }

    async fn district(
        &self,
        city: &Node,
        code: &str,
        name: &str,
        pre_approved: bool,
    ) -> Result<Node, CityError> {
        let site = self.site(code)?;
        let title = format!("{name}综合监管平台（演示）");
        let organisation = format!("{code}.zx");
        let words = [
            "--kind",
            "district",
            "--title",
            &title,
            "--organisation",
            &organisation,
            "--jurisdiction",
            code,
        ];
        let joining = self
            .invite(city, Program::City, &words, pre_approved)
            .await?;
        self.admit(
            city,
            pre_approved,
            Program::District,
            code,
            &site.join(&joining),
        )
        .await?;
        self.node(Program::District, code, name, code, site).await
    }

    async fn bureau(
        &self,
        department: &'static Department,
        node: &Node,
    ) -> Result<Bureau, CityError> {
        let folder = self.plan.folder.join(department.name);
        let sample = Sample::new(self.division.clone(), self.plan.seed);
        let rows = match department.shape.kind {
            // a folder of exports is smaller than a register
            Kind::CsvFolder => self.plan.rows / 2,
            Kind::Sqlite => self.plan.rows,
        };
        let office = Office::open(department, &folder.join("system"), rows, sample).await?;
        let site =
            AgentSite::of(department, &folder, office.place(), &self.ports).map_err(|source| {
                CityError::Io {
                    path: folder.clone(),
                    source,
                }
            })?;
        let program = if department.district.is_some() {
            Program::District
        } else {
            Program::City
        };
        let mut words = vec![
            "--title",
            department.title,
            "--organisation",
            department.organisation,
        ];
        if department.district.is_none() {
            words.extend(["--kind", "department"]);
        }
        let joining = self
            .invite(node, program, &words, department.pre_approved)
            .await?;
        self.admit(
            node,
            department.pre_approved,
            Program::Agent,
            department.name,
            &site.join(&joining),
        )
        .await?;
        let party = self
            .launcher
            .start(Program::Agent, department.name, &site.command("run"))?;
        Ok(Bureau {
            office,
            site,
            party,
        })
    }

    /// Issues a code at a node. Gives the file in which it lies.
    async fn invite(
        &self,
        node: &Node,
        program: Program,
        words: &[&str],
        pre_approved: bool,
    ) -> Result<PathBuf, CityError> {
        let file = node.site.next_code_file();
        let mut args = node.site.command("invite");
        args.extend(words.iter().map(|w| (*w).to_owned()));
        args.extend(["--hours", "24", "--code-file"].map(str::to_owned));
        args.push(file.display().to_string());
        args.extend(pre_approved.then(|| "--pre-approved".to_owned()));
        self.launcher.run(program, &node.name, &args).await?;
        Ok(file)
    }

    /// Lets a newcomer join; unless approved beforehand, a person at the node looks at the list and approves.
    async fn admit(
        &self,
        node: &Node,
        pre_approved: bool,
        program: Program,
        name: &str,
        args: &[String],
    ) -> Result<(), CityError> {
        let joining = self.launcher.run(program, name, args);
        if pre_approved {
            joining.await?;
            return Ok(());
        }
        tokio::pin!(joining);
        let deciding = self.approve_next(node);
        tokio::pin!(deciding);
        tokio::select! {
            joined = &mut joining => { joined?; }
            decided = &mut deciding => { decided?; joining.await?; }
        }
        Ok(())
    }

    /// Approves the newcomer that waits at a node, with the command that a person would use.
    async fn approve_next(&self, node: &Node) -> Result<(), CityError> {
        let program = if node.region == CITY {
            Program::City
        } else {
            Program::District
        };
        loop {
            let mut args = node.site.command("peers");
            args.push("--json".to_owned());
            let said = self.launcher.run(program, &node.name, &args).await?;
            let answer: Value =
                serde_json::from_str(said.trim()).map_err(|_| CityError::Answer {
                    name: node.name.clone(),
                    said: said.clone(),
                })?;
            if let Some(seat) = waiting(&answer) {
                let mut args = node.site.command("approve");
                args.push(seat.to_string());
                self.launcher.run(program, &node.name, &args).await?;
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
}

/// The seat of a newcomer that waits for a decision.
fn waiting(peers: &Value) -> Option<SeatId> {
    let peers = peers["peers"].as_array()?;
    let waits = |peer: &&Value| {
        peer["state"]
            .as_str()
            .is_some_and(|state| state.contains('待'))
    };
    peers
        .iter()
        .find(waits)
        .and_then(|peer| SeatId::from_hex(peer["seat"].as_str()?))
}

/// Removes everything that lies in a folder of ours.
pub fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        say::complaint(format_args!(
            "未能删除临时目录 {}：{error}",
            folder.display()
        ));
    }
}
