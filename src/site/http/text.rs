//! A site's words made fit for a terminal and a log. Pure.
//!
//! The rule kept here: what a site says is data. No tag, no control character and no text
//! direction mark of a site reaches a message, and no message is longer than
//! [`MAX_MESSAGE`] characters and the sign that it was cut. The work grows with the length of what
//! a site says and no faster.

/// The most characters of a site's message that are kept.
pub const MAX_MESSAGE: usize = 600;

/// The text of a message that Frappe wrote as HTML: tags removed, line breaks and runs of
/// blanks made one blank, entities decoded, control characters dropped, cut at
/// [`MAX_MESSAGE`] characters. A `<` that begins no tag stays ("Name cannot contain special
/// characters like '<', '>'", recordings, file 01).
#[must_use]
pub fn plain(html: &str) -> String {
    single_line(&decode_entities(&strip_tags(html)))
}

/// One line of printable text of at most [`MAX_MESSAGE`] characters.
#[must_use]
pub fn single_line(text: &str) -> String {
    let mut line = String::new();
    let mut count = 0;
    let mut blank = false;
    for c in text.chars() {
        if c.is_whitespace() || (c.is_control() && c != '\u{7f}') {
            blank = count > 0;
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if count + usize::from(blank) >= MAX_MESSAGE {
            line.push('…');
            return line;
        }
        if blank {
            line.push(' ');
            count += 1;
            blank = false;
        }
        line.push(c);
        count += 1;
    }
    line
}

/// Characters that show nothing and change how what follows is shown: delete, marks and
/// overrides of the text direction, zero-width characters, the byte order mark.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        if !begins_tag(inner) {
            text.push('<');
            rest = inner;
            continue;
        }
        // Where no tag ends any more none is looked for again: a site may answer megabytes of `<`.
        let Some(close) = inner.find('>') else {
            rest = &rest[open..];
            break;
        };
        if breaks_line(&inner[..close]) {
            text.push(' ');
        }
        rest = &inner[close + 1..];
    }
    text.push_str(rest);
    text
}

fn begins_tag(inner: &str) -> bool {
    inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!')
}

/// Whether a browser would start a new line here, so that words must not run together.
fn breaks_line(tag: &str) -> bool {
    let name: String =
        tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
    matches!(
        name.to_ascii_lowercase().as_str(),
        "br" | "p" | "div" | "li" | "ul" | "ol" | "tr" | "td" | "th" | "table" | "hr" | "title"
    ) || matches!(name.as_bytes(), [b'h' | b'H', b'1'..=b'6'])
}

/// The bytes of the longest entity, without its signs.
const LONGEST_ENTITY: usize = 8;

fn decode_entities(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let end = after.bytes().take(LONGEST_ENTITY + 1).position(|byte| byte == b';');
        let entity = end.map(|end| &after[..end]);
        if let Some((entity, c)) = entity.and_then(|name| entity_char(name).map(|c| (name, c))) {
            decoded.push(c);
            rest = &after[entity.len() + 1..];
        } else {
            decoded.push('&');
            rest = after;
        }
    }
    decoded.push_str(rest);
    decoded
}

fn entity_char(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let cases = [
            (
                "Value cannot be changed for <strong>Created On</strong>",
                "Value cannot be changed for Created On",
            ),
            (
                "Name cannot contain special characters like '<', '>'",
                "Name cannot contain special characters like '<', '>'",
            ),
            ("a<br>b<br/>c</p>d", "a b c d"),
            (
                "zeta <a href=\"http://127.0.0.1:8003/app/customer/zeta\">zeta</a> is",
                "zeta zeta is",
            ),
            (
                "A &amp; B &lt;x&gt; &quot;q&quot; &#39;s&#39; &#x41; &nbsp;end",
                "A & B <x> \"q\" 's' A end",
            ),
            ("AT&T; R&D & more &unknown;", "AT&T; R&D & more &unknown;"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("open <b", "open <b"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ];
        for (html, text) in cases {
            assert_eq!(plain(html), text);
        }
    }

    #[test]
    fn nothing_that_drives_a_terminal_survives() {
        let text =
            plain("\u{1b}[31mred\u{7}\r\nnext\u{202e}x\u{9b}2J&#27;[0m\u{0}\u{feff}end\u{7f}");
        assert_eq!(text, "[31mred nextx 2J [0m end");
        assert!(!text.chars().any(char::is_control));
    }

    /// As far as an answer may be long; a step for each pair of signs would take hours.
    #[test]
    fn a_text_of_nothing_but_signs_is_read_in_one_go() {
        for sign in ["<", "<a", "&", "&#", "</", "<a <", "< >"] {
            let text = sign.repeat((4 << 20) / sign.len());
            assert!(plain(&text).chars().count() <= MAX_MESSAGE + 1);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        for blank in [MAX_MESSAGE - 1, MAX_MESSAGE] {
            let text = format!("{} {}", "x".repeat(blank), "y".repeat(9));
            assert_eq!(plain(&text), format!("{}…", "x".repeat(blank)));
        }
        let text = plain(&"ä".repeat(5000));
        assert_eq!(text.chars().count(), MAX_MESSAGE + 1);
        assert!(text.ends_with('…'));
    }
}
