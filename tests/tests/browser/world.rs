//! A city node in this process with sources, entities, refusals, a request to join and accounts, and its console served on
//! loopback. What a session would carry is handed over directly.
//! Long because all pages are looked at in one world.

mod source;

use std::net::SocketAddr;
use std::path::Path;

use console::{ConsoleOptions, Site};
use node::command::account::{NewAccount, Role};
use node::command::actor::Actor;
use node::intake::{Arrival, Peer};
use node::node::Parts;
use node::{Node, Tier};
use protocol::directory::Directory;
use protocol::entry::Key;
use protocol::envelope::Envelope;
use protocol::frame::{Cursor, Item, Token};
use protocol::name::{InstanceId, Position};
use protocol::receipt::Receipt;
use protocol::sign::Sigs;
use protocol::statement::SeatKind;
use protocol::value::Value;
use runtime::door::Clock;
use runtime::link::registry::Links;
use runtime::listener::name::Name;
use runtime::listener::prefix::Prefix;
use runtime::worker::Shutdown;
use store::{
    AuditRow, Decision, Engine, InvitationPut, InvitationRow, OrganisationRow, PeerRow, PeerState,
    RequestPut, RequestRow, Store, StoreConfig,
};
use supervision::division::DivisionTable;
use supervision::judge::Judge;
use supervision::standard::Standards;
use supervision::standard::refusal::refusal_entry;
use tempfile::TempDir;
use tests::http::{Answer, Request};

use source::{Source, Who, identity, key, life, peer, reference, root, seat, today};

/// A department of the city.
const DEPARTMENT: Who<'static> = Who {
    n: 0,
    kind: SeatKind::Department,
    title: "",
    organisation: "",
    region: CITY,
    node: 2,
};
/// Jinan, for the division table has it and it is nobody's demo.
const CITY: &str = "370100";
const HOUR_US: i64 = 3_600_000_000;
const EAST: &str = "370102";
pub const PASSWORD: &str = "a long enough phrase";
pub const BUREAU: &str = "历下区市场监管局";
pub const BUREAU_CODE: &str = "370102.scjg";
pub const TAX: &str = "市税务局";
pub const TAX_CODE: &str = "370100.swj";
/// The entity that two departments state.
pub const CODE: &str = "91110000600037341L";
pub const SUBJECT: &str = "uscc:91110000600037341L";
/// Number of a representative's identity card: for the source and the city.
pub const ID_NUMBER: &str = "370102197001010017";
/// Entities beside it.
pub const OTHERS: usize = 60;
/// A name under which the console is served beside those of this machine.
pub const NAME: &str = "jg.example";
pub const CITY_TITLE: &str = "济南市监管平台";

pub struct World {
    pub node: Node,
    pub address: SocketAddr,
    pub bureau: Source,
    district: Envelope,
    clock: Clock,
    /// Reverse proxies that the console believes.
    pub proxies: Vec<Prefix>,
    site: Option<Site>,
    stop: Option<Shutdown>,
    _folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::build(0).await
    }

    /// The same city, whose district was last in contact an hour ago.
    pub async fn with_silent_district() -> Self {
        Self::build(HOUR_US).await
    }

    async fn build(district_silent_us: i64) -> Self {
        let folder = tests::process::temporary_folder().expect("folder");
        let clock = Clock::system();
        let root = root();
        let mut who = Who {
            n: 2,
            kind: SeatKind::City,
            title: CITY_TITLE,
            organisation: "370100.zx",
            region: CITY,
            node: 2,
        };
        let city = identity(&who, &root, &key(1));
        who = Who {
            n: 3,
            kind: SeatKind::District,
            title: "历下区监管平台",
            organisation: "370102.zx",
            region: EAST,
            node: 3,
        };
        let district = identity(&who, &city, &key(2));
        let node = open(folder.path(), &[root, city.clone()]).await;
        let now = clock.now_us();
        node.publish(std::slice::from_ref(&district), now)
            .await
            .expect("district published");
        let silent = Who {
            n: 6,
            title: "市生态环境局 监测库",
            organisation: "370100.sthj",
            ..DEPARTMENT
        };
        node.publish(&[identity(&silent, &city, &key(2))], now)
            .await
            .expect("source published");
        let of_bureau = Who {
            n: 4,
            title: "历下区市场监管局 登记库",
            organisation: BUREAU_CODE,
            region: EAST,
            node: 3,
            ..DEPARTMENT
        };
        let bureau = Source::new(&of_bureau, &district);
        let of_tax = Who {
            n: 5,
            title: "市税务局 征管库",
            organisation: TAX_CODE,
            ..DEPARTMENT
        };
        let tax = Source::new(&of_tax, &city);
        let mut world = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            node,
            bureau,
            district,
            clock,
            proxies: Vec::new(),
            site: None,
            stop: None,
            _folder: folder,
        };
        world.peers(now, district_silent_us).await;
        world.fill(tax).await;
        world.accounts().await;
        world.serve().await;
        world
    }

    fn now(&self) -> i64 {
        self.clock.now_us()
    }

    /// The district was in contact just now, one department an hour ago; somebody asks to join.
    async fn peers(&self, now: i64, district_silent_us: i64) {
        let row = |who: &Who<'_>, last_contact_us: i64| PeerRow {
            seat: seat(who.n),
            kind: who.kind as u8,
            title: who.title.to_owned(),
            organisation: who.organisation.to_owned(),
            jurisdiction: who.region.to_owned(),
            tls_key: [who.n; 32],
            state: PeerState::Approved,
            reason: String::new(),
            fingerprint: who.keys().fingerprint().to_string(),
            by: "王芳".to_owned(),
            at_us: now,
            last_contact_us,
        };
        let district = Who {
            n: 3,
            kind: SeatKind::District,
            title: "历下区监管平台",
            organisation: "370102.zx",
            region: EAST,
            node: 3,
        };
        let tax = Who {
            n: 5,
            title: "市税务局 征管库",
            organisation: TAX_CODE,
            ..DEPARTMENT
        };
        let silent = Who {
            n: 6,
            title: "市生态环境局 监测库",
            organisation: "370100.sthj",
            ..DEPARTMENT
        };
        let store = self.node.store();
        for row in [
            row(&district, now - district_silent_us),
            row(&tax, now),
            row(&silent, now - HOUR_US),
        ] {
            let put = store.peer_put(&row, &AuditRow::default()).await;
            put.expect("peer");
        }
        self.request(now).await;
    }

    /// Somebody asks to join with a code that was issued here.
    async fn request(&self, now: i64) {
        let store = self.node.store();
        let who = Who {
            n: 9,
            title: "市城管局 执法系统",
            organisation: "370100.cgj",
            ..DEPARTMENT
        };
        let invitation = InvitationRow {
            secret_hash: [9; 32],
            seat: seat(who.n),
            kind: who.kind as u8,
            organisation: who.organisation.to_owned(),
            title: who.title.to_owned(),
            jurisdiction: CITY.to_owned(),
            node: seat(who.node),
            renews: false,
            types: vec!["registration".to_owned()],
            preapproved: false,
            reason: String::new(),
            expires_at_us: now + HOUR_US,
            by: "王芳".to_owned(),
            at_us: now,
            revoked: None,
            request: None,
            others: None,
        };
        let organisation = OrganisationRow {
            code: who.organisation.to_owned(),
            title: "市城管局".to_owned(),
            by: "王芳".to_owned(),
            at_us: now,
        };
        let act = AuditRow::default();
        let issued = store.invitation_put(&invitation, &organisation, &act).await;
        assert_eq!(issued.expect("invitation"), InvitationPut::Issued);
        let (mut keys, mut possession, mut consent) = (Vec::new(), Vec::new(), Vec::new());
        who.keys().put(&mut keys);
        who.possession().put(&mut possession);
        Sigs::default().put(&mut consent);
        let request = RequestRow {
            key_hash: who.keys().fingerprint().0,
            keys,
            possession,
            consent,
            title: String::new(),
            types: Vec::new(),
            tls_key: [9; 32],
            address: "127.0.0.1:1".to_owned(),
            at_us: now,
            decision: Decision::Pending,
            by: String::new(),
            reason: String::new(),
            decided_at_us: 0,
        };
        let asked = store
            .request_put([9; 32], &request, &act, &act, now)
            .await
            .expect("request");
        assert_eq!(asked.0, RequestPut::Bound);
    }

    async fn fill(&mut self, mut tax: Source) {
        let main = [
            ("entity_id", "0001"),
            ("uscc", CODE),
            ("reg_no", "370102000000017"),
            ("name", "远东𠮷祥餐饮管理有限公司"),
            ("former_names", "泉城小吃店"),
            ("legal_rep", "李建国"),
            ("capital", "50"),
            ("est_date", "2018-07-27"),
            (
                "scope",
                "餐饮管理，食品销售，酒店管理，会务服务。【依法须经批准的项目，经相关部门批准后方可开展经营活动】",
            ),
            ("address", "济南市历下区泉城路 1 号 <b>二层</b> & 三层"),
            ("state", "存续"),
            ("id_no", ID_NUMBER),
            ("area", "历下区"),
        ];
        let mut drafts = vec![self.bureau.draft(self.bureau.map(&main).expect("accepted"))];
        for n in 0..OTHERS {
            let (id, name) = (format!("1{n:03}"), format!("远东第{n}连锁便利店"));
            let number = format!("3701020{n:07}");
            let fields = [
                ("entity_id", id.as_str()),
                ("reg_no", &number),
                ("name", &name),
                ("area", "历下区"),
            ];
            match self.bureau.map(&fields) {
                Ok(entry) => drafts.push(self.bureau.draft(entry)),
                // a 14-digit number with a wrong check digit is refused at the source: not what is wanted here
                Err(_) => {
                    let code = [
                        ("entity_id", id.as_str()),
                        ("name", &name),
                        ("org_code", ""),
                        ("area", "历下区"),
                    ];
                    if let Ok(entry) = self.bureau.map(&code) {
                        drafts.push(self.bureau.draft(entry));
                    }
                }
            }
        }
        for (id, code) in [
            ("2001", "91110000600037341X"),
            ("2002", "123"),
            ("2003", ""),
        ] {
            let fields = [
                ("entity_id", id),
                ("uscc", code),
                ("name", if code.is_empty() { "" } else { "某公司" }),
            ];
            let refused = self.bureau.map(&fields).expect_err("refused");
            let key = Key::columns(&[Value::from_text(id)]);
            let entry = refusal_entry(&Standards::builtin(), &refused, &key, &today());
            drafts.push(self.bureau.draft(entry));
        }
        let bureau = self.bureau.directory();
        let district = self.through_district();
        self.take(&district, bureau, 0).await;
        let batch = self.bureau.batch(&drafts, self.clock.now_ms());
        self.take(&district, vec![batch], 2).await;

        let other = [
            ("uscc", CODE),
            ("name", "远东餐饮有限公司"),
            ("est_date", "2018-07-27"),
            ("legal_rep", "李建国"),
        ];
        let draft = tax.draft(tax.map(&other).expect("accepted"));
        let own = peer(&tax.identity, &[]);
        self.take(&own, tax.directory(), 0).await;
        let batch = tax.batch(&[draft], self.clock.now_ms());
        self.take(&own, vec![batch], 2).await;
        self.settle().await;
        self.receipt().await;
    }

    /// The bureau states one more entity, as if a clerk had typed it just now.
    pub async fn state_another(&mut self, name: &str) {
        let entry = self.bureau.map(&[
            ("entity_id", name),
            ("uscc", "91310115MA1K3BTP2B"),
            ("name", name),
        ]);
        let draft = self.bureau.draft(entry.expect("accepted"));
        let district = self.through_district();
        let batch = self.bureau.batch(&[draft], self.clock.now_ms());
        self.take(&district, vec![batch], 2).await;
        self.settle().await;
    }

    /// The district, which brings what its bureau states.
    fn through_district(&self) -> Peer {
        peer(&self.district, &[])
    }

    async fn take(&self, peer: &Peer, items: Vec<Item>, class: u8) {
        let offset = self.now() as u64;
        let arrival = Arrival::Feed {
            class,
            through: Cursor {
                offset,
                token: Token([1; 16]),
            },
            interest: 1,
        };
        let items = items.into_iter().map(|item| (offset, item)).collect();
        let taken = self.node.take_in(peer, items, arrival, self.now()).await;
        taken.expect("taken in");
    }

    async fn settle(&self) {
        while self
            .node
            .apply_step(self.now())
            .await
            .expect("apply")
            .is_some()
        {}
        while self
            .node
            .fold_step(self.now())
            .await
            .expect("fold")
            .is_some()
        {}
    }

    /// The city's own receipts, and one that the district has signed.
    async fn receipt(&self) {
        while self
            .node
            .write_receipts(self.now())
            .await
            .expect("receipts")
            .is_some()
        {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        let position = Position {
            sequence: self.bureau.log.sequence,
            header: self.bureau.log.last,
        };
        let receipt = Receipt {
            holder: seat(3),
            identity: reference(&self.district),
            incarnation: life(3),
            log: self.bureau.log.log,
            durable: position,
            attached: position,
            safeguarded: position,
            at: self.now(),
        };
        let bytes = receipt.sign(&key(3)).to_bytes();
        let taken = self.node.take_receipts(&seat(3), vec![bytes]).await;
        assert_eq!(taken.expect("receipt"), 0, "none is ignored");
    }

    async fn accounts(&self) {
        let all = [
            ("admin", "王芳", Role::Administrator),
            ("clerk", "李明", Role::Clerk),
            ("taxman", "赵强", Role::Department(TAX_CODE.to_owned())),
        ];
        for (account, name, role) in all {
            self.account(account, name, role).await;
        }
    }

    async fn account(&self, account: &str, name: &str, role: Role) {
        let new = NewAccount {
            account,
            name,
            role,
            password: PASSWORD,
            salt: [1; 16],
        };
        let actor = Actor::stranger("test", "");
        let put = self.node.put_account(&new, &actor, self.now()).await;
        put.expect("account");
    }

    async fn serve(&mut self) {
        let gate = console::listen(self.address, None, &[])
            .await
            .expect("a free port");
        self.address = gate.address();
        let options = ConsoleOptions {
            clock: self.clock.clone(),
            links: Links::new(),
            names: vec![Name::parse(NAME).expect("a name")],
            trusted_proxies: self.proxies.clone(),
            device_key: [9; 32],
        };
        self.site = Some(Site::new(self.node.clone(), options));
        let router = self.site().router();
        let stop = Shutdown::new();
        self.stop = Some(stop.clone());
        tokio::spawn(console::serve(gate, router, stop));
    }

    /// The console that serves.
    pub fn site(&self) -> &Site {
        self.site.as_ref().expect("serving")
    }

    /// The console as after a restart: what it kept in memory is gone, the store is what it was.
    pub async fn restart_serving(&mut self) {
        self.stop_serving();
        self.address = SocketAddr::from(([127, 0, 0, 1], 0));
        self.serve().await;
    }

    /// The console stops answering.
    pub fn stop_serving(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.begin();
        }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks beside the runtime that serves.
    pub async fn ask(&self, request: Request) -> Answer {
        let address = self.address;
        let asked = tokio::task::spawn_blocking(move || request.send(address)).await;
        asked.expect("asked").expect("answered")
    }

    /// Signs in over plain HTTP; gives the cookie to send along.
    pub async fn sign_in(&self, account: &str) -> String {
        let answer = self.try_sign_in(account, PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        cookie(&answer)
    }

    pub async fn try_sign_in(&self, account: &str, password: &str) -> Answer {
        self.try_sign_in_from(account, password, "", None).await
    }

    /// The same from a browser that has these cookies, behind a proxy that says for whom it asks.
    pub async fn try_sign_in_from(
        &self,
        account: &str,
        password: &str,
        cookies: &str,
        client: Option<&str>,
    ) -> Answer {
        let form = self.ask(Request::get("/sign-in")).await;
        let token = hidden(&form.text(), "csrf");
        let fields = [
            ("csrf", token.as_str()),
            ("account", account),
            ("password", password),
            ("next", "/"),
        ];
        let cookies = [&cookie(&form), cookies].join("; ");
        let mut request = Request::post_form("/sign-in", &fields).header("cookie", &cookies);
        if let Some(client) = client {
            request = request.header("x-forwarded-for", client);
        }
        self.ask(request).await
    }

    /// A page as the account of this cookie sees it.
    pub async fn get(&self, cookie: &str, path: &str) -> Answer {
        self.ask(Request::get(path).header("cookie", cookie)).await
    }
}

async fn open(folder: &Path, chain: &[Envelope]) -> Node {
    let mut directory = Directory::trusting(&chain[0], &chain[0].hash().0).expect("root");
    directory.admit(&chain[1]).expect("city");
    let engine = Engine::Sqlite {
        folder: folder.to_owned(),
        cache_mib: 16,
    };
    let store = Store::open(&StoreConfig { engine }).await.expect("store");
    let table = DivisionTable::builtin();
    let city = table.city(CITY).expect("city");
    let standards = Standards::builtin();
    let node = Node::open(Parts {
        store,
        tier: Tier::City,
        seat: seat(2),
        key: key(2),
        directory,
        instance: InstanceId([2; 16]),
        incarnation: life(2),
        judge: Judge::new(standards.clone(), table, city.clone()),
        city,
        standards,
        links: Links::new(),
        chain: chain.to_vec(),
    })
    .await
    .expect("node");
    node.publish(&chain[1..], 1).await.expect("chain published");
    node
}

/// The cookies that an answer sets, as a request sends them.
pub fn cookie(answer: &Answer) -> String {
    let set = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<&str> = set
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    pairs.join("; ")
}

/// The value of a form's hidden field.
pub fn hidden(html: &str, name: &str) -> String {
    let start = html
        .find(&format!("name=\"{name}\" value=\""))
        .expect("the field")
        + name.len()
        + 15;
    html[start..]
        .split('"')
        .next()
        .unwrap_or_default()
        .to_owned()
}
