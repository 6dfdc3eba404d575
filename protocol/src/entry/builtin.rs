//! Record types that the platform itself understands (D7): in which lane each travels, who states it, the permanent numbers
//! of its fields.
//!
//! A number is never given another meaning. Class of a feed item = lane of its header.

use crate::name::Lane;

/// Which parties may state a record type at all. What a party is permitted beyond that, its identity and routes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatedBy {
    /// The city.
    City,
    /// The city, and a district for its own.
    CityAndDistricts,
    /// City and districts, whose own word it is.
    Nodes,
    /// Any seat by its identity and routes.
    Seats,
}

/// Lane and author of a record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeRule {
    /// Record type; one that ends with a dot stands for all that begin with it.
    pub record_type: &'static str,
    /// Lane that its entries must travel in.
    pub lane: Lane,
    /// Who may state it.
    pub stated_by: StatedBy,
}

/// A standard: its own text as an entry.
pub const STANDARD: &str = "standard";
/// An organisation with its code.
pub const ORGANISATION: &str = "organisation";
/// A region of the city.
pub const REGION: &str = "region";
/// Which organisation answers for what a reporter states.
pub const ROUTE: &str = "route";
/// Who is authoritative for a record type in a region.
pub const AUTHORITY: &str = "authority";
/// The city person key, sealed to one seat.
pub const PERSON_KEY: &str = "person_key";
/// Which entity a subject is: score, method, person.
pub const LINK: &str = "link";
/// Which district an entity belongs to from when on.
pub const ASSIGNMENT: &str = "assignment";
/// A line of a case's docket.
pub const DOCKET: &str = "docket";
/// Prefix of the types of acts.
pub const ACT_PREFIX: &str = "act.";
/// Reserved.
pub const GRANT: &str = "grant";
/// Reserved.
pub const INTENT: &str = "intent";
/// A record that did not satisfy its standard: key, reason codes and field names, no values (D42).
pub const REFUSAL: &str = "refusal";
/// A seal over rows of the audit.
pub const AUDIT_SEAL: &str = "audit_seal";

const fn rule(record_type: &'static str, lane: Lane, stated_by: StatedBy) -> TypeRule {
    TypeRule {
        record_type,
        lane,
        stated_by,
    }
}

/// The types with a rule of their own. All others are records: lane 2, stated by seats.
pub const TYPES: [TypeRule; 14] = [
    rule(STANDARD, Lane::Directory, StatedBy::CityAndDistricts),
    rule(ORGANISATION, Lane::Directory, StatedBy::CityAndDistricts),
    rule(REGION, Lane::Directory, StatedBy::City),
    rule(ROUTE, Lane::Directory, StatedBy::CityAndDistricts),
    rule(AUTHORITY, Lane::Directory, StatedBy::City),
    rule(PERSON_KEY, Lane::Directory, StatedBy::City),
    rule(LINK, Lane::Cases, StatedBy::Nodes),
    rule(ASSIGNMENT, Lane::Cases, StatedBy::Nodes),
    rule(DOCKET, Lane::Cases, StatedBy::Nodes),
    rule(ACT_PREFIX, Lane::Cases, StatedBy::Nodes),
    rule(GRANT, Lane::Cases, StatedBy::Nodes),
    rule(INTENT, Lane::Cases, StatedBy::Nodes),
    rule(REFUSAL, Lane::Records, StatedBy::Nodes),
    rule(AUDIT_SEAL, Lane::Records, StatedBy::Nodes),
];

/// The rule of a record type.
pub fn rule_of(record_type: &str) -> TypeRule {
    let is = |r: &&TypeRule| match r.record_type.ends_with('.') {
        true => record_type.len() > r.record_type.len() && record_type.starts_with(r.record_type),
        false => record_type == r.record_type,
    };
    let records = rule("", Lane::Records, StatedBy::Seats);
    TYPES.iter().find(is).copied().unwrap_or(records)
}

/// The lane of a record type. An entry in another lane's header is refused in interpretation ([`super::reason::LANE`]).
pub fn lane_of(record_type: &str) -> Lane {
    rule_of(record_type).lane
}

macro_rules! fields {
    ($(#[$doc:meta])* $module:ident { $($(#[$field:meta])* $name:ident = $number:literal,)* }) => {
        $(#[$doc])*
        pub mod $module {
            $($(#[$field])* pub const $name: u16 = $number;)*
        }
    };
}

fields! {
    /// Fields of `standard`; section 1, key columns name and version.
    standard {
        /// Name.
        NAME = 1,
        /// Version.
        VERSION = 2,
        /// `record`, `case`, `codes`, `catalogue`, `calendar` or `divisions`.
        KIND = 3,
        /// The standard's text, at most 200 KB.
        TEXT = 4,
        /// From when it is in force.
        EFFECTIVE_FROM = 5,
        /// Until when its predecessor still is.
        PREDECESSOR_UNTIL = 6,
        /// Standard hash, 32 hexadecimal digits; of records only.
        HASH = 7,
    }
}

fields! {
    /// Fields of `organisation`; section 1, 12 and 13 in section 2; key column code.
    organisation {
        /// Organisation code.
        CODE = 1,
        /// Name.
        NAME = 2,
        /// Short name.
        SHORT_NAME = 3,
        /// Line.
        LINE = 4,
        /// 1 city, 2 district, 3 town.
        TIER = 5,
        /// Region.
        REGION = 6,
        /// Seat of its node, hexadecimal.
        NODE = 7,
        /// Code of the organisation above it.
        PARENT = 8,
        /// From when.
        FROM = 9,
        /// Until when.
        TO = 10,
        /// Codes of its successors, separated by spaces.
        SUCCESSORS = 11,
        /// Person number of its head.
        HEAD = 12,
        /// Office.
        OFFICE = 13,
    }
}

fields! {
    /// Fields of `region`; section 1, key columns id and from.
    region {
        /// Region.
        ID = 1,
        /// Name.
        NAME = 2,
        /// From when.
        FROM = 3,
        /// Until when.
        TO = 4,
        /// Region above it.
        PARENT = 5,
        /// Towns of nine digits, separated by spaces.
        TOWNS = 6,
        /// Its successors, separated by spaces.
        SUCCESSORS = 7,
        /// Divisions under which its registrations are numbered, separated by spaces.
        REGISTRY_CODES = 8,
    }
}

fields! {
    /// Fields of `route`; section 2, key columns who, record type, from.
    route {
        /// Seat (hexadecimal) or organisation code that states.
        WHO = 1,
        /// Record type.
        RECORD_TYPE = 2,
        /// From when.
        FROM = 3,
        /// Organisation that answers for it.
        ORGANISATION = 4,
        /// Reporter (报送单位), if it is another.
        REPORTER = 5,
        /// `hall`, `city`, `direct` or `form`.
        WAY = 6,
        /// Until when.
        TO = 7,
        /// Date of going live.
        GO_LIVE = 8,
        /// Whether people query it themselves: 0 or 1.
        SELF_QUERY = 9,
    }
}

fields! {
    /// Fields of `authority`; section 2, key columns record type, region, from.
    authority {
        /// Record type.
        RECORD_TYPE = 1,
        /// Region.
        REGION = 2,
        /// From when.
        FROM = 3,
        /// Organisation code or seat (hexadecimal).
        BY = 4,
        /// Until when.
        TO = 5,
        /// 1 is asked first.
        RANK = 6,
    }
}

fields! {
    /// Fields of `person_key`; section 14, key columns version and seat, hint: that seat.
    person_key {
        /// Version of the key.
        VERSION = 1,
        /// Seat that it is sealed to, hexadecimal.
        SEAT = 2,
        /// Raw: ephemeral X25519 key and sealed key.
        SEALED = 3,
        /// From when.
        FROM = 4,
    }
}

fields! {
    /// Fields of `assignment`; section 2, key columns entity and from.
    assignment {
        /// Subject's text.
        ENTITY = 1,
        /// Region that it belongs to.
        REGION = 2,
        /// From when.
        EFFECTIVE_FROM = 3,
        /// `rule` or `person`.
        METHOD = 4,
        /// How sure, in thousandths.
        SCORE = 5,
        /// For people.
        REASON = 6,
        /// Region that the rule had concluded: the assignment is void where the rule says another (D120).
        ANSWERED = 7,
    }
}

fields! {
    /// Fields of `link`; section 2, key columns source and entity.
    link {
        /// Subject's text of what is linked; may be `own:…`.
        SOURCE = 1,
        /// Subject's text of the entity that it is.
        ENTITY = 2,
        /// `rule` or `person`.
        METHOD = 3,
        /// How sure, in thousandths.
        SCORE = 4,
        /// From when.
        EFFECTIVE_FROM = 5,
        /// For people.
        REASON = 6,
    }
}

fields! {
    /// Fields of `refusal`; section 3, key columns record type and key in hexadecimal.
    refusal {
        /// Record type of the refused record.
        RECORD_TYPE = 1,
        /// Its key, hexadecimal.
        KEY = 2,
        /// Its key as people read it; absent if the key is an HMAC or a value was masked.
        KEY_TEXT = 3,
        /// Reason codes, separated by spaces.
        REASONS = 4,
        /// Names of the fields concerned, separated by spaces.
        FIELDS = 5,
        /// Standard that it was held against.
        STANDARD = 6,
        /// Version of that standard.
        STANDARD_VERSION = 7,
        /// When it was found.
        FOUND_ON = 8,
    }
}

fields! {
    /// Fields of `docket`; section 2, key columns case, n, term, epoch (D98).
    docket {
        /// Case id, 64 hexadecimal digits.
        CASE = 1,
        /// Integer, from 1, dense over the whole case.
        N = 2,
        /// Integer.
        TERM = 3,
        /// `open`, `claim`, `accept`, `adopt` and so on.
        ACT = 4,
        /// Act listed: its id.
        LISTED = 5,
        /// `done`, `refused` or `void`.
        VERDICT = 6,
        /// Reason of refusing, as shown.
        REFUSED_FOR = 7,
        /// State after.
        STATE = 8,
        /// Organisation that holds the case.
        HOLDER = 9,
        /// Organisations addressed, separated by spaces.
        ADDRESSEES = 10,
        /// Regions that take part, separated by spaces.
        PARTICIPANTS = 11,
        /// Timers, one per line.
        TIMERS = 12,
        /// Effects, one per line.
        EFFECTS = 13,
        /// Case standard.
        STANDARD = 14,
        /// Integer: version of the case standard.
        STANDARD_VERSION = 15,
        /// Hash of the rules that were applied.
        RULES = 16,
        /// Release that wrote the line.
        RELEASE = 17,
        /// Instant of the home's clock.
        AT = 18,
        /// Next home: seat, hexadecimal.
        NEXT_HOME = 19,
        /// n of the last line adopted.
        ADOPTED = 20,
        /// Number for people.
        NUMBER = 21,
        /// Trigger: record type.
        TRIGGER_TYPE = 22,
        /// Trigger: key, hexadecimal.
        TRIGGER_KEY = 23,
        /// Trigger: origin, hexadecimal.
        TRIGGER_ORIGIN = 24,
        /// Item.
        ITEM = 25,
        /// Trigger: version and date of its image; in no id.
        TRIGGER_IMAGE = 26,
        /// Facts of the trigger: `name=value`, one per line, LF and `\` escaped.
        FACTS = 27,
        /// Organisation that the id names.
        ORGANISATION = 28,
        /// Integer: ordinal that the id names.
        ORDINAL = 29,
        /// Integer: counter of the opening under which the line is sealed.
        EPOCH = 30,
        /// Integer: 1 an entity, 2 a record.
        ABOUT = 31,
    }
}

/// Fields without which a docket line is none.
pub const DOCKET_REQUIRED: [u16; 12] = [
    docket::CASE,
    docket::N,
    docket::TERM,
    docket::ACT,
    docket::VERDICT,
    docket::STATE,
    docket::STANDARD,
    docket::STANDARD_VERSION,
    docket::RULES,
    docket::RELEASE,
    docket::AT,
    docket::EPOCH,
];

fields! {
    /// Fields of acts; key column the act's id, section 1 with the audience of the case standard. 7 to 15 are reserved, the
    /// form begins at 16.
    act {
        /// Case id, 64 hexadecimal digits.
        CASE = 1,
        /// What is done.
        ACT = 2,
        /// n that its author saw.
        N_SEEN = 3,
        /// Term that its author saw.
        TERM_SEEN = 4,
        /// Organisation acted for.
        ORGANISATION = 5,
        /// `n term`, if it was told done before a put-back (D98).
        TOLD_DONE = 6,
        /// First field of the form.
        FORM = 16,
    }
}

fields! {
    /// Fields of `audit_seal`; section 3, key column first.
    audit_seal {
        /// First row.
        FIRST = 1,
        /// Last row.
        LAST = 2,
        /// Number of rows.
        COUNT = 3,
        /// Hash of the last row.
        LAST_HASH = 4,
        /// Hash of the row before the first.
        BEFORE_HASH = 5,
    }
}
