//! Headless Chromium through its driver: opening pages, pictures of them, and the promises that every page makes (no error
//! in the browser's console, no request that leaves the origin, no sideways scrolling, visible focus). Needs the packages
//! chromium, chromium-driver and a font with Chinese characters, which the script `test` installs.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use thiserror::Error;

use crate::http::{HttpError, Request};
use crate::process::{ProcessError, Running, temporary_folder};

/// How long the driver may take to come up on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest page that is put on one picture, in pixels.
const PICTURE_HEIGHT_MAX: u32 = 12_000;
/// The user and group `nobody` of every Debian: Chromium is not run as root.
const NOBODY: u32 = 65_534;

/// How the browser shows pages.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Width of the window in pixels.
    pub width: u32,
    /// Height of the window in pixels.
    pub height: u32,
    /// Whether pages may run scripts.
    pub scripts: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 900,
            scripts: true,
        }
    }
}

/// Why the browser could not do what the test asked.
#[derive(Debug, Error)]
pub enum BrowserError {
    /// The driver did not start; most likely chromium-driver is not installed (`./test` installs it).
    #[error("the browser's driver did not start: {0}")]
    Driver(#[from] ProcessError),
    /// A folder could not be made or a picture not written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The driver could not start Chromium.
    #[error("Chromium did not start: {0}")]
    Session(#[from] fantoccini::error::NewSessionError),
    /// A command failed.
    #[error("the browser refused a command: {0}")]
    Command(#[from] fantoccini::error::CmdError),
    /// The driver's log could not be fetched.
    #[error("the browser's log could not be fetched: {0}")]
    Log(#[from] HttpError),
    /// The driver said something that we do not understand.
    #[error("the browser's driver answered in an unknown form: {0}")]
    Answer(String),
}

/// A stop of the Tab key's way through a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// Tag, id or name, and text of the element, shortened.
    pub element: String,
    /// Whether outline or shadow show that it has the focus.
    pub visible: bool,
}

/// One browser window with an empty profile. Dropping it ends Chromium and its driver.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    look: Look,
    address: SocketAddr,
    session: String,
    console: Vec<String>,
    requests: Vec<String>,
    _driver: Running,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser of ordinary size with scripts on.
    pub async fn start() -> Result<Self, BrowserError> {
        Self::start_with(Look::default()).await
    }

    /// Starts a browser.
    pub async fn start_with(look: Look) -> Result<Self, BrowserError> {
        let profile = temporary_folder()?;
        let (driver, line) = Self::start_driver(profile.path())?;
        let port = line
            .rsplit(' ')
            .next()
            .and_then(|word| word.trim_end_matches('.').parse::<u16>().ok());
        let port = port.ok_or_else(|| BrowserError::Answer(line.clone()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let capabilities = match capabilities(look, profile.path()) {
            Value::Object(capabilities) => capabilities,
            other => return Err(BrowserError::Answer(other.to_string())),
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder
            .capabilities(capabilities)
            .connect(&format!("http://{address}"))
            .await?;
        let session = client.session_id().await?;
        let session = session.ok_or_else(|| BrowserError::Answer("no session".to_owned()))?;
        let (console, requests) = (Vec::new(), Vec::new());
        let browser = Self {
            client,
            look,
            address,
            session,
            console,
            requests,
            _driver: driver,
            _profile: profile,
        };
        browser.show(look)?;
        Ok(browser)
    }

    /// Asked for a free port, the driver takes one for IPv6 and then the same for IPv4, which somebody may have by then: so
    /// it gets a few tries.
    fn start_driver(profile: &Path) -> Result<(Running, String), BrowserError> {
        let mut tries_left = 5;
        loop {
            let mut command = Command::new("chromedriver");
            command
                .arg("--port=0")
                .env("HOME", profile)
                .env("TMPDIR", profile);
            if std::fs::metadata("/proc/self")?.uid() == 0 {
                std::os::unix::fs::chown(profile, Some(NOBODY), Some(NOBODY))?;
                command.uid(NOBODY).gid(NOBODY);
            }
            let mut driver = Running::start("chromedriver", command, None)?;
            match driver.wait_line("started successfully on port", START_TIMEOUT) {
                Ok(line) => return Ok((driver, line)),
                Err(ProcessError::Ended { .. }) if tries_left > 0 => tries_left -= 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The client for everything that this kit does not wrap: finding, clicking, typing.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens an address and waits until the page is loaded.
    pub async fn open(&self, url: &str) -> Result<(), BrowserError> {
        Ok(self.client.goto(url).await?)
    }

    /// Writes a picture of the whole page, not only of what the window shows, as PNG.
    pub async fn screenshot(&self, path: &Path) -> Result<(), BrowserError> {
        let long = self
            .evaluate("return document.documentElement.scrollHeight")
            .await?;
        let long = long
            .as_u64()
            .and_then(|long| u32::try_from(long).ok())
            .unwrap_or(u32::MAX);
        self.show(Look {
            height: long.clamp(self.look.height, PICTURE_HEIGHT_MAX),
            ..self.look
        })?;
        let picture = self.client.screenshot().await?;
        self.show(self.look)?;
        Ok(std::fs::write(path, picture)?)
    }

    /// Runs a script in the page and gives what it returns.
    pub async fn evaluate(&self, script: &str) -> Result<Value, BrowserError> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Everything that the browser's console has shown as an error since the start, failed loads included.
    pub fn console_errors(&mut self) -> Result<Vec<String>, BrowserError> {
        for entry in self.log("browser")? {
            if entry["level"] == "SEVERE" {
                self.console
                    .push(entry["message"].as_str().unwrap_or_default().to_owned());
            }
        }
        Ok(self.console.clone())
    }

    /// Every address that pages have asked for since the start.
    pub fn requests(&mut self) -> Result<Vec<String>, BrowserError> {
        for entry in self.log("performance")? {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())
                .map_err(|error| BrowserError::Answer(error.to_string()))?;
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                self.requests.push(
                    event["params"]["request"]["url"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
        }
        Ok(self.requests.clone())
    }

    /// Those [`Browser::requests`] that left `origin` (as in `http://127.0.0.1:8080`).
    pub fn foreign_requests(&mut self, origin: &str) -> Result<Vec<String>, BrowserError> {
        let own = |url: &str| {
            let inline = ["data:", "blob:", "about:", "chrome:", "chrome-untrusted:"]
                .iter()
                .any(|scheme| url.starts_with(scheme));
            inline
                || url
                    .strip_prefix(origin)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        Ok(self
            .requests()?
            .into_iter()
            .filter(|url| !own(url))
            .collect())
    }

    /// Whether the page as a whole scrolls sideways.
    pub async fn scrolls_sideways(&self) -> Result<bool, BrowserError> {
        let script =
            "const page = document.documentElement; return page.scrollWidth > page.clientWidth";
        Ok(self.evaluate(script).await? == Value::Bool(true))
    }

    /// Presses one key, as for [`Key::Tab`] or [`Key::Enter`].
    pub async fn press(&self, key: Key) -> Result<(), BrowserError> {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned());
        Ok(self
            .client
            .perform_actions(
                keys.then(KeyAction::Down { value })
                    .then(KeyAction::Up { value }),
            )
            .await?)
    }

    /// Goes through the page with the Tab key until the focus comes round or `steps_max` is reached.
    pub async fn tab_through(&self, steps_max: usize) -> Result<Vec<Focus>, BrowserError> {
        let mut way = Vec::new();
        self.evaluate("window.zonghengTabbed = new Set()").await?;
        for _ in 0..steps_max {
            self.press(Key::Tab).await?;
            let stop = self.evaluate(FOCUS).await?;
            let Some(element) = stop["element"].as_str() else {
                break;
            };
            way.push(Focus {
                element: element.to_owned(),
                visible: stop["visible"] == Value::Bool(true),
            });
        }
        Ok(way)
    }

    /// Ends the session in good order. Dropping ends it too.
    pub async fn close(self) -> Result<(), BrowserError> {
        Ok(self.client.clone().close().await?)
    }

    fn log(&self, kind: &str) -> Result<Vec<Value>, BrowserError> {
        match self.ask_driver("se/log", &json!({ "type": kind }))? {
            Value::Array(entries) => Ok(entries),
            other => Err(BrowserError::Answer(other.to_string())),
        }
    }

    /// Lays the page out for this size. A window cannot be narrower than 500 pixels, so the size is emulated.
    fn show(&self, look: Look) -> Result<(), BrowserError> {
        let Look { width, height, .. } = look;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask_driver(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }),
        )?;
        Ok(())
    }

    fn ask_driver(&self, what: &str, question: &Value) -> Result<Value, BrowserError> {
        let path = format!("/session/{}/{what}", self.session);
        let answer = Request::post_json(path, question).send(self.address)?;
        let mut value = answer
            .json()
            .map_err(|error| BrowserError::Answer(error.to_string()))?;
        if answer.status == 200 {
            Ok(value["value"].take())
        } else {
            Err(BrowserError::Answer(value.to_string()))
        }
    }
}

/// Gives the focused element once; nothing when it is the page itself or was there before.
const FOCUS: &str = "
    const at = document.activeElement;
    if (!at || at === document.body || at === document.documentElement || window.zonghengTabbed.has(at)) return {};
    window.zonghengTabbed.add(at);
    const style = getComputedStyle(at);
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    const text = (at.innerText || at.value || at.getAttribute('aria-label') || '').trim().slice(0, 40);
    const name = at.id ? '#' + at.id : at.name ? '[' + at.name + ']' : '';
    return { element: at.tagName.toLowerCase() + name + ' ' + text, visible: outlined || style.boxShadow !== 'none' };
";

/// The profile is empty, and background services are off: they would ask for hosts that no closed network has.
fn capabilities(look: Look, profile: &Path) -> Value {
    let arguments = [
        "--headless".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--lang=zh-CN".to_owned(),
        format!("--window-size={},{}", look.width, look.height),
        format!("--user-data-dir={}", profile.join("profile").display()),
    ];
    let scripts = if look.scripts { 1 } else { 2 };
    json!({
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": scripts },
        },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    })
}
