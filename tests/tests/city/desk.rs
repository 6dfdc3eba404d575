//! A person at a console: signs in like a browser does, and reads the JSON beside the pages.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use demo::site::ADMIN;
use serde_json::Value;
use tests::http::{Answer, Request};
use tests::real_city::party::PASSWORD;

/// How long a change may take to show: machines that test are slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Desk {
    address: SocketAddr,
    cookies: String,
}

impl Desk {
    /// Signs in as the administrator.
    pub fn sign_in(address: SocketAddr) -> Self {
        let form = Request::get("/sign-in").send(address).expect("the form");
        let page = form.text();
        let token = page
            .split_once("name=\"csrf\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .expect("a token")
            .0;
        let fields = [
            ("csrf", token),
            ("next", "/"),
            ("account", ADMIN),
            ("password", PASSWORD),
        ];
        let answer = Request::post_form("/sign-in", &fields)
            .header("cookie", &cookies(&form))
            .send(address)
            .expect("an answer");
        assert_eq!(answer.status, 303, "{}", answer.text());
        Self {
            address,
            cookies: cookies(&answer),
        }
    }

    /// A JSON document; null if there is none.
    pub fn json(&self, path: &str) -> Value {
        let answer = Request::get(path)
            .header("cookie", &self.cookies)
            .send(self.address)
            .expect("an answer");
        if answer.status == 200 {
            answer.json().expect("JSON")
        } else {
            Value::Null
        }
    }

    /// The dossier of an entity; null if this node has none.
    pub fn dossier(&self, code: &str) -> Value {
        self.json(&format!("/api/v1/entities/uscc:{code}"))
    }

    /// Open refusals that the node lists.
    pub fn open_refusals(&self) -> usize {
        self.json("/api/v1/refusals?state=open")["rows"]
            .as_array()
            .map_or(0, Vec::len)
    }

    /// Looks again and again until it is so.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < PATIENCE,
                "{} never shows: {what}",
                self.address
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The value of a field as the dossier shows it first.
pub fn field(dossier: &Value, label: &str) -> Option<String> {
    let categories = dossier["categories"].as_array()?;
    let topics = categories
        .iter()
        .filter_map(|category| category["topics"].as_array())
        .flatten();
    let mut fields = topics
        .filter_map(|topic| topic["fields"].as_array())
        .flatten();
    let found = fields.find(|field| {
        field["label"]
            .as_str()
            .is_some_and(|l| l.starts_with(label))
    })?;
    found["value"].as_str().map(str::to_owned)
}

fn cookies(answer: &Answer) -> String {
    let set = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<&str> = set
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    pairs.join("; ")
}
