//! The smallest city: a hub, one district, one department with its agent, every party a process of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use demo::agent_site::AgentSite;
use demo::site::{NodeSite, Ports};
use serde_json::{Value, json};

use super::Failure;
use super::figures::cpu_us;
use super::rows::{CITY, COLUMNS, DISTRICT, FIELDS, TABLE};
use crate::process::{Host, Program, Running};

const COMMAND: Duration = Duration::from_secs(120);
const PASSWORD: &str = "a-measured-city-9";
const PAUSE: Duration = Duration::from_millis(50);

/// The parties. What does not run is `None`.
pub struct City {
    host: Host,
    /// Where the hub lives.
    pub city_site: NodeSite,
    /// Where the district lives.
    pub district_site: NodeSite,
    /// Where the agent lives.
    pub agent_site: AgentSite,
    /// The hub.
    pub city: Option<Running>,
    /// The district.
    pub district: Option<Running>,
    /// The agent.
    pub agent: Option<Running>,
}

impl City {
    /// Founds the city and lets everybody join; city and district run, the agent does not. `source` is the department's
    /// database.
    pub async fn make(folder: &Path, source: &Path) -> Result<Self, Failure> {
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs)?;
        let host = Host::this_binary()?.logging_to(logs);
        let ports = Ports::default();
        let site = |name: &str| -> Result<NodeSite, Failure> {
            let site = NodeSite::new(folder.join(name), &ports)?;
            site.write(PASSWORD)?;
            Ok(site)
        };
        let (city_site, district_site) = (site("city")?, site("district")?);
        let agent_site = AgentSite {
            folder: folder.join("agent"),
            status: ports.next()?,
        };
        write_agent(&agent_site, source)?;
        let mut this = Self {
            host,
            city_site,
            district_site,
            agent_site,
            city: None,
            district: None,
            agent: None,
        };
        this.run(
            Program::City,
            &this.city_site.found("测速市综合监管平台", CITY),
        )?;
        this.start_city().await?;
        let words = [
            "--kind",
            "district",
            "--title",
            "测速区综合监管平台",
            "--organisation",
            &format!("{DISTRICT}.zx"),
            "--jurisdiction",
            DISTRICT,
        ];
        let code = this.invite(Program::City, &this.city_site, &words)?;
        this.run(Program::District, &this.district_site.join(&code))?;
        this.start_district().await?;
        let words = [
            "--title",
            "测速区登记库",
            "--organisation",
            &format!("{DISTRICT}.scjg"),
        ];
        let code = this.invite(Program::District, &this.district_site, &words)?;
        this.run(Program::Agent, &this.agent_site.join(&code))?;
        Ok(this)
    }

    /// Starts the hub.
    pub async fn start_city(&mut self) -> Result<(), Failure> {
        let args = self.city_site.command("run");
        self.city = Some(self.host.start(Program::City, "city", args)?);
        ready(&self.city_site.data()).await
    }

    /// Starts the district, and with it both links.
    pub async fn start_district(&mut self) -> Result<(), Failure> {
        let args = self.district_site.command("run");
        self.district = Some(self.host.start(Program::District, "district", args)?);
        ready(&self.district_site.data()).await
    }

    /// Stops the district in good order: the agent's link is down from then on.
    pub fn stop_district(&mut self) -> Result<(), Failure> {
        if let Some(district) = self.district.take() {
            district.terminate(COMMAND)?;
        }
        Ok(())
    }

    /// Starts the agent.
    pub async fn start_agent(&mut self) -> Result<(), Failure> {
        let args = self.agent_site.command("run");
        self.agent = Some(self.host.start(Program::Agent, "agent", args)?);
        ready(&self.agent_site.data()).await
    }

    /// Stops everybody.
    pub fn stop(&mut self) -> Result<(), Failure> {
        for running in [self.agent.take(), self.district.take(), self.city.take()]
            .into_iter()
            .flatten()
        {
            running.terminate(COMMAND)?;
        }
        Ok(())
    }

    /// Peak memory so far: city, district, agent, in bytes.
    pub fn memory(&mut self) -> [u64; 3] {
        [&mut self.city, &mut self.district, &mut self.agent].map(|running| {
            running
                .as_mut()
                .and_then(Running::peak_memory_bytes)
                .unwrap_or(0)
        })
    }

    /// Processor time used since their last starts: city, district, agent, in microseconds.
    pub fn cpu(&self) -> [u64; 3] {
        [&self.city, &self.district, &self.agent]
            .map(|running| running.as_ref().map_or(0, |r| cpu_us(r.pid())))
    }

    fn invite(
        &self,
        program: Program,
        node: &NodeSite,
        words: &[&str],
    ) -> Result<PathBuf, Failure> {
        let file = node.next_code_file();
        let mut args = node.command("invite");
        args.extend(
            words
                .iter()
                .copied()
                .chain(["--pre-approved", "--code-file"])
                .map(str::to_owned),
        );
        args.push(file.display().to_string());
        self.run(program, &args)?;
        Ok(file)
    }

    fn run(&self, program: Program, args: &[String]) -> Result<String, Failure> {
        let done = self.host.run(program, program.word(), args, COMMAND)?;
        if !done.status.success() {
            return Err(
                format!("{} {}: {}", program.word(), args[0], done.stderr.join("\n")).into(),
            );
        }
        Ok(done.stdout.join("\n"))
    }
}

/// Asks the process whose data lie in `data`.
pub async fn ask(data: &Path, command: &str) -> Result<Value, Failure> {
    let answer = runtime::control::ask(data, &json!({ "command": command }).to_string()).await?;
    let answer: Value = serde_json::from_str(&answer)?;
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned().into()),
        None => Ok(answer),
    }
}

async fn ready(data: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    while let Err(error) = ask(data, "trace").await {
        if began.elapsed() > COMMAND {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// An agent with the configuration that the samples have, but a source that is looked at ten times a second.
fn write_agent(site: &AgentSite, source: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(&site.folder)?;
    let updated = COLUMNS[COLUMNS.len() - 1];
    let text = format!(
        "[agent]\nfolder = \"data\"\n\n[status]\nlisten = \"{}\"\n\n[[source]]\nname = \"登记库\"\nkind = \"sqlite\"\n\
         path = \"{}\"\ntable = \"{TABLE}\"\nmapping = \"mapping.toml\"\nevery = \"100ms\"\n\n\
         [source.watermark]\ncolumn = \"{updated}\"\nformat = \"datetime\"\noverlap = \"10m\"\nlag = \"0s\"\n\
         utc_offset = \"+08:00\"\n",
        site.status,
        source.display(),
    );
    std::fs::write(site.config(), text)?;
    let mut mapping = "standard = \"cn.registration\"\nversion = 1\n".to_owned();
    for (column, field) in COLUMNS.iter().zip(FIELDS) {
        mapping += &format!("\n[fields.{field}]\ncolumn = \"{column}\"\n");
    }
    std::fs::write(site.folder.join("mapping.toml"), mapping)?;
    Ok(())
}

/// The database of an agent.
pub fn seat_database(site: &AgentSite) -> PathBuf {
    site.data().join("database").join("seat.db")
}

/// The database of a node.
pub fn node_database(site: &NodeSite) -> PathBuf {
    site.database().join("store.db")
}
