//! Bytes to text, value by value: strict UTF-8 first, else strict GB18030, else the bytes themselves.
//!
//! Legacy columns are mixed, so nothing is decided per column or per file here; and UTF-8 comes first, because the
//! UTF-8 bytes of two Chinese characters are often valid GB18030, too.

use encoding_rs::GB18030;
use protocol::value::Value;

/// The value that these bytes of text are.
pub fn decode_text(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Empty;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Value::from_text(text);
    }
    match GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) if !text.contains('\0') => Value::Text(text.into_owned()),
        _ => Value::Raw(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_decoded_by_itself() {
        let gb = |s: &str| GB18030.encode(s).0.into_owned();
        let text = |s: &str| Value::Text(s.to_owned());
        let cases: Vec<(Vec<u8>, Value)> = vec![
            (Vec::new(), Value::Empty),
            (b"abc".to_vec(), text("abc")),
            ("张三".into(), text("张三")),
            (gb("张三"), text("张三")),
            ("𠮷野家".into(), text("𠮷野家")),
            (gb("𠮷野家"), text("𠮷野家")),
            (
                gb("上海市黄浦区河南南路824号"),
                text("上海市黄浦区河南南路824号"),
            ),
            (b"a\0b".to_vec(), Value::Raw(b"a\0b".to_vec())),
            (vec![0xC4, 0xE3, 0], Value::Raw(vec![0xC4, 0xE3, 0])),
            (vec![0xFF, 0xFE, 0xFD], Value::Raw(vec![0xFF, 0xFE, 0xFD])),
            // a character cut in the middle
            (vec![0xC4, 0xE3, 0xBA], Value::Raw(vec![0xC4, 0xE3, 0xBA])),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode_text(&bytes), expected, "{bytes:x?}");
        }
    }
}
