//! Cases of what counts: statements in the order in which they come, what becomes of each, and questions with their answers.
//! The answers are the library's.

use std::collections::BTreeMap;

use protocol::blame::Unread;
use protocol::directory::{
    Directory, HeaderStanding, Missing, OpeningStanding, Refusal, StatementFault,
};
use protocol::envelope::Envelope;
use protocol::hash::Ref;
use protocol::name::SeatId;

use crate::json::{Json, hex, list, object, text};

/// A directory with names for what it has been told.
#[derive(Clone)]
pub struct Scene {
    what: &'static str,
    pub directory: Directory,
    seats: Vec<(&'static str, SeatId)>,
    names: BTreeMap<Ref, String>,
    steps: Vec<Json>,
}

/// The statements that all cases of a file begin with.
pub struct Base {
    pub scene: Scene,
    told: Json,
}

impl Base {
    /// Root version first. `seats` are named as the statements about them, or are strangers.
    pub fn of(seats: &[(&'static str, SeatId)], statements: &[(&str, &Envelope)]) -> Self {
        let (_, root) = statements[0];
        let reference = root.reference().expect("of suite 1");
        let directory = Directory::trusting(root, &reference.hash.0[..20]).expect("signed");
        let mut scene = Scene {
            what: "",
            directory,
            seats: seats.to_vec(),
            names: BTreeMap::new(),
            steps: Vec::new(),
        };
        for (name, envelope) in statements {
            scene.say(name, envelope);
        }
        let told = Json::List(std::mem::take(&mut scene.steps));
        Self { scene, told }
    }

    pub fn case(&self, what: &'static str) -> Scene {
        Scene {
            what,
            ..self.scene.clone()
        }
    }

    /// The file: seats, base, cases.
    pub fn file(self, cases: Vec<Scene>) -> Json {
        let of_base: Vec<SeatId> = self
            .scene
            .directory
            .identities()
            .map(|i| i.identity().seat)
            .collect();
        let seat = |(name, seat): &(&str, SeatId)| {
            // a stranger's seat can be checked against nothing
            let member = if of_base.contains(seat) {
                "seat"
            } else {
                "seat_text"
            };
            object([("name", text(*name)), (member, text(seat.to_string()))])
        };
        Json::Object(vec![
            ("seats", list(&self.scene.seats, seat)),
            ("base", self.told),
            (
                "cases",
                Json::List(cases.into_iter().map(Scene::shown).collect()),
            ),
        ])
    }
}

impl Scene {
    fn shown(self) -> Json {
        object([("what", text(self.what)), ("steps", Json::List(self.steps))])
    }

    pub fn seat(&self, seat: &SeatId) -> &'static str {
        let found = self.seats.iter().find(|(_, s)| s == seat);
        found.unwrap_or_else(|| panic!("seat {seat} has no name")).0
    }

    pub fn name(&self, reference: &Ref) -> String {
        match self.names.get(reference) {
            Some(name) => name.clone(),
            None => "none".into(),
        }
    }

    fn or_none(&self, reference: Option<Ref>) -> Json {
        text(reference.map_or("none".into(), |r| self.name(&r)))
    }

    /// Tells the directory a statement; gives what became of it.
    pub fn say(&mut self, name: &str, envelope: &Envelope) -> String {
        let admitted = self.directory.admit(envelope);
        let kept = admitted.as_ref().ok().map(|a| a.envelope.clone());
        let answer = match admitted {
            Ok(a) if a.known => "known".into(),
            Ok(_) => "taken up".into(),
            Err(fault) => self.fault(&fault),
        };
        let judged = ["taken up", "known", "origin", "kept"];
        let judged = judged.iter().any(|word| answer.starts_with(word))
            && envelope.signatures.iter().all(|s| s.suite == 1)
            && kept.as_ref().is_none_or(|kept| kept == envelope);
        let member = if judged {
            "envelope"
        } else {
            "unjudged_envelope"
        };
        let mut members = vec![("say", text(name)), (member, hex(envelope.to_bytes()))];
        if let Some(reference) = envelope.reference() {
            members.push(("reference", hex(reference.to_bytes())));
            if answer == "taken up" {
                self.names.insert(reference, name.to_owned());
            }
            self.names
                .entry(reference)
                .or_insert_with(|| name.to_owned());
        }
        members.push(("answer", text(&answer)));
        if let Some(kept) = kept.filter(|kept| kept != envelope) {
            members.push(("kept", hex(kept.to_bytes())));
        }
        self.steps.push(Json::Object(members));
        answer
    }

    fn fault(&self, fault: &StatementFault) -> String {
        match fault {
            StatementFault::Malformed(_) => "relay: malformed".into(),
            StatementFault::SignedMalformed(_) => "origin: malformed".into(),
            StatementFault::NotAStatement(_) => "relay: kind".into(),
            StatementFault::BadSignature => "relay: signature".into(),
            StatementFault::OverQuota(_) => "nobody: quota".into(),
            StatementFault::NotPermitted(refusal) => format!("origin: {}", word(*refusal)),
            StatementFault::Unknown(missing) => format!("waits: {}", self.missing(*missing)),
            StatementFault::Unread(unread) => self.unread(*unread),
        }
    }

    fn missing(&self, missing: Missing) -> String {
        match missing {
            Missing::Statement(reference) => match self.names.get(&reference) {
                Some(name) => format!("statement {name}"),
                None => "statement".into(),
            },
            Missing::Serial(_, serial) => format!("serial {serial}"),
            Missing::Seat(seat) => format!("identity of {}", self.seat(&seat)),
            Missing::LaterOpening(_, counter) => format!("opening after {counter}"),
            Missing::Revocation(_) => "revocation".into(),
        }
    }

    pub fn unread(&self, unread: Unread) -> String {
        match unread {
            Unread::Keep(seat) => format!("kept: {}", self.seat(&seat)),
            Unread::Uncheckable => "nobody: cannot be checked".into(),
            Unread::Unsigned => "relay: unread".into(),
        }
    }

    /// A question of any kind.
    pub fn ask(&mut self, ask: &'static str, members: Vec<(&'static str, Json)>, answer: Json) {
        let mut all = vec![("ask", text(ask))];
        all.extend(members);
        all.push(("answer", answer));
        self.steps.push(Json::Object(all));
    }

    /// Who may speak for a seat now, and its newest identity.
    pub fn ask_seat(&mut self, seat: &SeatId) {
        let members = vec![("seat", text(self.seat(seat)))];
        let speaks = self.directory.identity(seat).map(|i| i.reference());
        let answer = self.or_none(speaks);
        self.ask("may speak", members, answer);
        let newest = self.directory.newest_identity(seat).map(|i| i.reference());
        let answer = self.or_none(newest);
        let members = vec![("seat", text(self.seat(seat)))];
        self.ask("newest", members, answer);
    }

    pub fn ask_opening(&mut self, reference: &Ref) {
        let word = opening_word(self.directory.opening_standing(reference));
        let members = vec![("opening", text(self.name(reference)))];
        self.ask("opening", members, text(word));
    }

    pub fn named(&self, reference: Option<Ref>) -> Json {
        self.or_none(reference)
    }
}

pub const fn opening_word(standing: OpeningStanding) -> &'static str {
    match standing {
        OpeningStanding::Stands => "stands",
        OpeningStanding::Unknown => "unknown",
        OpeningStanding::Skips => "skips",
        OpeningStanding::Contested => "contested",
        OpeningStanding::Void => "void",
        OpeningStanding::Revoked => "revoked",
    }
}

pub fn header_word(standing: HeaderStanding) -> String {
    match standing {
        HeaderStanding::Stands => "stands".into(),
        HeaderStanding::Opening(opening) => format!("opening: {}", opening_word(opening)),
        HeaderStanding::Revoked => "revoked".into(),
        HeaderStanding::KeyNoLongerBinds => "key no longer binds".into(),
        HeaderStanding::Void => "void".into(),
        HeaderStanding::IdentityContested => "identity contested".into(),
    }
}

const fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::RootVersion => "root version",
        Refusal::RootAndCity => "root and city",
        Refusal::IssuerDoesNotAdmit => "issuer does not admit",
        Refusal::IssuerKind => "issuer's kind",
        Refusal::Jurisdiction => "jurisdiction",
        Refusal::NotItsNode => "not its node",
        Refusal::NodeIsNone => "node is none",
        Refusal::KindChanged => "kind changed",
        Refusal::AdmittedByAnother => "admitted by another",
        Refusal::Possession => "possession",
        Refusal::Consent => "consent",
        Refusal::ReasonMissing => "reason missing",
        Refusal::ReasonNotCalledFor => "reason not called for",
        Refusal::NotOverThisSeat => "not over this seat",
        Refusal::StandingOfNobody => "standing of nobody",
        Refusal::AnotherSeat => "another seat",
        Refusal::ClosingContradicts => "closing contradicts",
    }
}
