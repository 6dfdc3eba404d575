//! Generated registration files and the legacy databases built from them: every kind of dirt is there, the same seed gives
//! the same bytes, and no row is lost on the way into a database.

use std::collections::HashSet;
use std::path::Path;

use supervision::identifier::registration_number::RegistrationNumber;
use supervision::identifier::uscc::Uscc;
use tests::legacy::generate::{Dirt, generate_registrations, generate_registrations_file};
use tests::legacy::registrations::Registrations;
use tests::legacy::{Legacy, row_id};
use tests::process::temporary_folder;

fn generated(rows: u64, city: &str, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    generate_registrations(rows, city, seed, &mut bytes).expect("the city is known");
    bytes
}

#[test]
fn a_seed_fixes_every_byte() {
    assert_eq!(generated(500, "310000", 7), generated(500, "310000", 7));
    assert_ne!(generated(500, "310000", 7), generated(500, "310000", 8));
    assert!(generate_registrations(1, "990000", 7, Vec::new()).is_err());
}

#[test]
fn files_of_every_city_have_all_kinds_of_dirt() {
    for city in ["310000", "370100", "140200", "210200"] {
        let folder = temporary_folder().expect("a folder");
        let path = folder.path().join("registrations.csv.zst");
        let made = generate_registrations_file(3_000, city, 1, &path).expect("the city is known");
        assert!(made.dirt.len() >= 15, "{city}: {:?}", made.dirt);
        assert_eq!(made.dirt.values().sum::<u64>(), 3_000);
        let rows: Vec<_> = Registrations::open(&path)
            .expect("it opens")
            .map(|row| row.expect("it reads"))
            .collect();
        assert_eq!(rows.len(), 3_000);
        let codes: Vec<_> = rows
            .iter()
            .map(|row| row.code.as_deref().expect("every row has the cell"))
            .collect();
        let valid: Vec<_> = codes
            .iter()
            .filter_map(|code| Uscc::parse(code).ok())
            .collect();
        let count = |kind: Dirt| made.dirt.get(&kind).copied().unwrap_or(0);
        let without =
            count(Dirt::WrongCheck) + count(Dirt::RegistrationNumber) + count(Dirt::CodeNothing);
        assert_eq!(valid.len() as u64, 3_000 - without, "{city}");
        assert!(valid.iter().all(Uscc::inner_check_fits), "{city}");
        assert_eq!(
            valid.iter().collect::<HashSet<_>>().len(),
            valid.len(),
            "{city}: codes repeat"
        );
        let numbers = codes
            .iter()
            .filter(|code| RegistrationNumber::parse(code).is_ok())
            .count();
        assert_eq!(numbers as u64, count(Dirt::RegistrationNumber), "{city}");
        let lower = codes
            .iter()
            .filter(|code| code.bytes().any(|byte| byte.is_ascii_lowercase()))
            .count();
        assert_eq!(lower as u64, count(Dirt::LowerCase), "{city}");
        let long = |text: &str| text.chars().any(|character| character.len_utf8() == 4);
        let long = rows
            .iter()
            .filter(|row| long(row.name.as_deref().unwrap_or_default()))
            .count();
        assert!(long as u64 >= count(Dirt::FourBytes), "{city}");
    }
}

#[test]
fn unreadable_files_are_told_by_name() {
    let folder = temporary_folder().expect("a folder");
    let check = |content: &[u8], expected: &str| {
        let path = folder.path().join("file.csv");
        std::fs::write(&path, content).expect("written");
        let rows = Registrations::open(&path).and_then(|rows| rows.collect::<Result<Vec<_>, _>>());
        let message = rows.expect_err("it is unreadable").to_string();
        assert!(
            message.contains("file.csv") && message.contains(expected),
            "{message}"
        );
    };
    check(b"", "企业名称");
    check("企业名称,统一社会信用代码\na,b\n".as_bytes(), "注册日期");
    let mut broken = generated(1, "310000", 1);
    broken.extend_from_slice(b"\xff\xfe,2\n");
    check(&broken, "UTF-8");
    assert!(Registrations::open(Path::new("/nowhere/file.csv.zst")).is_err());
}

#[tokio::test]
async fn a_database_holds_every_row_and_clerks_change_it() {
    let folder = temporary_folder().expect("a folder");
    let file = folder.path().join("registrations.csv");
    generate_registrations_file(2_345, "310000", 3, &file).expect("the city is known");
    let path = folder.path().join("legacy.db");
    let mut legacy = Legacy::create(&path).await.expect("made");
    assert_eq!(legacy.import(&file).await.expect("filled"), 2_345);
    let rows: Vec<_> = Registrations::open(&file)
        .expect("it opens")
        .map(|row| row.expect("it reads"))
        .collect();
    for number in [1, 500, 501, 2_345] {
        let id = row_id(number as u64);
        assert_eq!(
            legacy.cell(&id, "TYSHXYDM").await.expect("read"),
            rows[number - 1].code
        );
        assert_eq!(
            legacy.cell(&id, "ZS").await.expect("read"),
            rows[number - 1].address
        );
    }
    let first = legacy.cell(&row_id(1), "GXSJ").await.expect("read");
    assert_eq!(first.as_deref(), Some("2020-01-01 00:00:00"));
    drop(legacy);
    let mut legacy = Legacy::open(&path).await.expect("opened");
    assert!(
        legacy
            .update(&row_id(1), "QYMC", Some("𠮷野"))
            .await
            .expect("changed")
    );
    assert_eq!(
        legacy
            .cell(&row_id(1), "QYMC")
            .await
            .expect("read")
            .as_deref(),
        Some("𠮷野")
    );
    assert_ne!(legacy.cell(&row_id(1), "GXSJ").await.expect("read"), first);
    assert!(legacy.delete(&row_id(2)).await.expect("struck"));
    assert!(!legacy.delete(&row_id(2)).await.expect("gone already"));
    assert_eq!(legacy.count().await.expect("counted"), 2_344);
    assert!(
        legacy
            .update(&row_id(1), "QYMC = 1 --", None)
            .await
            .is_err()
    );
}
