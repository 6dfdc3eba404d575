//! Regions and organisation codes: the two kinds of short texts by which places and bodies are named between parties.
//!
//! A region is a division of GB/T 2260 with six digits, one of nine digits below it (a town), or an id of the city's own. An
//! organisation code is `region.line`. Texts are compared bytewise; nothing is normalised.

use crate::bytes::{Malformed, Reader};
use crate::limits;

/// Whether the text is a division: six or nine ASCII digits.
pub fn is_division(text: &str) -> bool {
    matches!(text.len(), 6 | 9) && text.bytes().all(|c| c.is_ascii_digit())
}

/// Whether the text is a region's own id: 1 to 64 of `a-z`, `0-9` and `-`, the first no `-`. `*` is none.
pub fn is_own_region(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= limits::NAME_BYTES_MAX
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|c| word(c) || c == b'-')
}

/// Whether the text names a region, of whichever form.
pub fn is_region(text: &str) -> bool {
    // a division has the form of an own id, too
    is_own_region(text)
}

/// Whether `inner` is `outer`, or a town inside it: nine digits that begin with its six.
pub fn is_within(inner: &str, outer: &str) -> bool {
    let town = is_division(inner)
        && is_division(outer)
        && outer.len() < inner.len()
        && inner.starts_with(outer);
    inner == outer || town
}

/// Whether the text is an organisation code: a region, a dot, a line of 2 to 16 of `a-z` and `0-9`.
pub fn is_organisation(text: &str) -> bool {
    organisation_parts(text).is_some()
}

/// Region and line of an organisation code; `None` if the text is none.
pub fn organisation_parts(text: &str) -> Option<(&str, &str)> {
    let (region, line) = text.split_once('.')?;
    let fits = (2..=16).contains(&line.len())
        && line
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (fits && is_region(region)).then_some((region, line))
}

/// Reads a region after a one-byte length.
pub fn read_region<'a>(r: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let text = r.short_text()?;
    is_region(text).then_some(text).ok_or(r.malformed())
}

/// Reads an organisation code after a one-byte length.
pub fn read_organisation<'a>(r: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let text = r.short_text()?;
    is_organisation(text).then_some(text).ok_or(r.malformed())
}

/// Reads a name (record type, standard, role): text of 1 to 64 bytes after a one-byte length.
pub fn read_name<'a>(r: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let text = r.short_text()?;
    let fits = !text.is_empty() && text.len() <= limits::NAME_BYTES_MAX;
    fits.then_some(text).ok_or(r.malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, division: bool, region: bool, organisation: bool) {
        assert_eq!(is_division(text), division, "{text} as division");
        assert_eq!(is_region(text), region, "{text} as region");
        assert_eq!(
            is_organisation(text),
            organisation,
            "{text} as organisation"
        );
    }

    #[test]
    fn regions_and_organisations() {
        check("370102", true, true, false);
        check("370102001", true, true, false);
        check("37010", false, true, false);
        check("37010200", false, true, false);
        check("3701020011", false, true, false);
        check("37010a", false, true, false);
        check("３７０１", false, false, false);
        check("pilot-zone", false, true, false);
        check("pilot-", false, true, false);
        check("-pilot", false, false, false);
        check("Pilot", false, false, false);
        check("pilot_zone", false, false, false);
        check("*", false, false, false);
        check("", false, false, false);
        check(&"a".repeat(64), false, true, false);
        check(&"a".repeat(65), false, false, false);
        check("370102.scjg", false, false, true);
        check("370102001.scjg", false, false, true);
        check("pilot-zone.a1", false, false, true);
        check("370102.s", false, false, false);
        check(&format!("370102.{}", "s".repeat(16)), false, false, true);
        check(&format!("370102.{}", "s".repeat(17)), false, false, false);
        check("370102.", false, false, false);
        check(".scjg", false, false, false);
        check("370102.SCJG", false, false, false);
        check("370102.sc-jg", false, false, false);
        check("370102.scjg.a1", false, false, false);
        check("*.scjg", false, false, false);
        let longest = format!("{}.{}", "a".repeat(64), "s".repeat(16));
        assert_eq!(longest.len(), limits::ORGANISATION_BYTES_MAX);
        check(&longest, false, false, true);
        assert_eq!(organisation_parts("370102.scjg"), Some(("370102", "scjg")));
    }

    #[test]
    fn a_town_lies_in_its_division() {
        for (inner, outer, within) in [
            ("370102", "370102", true),
            ("pilot", "pilot", true),
            ("370102001", "370102", true),
            ("370102", "370102001", false),
            ("370103001", "370102", false),
            ("pilot-east", "pilot", false),
            ("370102001", "3701020", false),
            ("37010200a", "370102", false),
        ] {
            assert_eq!(is_within(inner, outer), within, "{inner} in {outer}");
        }
    }

    #[test]
    fn they_are_read_after_their_length() {
        let read = |text: &str| {
            let mut bytes = vec![text.len() as u8];
            bytes.extend_from_slice(text.as_bytes());
            let fits = |read: for<'a> fn(&mut Reader<'a>) -> Result<&'a str, Malformed>| {
                read(&mut Reader::new(&bytes, "test"))
                    .ok()
                    .map(str::to_owned)
            };
            (fits(read_name), fits(read_region), fits(read_organisation))
        };
        let all = |name: bool, region: bool, organisation: bool, text: &str| {
            let some = |there: bool| there.then(|| text.to_owned());
            assert_eq!(
                read(text),
                (some(name), some(region), some(organisation)),
                "{text}"
            );
        };
        all(true, true, false, "370102");
        all(true, false, true, "370102.scjg");
        all(true, false, false, "市监");
        all(false, false, false, "");
        all(false, false, false, "a\0b");
        all(true, true, false, &"a".repeat(64));
        all(false, false, false, &"a".repeat(65));
    }
}
