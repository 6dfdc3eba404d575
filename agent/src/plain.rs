//! Texts from outside (names of files, titles and words of nodes) as a terminal or page may show them: no control characters
//! and nothing that turns the direction of writing, so that nothing passes for what it is not.

use std::borrow::Cow;

/// The text on one line, each such character as U+FFFD.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(misleads) {
        let shown = text
            .chars()
            .map(|c| if misleads(c) { '\u{fffd}' } else { c });
        return Cow::Owned(shown.collect());
    }
    Cow::Borrowed(text)
}

fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_mislead_a_reader_is_shown_as_such() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("登记库 a.csv：第 3 行", "登记库 a.csv：第 3 行");
        check("\u{1b}[31m红", "\u{fffd}[31m红");
        check(
            "一\n二\r三\t四\0",
            "一\u{fffd}二\u{fffd}三\u{fffd}四\u{fffd}",
        );
        check("gpj\u{202e}.exe", "gpj\u{fffd}.exe");
        check("\u{2066}甲\u{2069}\u{200f}", "\u{fffd}甲\u{fffd}\u{fffd}");
        check("\u{9b}31m\u{7f}", "\u{fffd}31m\u{fffd}");
        check("𠮷👨‍👩", "𠮷👨‍👩");
    }
}
