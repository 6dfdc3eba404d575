//! Arbitrary values of every type that has bytes. Asserts nothing.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::entry::{Author, Cause, Former, FurtherSubject, Head, Hint, Key, Operation, Subject};
use protocol::hash::{Hash, Ref};
use protocol::name::{SeatId, Version};
use protocol::standard_hash::StandardHash;
use protocol::value::{Attachment, CivilDate, CivilTime, Value};

pub fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

pub fn reference() -> impl Strategy<Value = Ref> {
    (1u8..=3, hash()).prop_filter_map("the zero hash names nothing", |(suite, hash)| {
        (hash != Hash::ZERO).then_some(Ref { suite, hash })
    })
}

fn word(max: usize) -> impl Strategy<Value = String> {
    vec(
        prop::sample::select(vec!['a', 'Z', '0', '-', '企', '𠮷']),
        1..=max / 4,
    )
    .prop_map(String::from_iter)
}

fn day() -> impl Strategy<Value = CivilDate> {
    (1i16..=i16::MAX, 1u8..=12, 1u8..=31)
        .prop_filter_map("no such day", |(y, m, d)| CivilDate::new(y, m, d))
}

pub fn value() -> impl Strategy<Value = Value> {
    let time = (day(), 0u8..24, 0u8..60, 0u8..60, 0u32..1_000_000)
        .prop_filter_map("no such time", |(d, h, m, s, u)| {
            CivilTime::new(d, h, m, s, u)
        });
    let size = 1..=protocol::limits::ATTACHMENT_BYTES_MAX;
    let attachment = (size, "[a-z/]{1,40}", word(80), hash())
        .prop_filter_map("no such attachment", |(size, media_type, name, root)| {
            Attachment::new(size, media_type, name, root)
        });
    prop_oneof![
        Just(Value::Null),
        Just(Value::Empty),
        vec(any::<u8>(), 0..40).prop_map(Value::Raw),
        any::<String>().prop_map(Value::from_text),
        any::<i64>().prop_map(Value::Integer),
        "-?[0-9]{1,30}(\\.[0-9]{1,10})?".prop_map(Value::Decimal),
        day().prop_map(Value::Date),
        time.prop_map(Value::Time),
        any::<i64>().prop_map(Value::Instant),
        attachment.prop_map(Value::Attachment),
    ]
}

pub fn fields() -> impl Strategy<Value = Vec<(u16, Value)>> {
    prop::collection::btree_map(any::<u16>(), value(), 1..12)
        .prop_map(|fields| fields.into_iter().collect())
}

pub fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::None),
        Just(Subject::Unidentified),
        identified(),
    ]
}

/// A subject that its text tells whole.
pub fn identified() -> impl Strategy<Value = Subject> {
    prop_oneof![
        word(72).prop_map(Subject::Uscc),
        word(60).prop_map(Subject::RegistrationNumber),
        word(36).prop_map(Subject::OrganisationCode),
        word(512).prop_map(Subject::TaxNumber),
        (1u8..=255, any::<[u8; 32]>()).prop_map(|(key_version, pseudonym)| Subject::Person {
            key_version,
            pseudonym
        }),
    ]
}

pub fn hint() -> impl Strategy<Value = Hint> {
    prop_oneof![
        Just(Hint::Unknown),
        "[0-9]{6}".prop_map(Hint::Division),
        "[0-9]{9}".prop_map(Hint::Division),
        "[a-z0-9][a-z0-9-]{0,63}".prop_map(Hint::Region),
        prop::collection::btree_set(any::<[u8; 16]>(), 1..=16)
            .prop_map(|seats| Hint::Seats(seats.into_iter().map(SeatId).collect())),
        Just(Hint::CityWide),
    ]
}

pub fn key() -> impl Strategy<Value = Key> {
    (vec(value(), 0..4), option::of(any::<[u8; 32]>())).prop_map(|(values, secret)| match secret {
        Some(secret) => Key::personal(&values, &secret),
        None => Key::columns(&values),
    })
}

pub fn version() -> impl Strategy<Value = Version> {
    (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(|(epoch, sequence, index)| Version {
        epoch,
        sequence,
        index,
    })
}

pub fn head() -> impl Strategy<Value = Head> {
    let operation = prop_oneof![
        Just(Operation::State),
        Just(Operation::Retract),
        any::<u64>().prop_map(|count| Operation::Restated { count }),
    ];
    let further =
        (word(64), identified()).prop_map(|(role, subject)| FurtherSubject { role, subject });
    let was = (option::of(subject()), option::of(hint()))
        .prop_map(|(subject, hint)| Former { subject, hint });
    let author =
        ("[0-9]{6}\\.[a-z0-9]{2,16}", word(32)).prop_map(|(organisation, person)| Author {
            organisation,
            person,
        });
    let cause = (any::<u8>(), reference()).prop_map(|(kind, reference)| Cause { kind, reference });
    let standard = (word(64), any::<u16>(), any::<[u8; 16]>());
    let names = (hint(), word(64), key(), standard);
    let what = (operation, any::<u32>(), subject(), vec(further, 0..=8), was);
    let rest = (
        option::of(day()),
        option::of(author),
        vec(cause, 0..=4),
        option::of(version()),
    );
    (names, what, rest).prop_map(|(names, what, rest)| {
        let (hint, record_type, key, (standard, standard_version, hash)) = names;
        let (operation, generation, subject, further, mut was) = what;
        let (event_date, author, cause, base) = rest;
        let key = match operation {
            Operation::Restated { .. } => Key::marker(),
            _ => key,
        };
        was.subject = was.subject.filter(|former| *former != subject);
        Head {
            hint,
            record_type,
            key,
            standard,
            standard_version,
            standard_hash: StandardHash(hash),
            operation,
            generation,
            subject,
            further,
            was,
            event_date,
            author,
            cause,
            base,
        }
    })
}

/// A leaf salt and sections: the head and up to fifteen others of arbitrary bytes.
pub fn sections() -> impl Strategy<Value = ([u8; 16], Vec<(u8, Vec<u8>)>)> {
    let others = prop::collection::btree_map(1u8..16, vec(any::<u8>(), 0..60), 0..=15);
    (any::<[u8; 16]>(), head(), others).prop_map(|(salt, head, others)| {
        let head = (0, crate::sample::head_bytes(&head));
        (salt, std::iter::once(head).chain(others).collect())
    })
}
