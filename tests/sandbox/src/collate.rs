//! Comparing text as `utf8mb4_unicode_ci` does: without regard to case, accents and trailing
//! blanks, punctuation before digits before letters.
//!
//! What lives here: the sort key of a text and pattern matching on sort keys. What may not:
//! anything about documents. The table of weights covers Latin with its usual letters and
//! punctuation exactly; other scripts are ordered by code point after their case is folded.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// A key whose byte order is the order of the texts.
pub type SortKey = Box<[u8]>;

const CONTROL: &str = "\t\n\u{b}\u{c}\r";
const PUNCTUATION: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
/// What does not count at all.
const IGNORED: u16 = 0;
const SPACE: u16 = 0x0020;
const FIRST_DIGIT: u16 = 0x0200;
const FIRST_LETTER: u16 = 0x0300;
const FIRST_OTHER: u16 = 0x1000;
const FIRST_IDEOGRAPH: u32 = 0xFB40;
/// Every character outside the basic plane weighs the same.
const SUPPLEMENTARY: u16 = 0xFFFD;

fn push_letter(out: &mut Vec<u16>, letter: u8, offset: u16) {
    out.push(FIRST_LETTER + u16::from(letter - b'a') * 4 + offset);
}

fn is_ignored(character: char) -> bool {
    canonical_combining_class(character) >= 10
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{fe00}'..='\u{fe0f}')
        || (character.is_control() && !CONTROL.contains(character))
}

fn push_weights(character: char, out: &mut Vec<u16>) {
    if is_ignored(character) {
        return;
    }
    let code = u32::from(character);
    if code > 0xFFFF {
        out.push(SUPPLEMENTARY);
        return;
    }
    if let Some(at) = CONTROL.find(character) {
        out.push(u16::try_from(at).unwrap_or(0) + 1);
        return;
    }
    if let Some(at) = PUNCTUATION.find(character) {
        out.push(SPACE + u16::try_from(at).unwrap_or(0));
        return;
    }
    if let Some(digit) = character.to_digit(10) {
        out.push(FIRST_DIGIT + u16::try_from(digit).unwrap_or(0));
        return;
    }
    for folded in character.to_lowercase() {
        match folded {
            'a'..='z' => push_letter(out, u8::try_from(folded).unwrap_or(b'a'), 0),
            'ß' => {
                push_letter(out, b's', 0);
                push_letter(out, b's', 0);
            }
            'æ' => {
                push_letter(out, b'a', 0);
                push_letter(out, b'e', 0);
            }
            'œ' => {
                push_letter(out, b'o', 0);
                push_letter(out, b'e', 0);
            }
            'ð' | 'đ' => push_letter(out, b'd', 1),
            'ø' => push_letter(out, b'o', 1),
            'ł' => push_letter(out, b'l', 1),
            'þ' => push_letter(out, b'z', 2),
            'ı' => push_letter(out, b'i', 1),
            other if is_ignored(other) => {}
            '\u{3400}'..='\u{9fff}' => {
                let code = u32::from(folded);
                out.push(u16::try_from(FIRST_IDEOGRAPH + (code >> 15)).unwrap_or(SUPPLEMENTARY));
                out.push(u16::try_from((code & 0x7FFF) | 0x8000).unwrap_or(SUPPLEMENTARY));
            }
            'ァ'..='ヶ' => push_other(u32::from(folded) - 0x60, out),
            other => push_other(u32::from(other), out),
        }
    }
}

/// The weight of every character of ASCII: each has one at most.
static ASCII: LazyLock<[u16; 128]> = LazyLock::new(|| {
    let mut weight = Vec::with_capacity(1);
    std::array::from_fn(|code| {
        weight.clear();
        push_weights(u8::try_from(code).map_or('\0', char::from), &mut weight);
        weight.first().copied().unwrap_or(IGNORED)
    })
});

fn push_other(code: u32, out: &mut Vec<u16>) {
    // Symbols of the Latin-1 block stand before the letters, everything else after them.
    if code < 0xC0 {
        out.push(0x0100 + u16::try_from(code).unwrap_or(0));
    } else {
        out.push(FIRST_OTHER.saturating_add(u16::try_from(code.min(0xE000)).unwrap_or(0)));
    }
}

fn weights(text: &str) -> Vec<u16> {
    let mut out = Vec::with_capacity(text.len() + 1);
    if text.is_ascii() {
        let weighs = |byte: u8| ASCII.get(usize::from(byte)).copied();
        out.extend(text.bytes().filter_map(weighs).filter(|weight| *weight != IGNORED));
    } else {
        for character in text.nfkd() {
            push_weights(character, &mut out);
        }
    }
    out
}

/// The sort key of a text. Two texts are equal for the database when their keys are equal.
pub fn key(text: &str) -> SortKey {
    let mut weights = weights(text);
    while weights.last() == Some(&SPACE) {
        weights.pop();
    }
    // The end of a text counts as blanks, so that "a\t" sorts before "a".
    weights.push(SPACE);
    weights.iter().flat_map(|weight| weight.to_be_bytes()).collect()
}

/// True when the database takes the two texts for the same.
pub fn same(left: &str, right: &str) -> bool {
    left == right || key(left) == key(right)
}

/// SQL `LIKE`, with `%`, `_` and backslash escapes.
pub fn like(text: &str, pattern: &str) -> bool {
    enum Part {
        Any,
        One,
        Weight(u16),
    }
    let mut parts = Vec::new();
    let mut characters = pattern.nfkd();
    while let Some(character) = characters.next() {
        match character {
            '%' => parts.push(Part::Any),
            '_' => parts.push(Part::One),
            other => {
                let literal = if other == '\\' { characters.next().unwrap_or('\\') } else { other };
                let mut out = Vec::new();
                push_weights(literal, &mut out);
                parts.extend(out.into_iter().map(Part::Weight));
            }
        }
    }
    let text = weights(text);
    // A classic two-finger match: remember the last `%` and come back to it.
    let (mut at, mut part, mut back) = (0, 0, None);
    while at < text.len() {
        let matched = match parts.get(part) {
            Some(Part::Any) => {
                back = Some((part, at));
                part += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Weight(weight)) => *weight == text[at],
            None => false,
        };
        if matched {
            at += 1;
            part += 1;
        } else if let Some((any, from)) = back {
            back = Some((any, from + 1));
            part = any + 1;
            at = from + 1;
        } else {
            return false;
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_recorded() {
        let names = [
            "_under",
            "-dash",
            "..",
            "[br]",
            "1num",
            "50% off",
            "a",
            "A & B",
            "abc",
            "ABD",
            "Abe",
            "Ärger",
            "Arger2",
            "B",
            "back\\slash",
            "Beta",
            "beta 2",
            "comma, x",
            "dot.",
            "emoji 😀",
            "hash#tag",
            "o'neil",
            "percent%20enc",
            "plus+sign",
            "question?mark",
            "quo\"te",
            "semi;colon",
            "slash/co",
            "ß strasse",
            "ss strasse2",
            "tab x",
            "trail",
            "Ünïcode 漢字",
            "zeta",
        ];
        for pair in names.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{} before {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn ignores_case_accents_and_trailing_blanks() {
        for (left, right) in [
            ("ABC", "abc"),
            ("abc ", "abc"),
            ("arger", "Ärger"),
            ("a\u{301} x", "á x"),
            ("e", "é"),
            ("😀", "🎉"),
        ] {
            assert!(same(left, right), "{left} = {right}");
        }
        assert!(!same("abc", " abc"));
        assert!(key("a\t") < key("a"));
    }

    #[test]
    fn like_knows_its_wildcards() {
        assert!(like("Commercial", "comm%"));
        assert!(like("Commercial", "%CIAL"));
        assert!(like("abc", "a_c"));
        assert!(like("100%", "100\\%"));
        assert!(!like("100x", "100\\%"));
        assert!(like("aXbXc", "%b%c"));
        assert!(!like("abc", "abcd%"));
    }
}
