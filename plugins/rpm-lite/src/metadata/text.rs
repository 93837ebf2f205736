//! Text as XML, escaped as libxml2 does it for createrepo_c.

use std::fmt::Write;

use super::source::forbidden;

/// Appends the text of an element. Characters that XML does not know are left out.
pub(super) fn push_text(into: &mut String, text: &str) {
    push(into, text, |character| match character {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '\r' => Some("&#13;"),
        _ => None,
    });
}

/// Appends the value of an attribute, without its quotes, to a fragment such as a package's: libxml2 writes what is not ASCII
/// as numbers there.
pub(super) fn push_attribute(into: &mut String, value: &str) {
    if value.is_ascii() {
        return push_attribute_of_document(into, value);
    }
    let mut buffer = [0; 4];
    for character in value.chars() {
        match character.is_ascii() {
            true => push_attribute_of_document(into, character.encode_utf8(&mut buffer)),
            false if forbidden(character) => {}
            false => {
                // Writing to a `String` cannot fail.
                let _ = write!(into, "&#x{:X};", u32::from(character));
            }
        }
    }
}

/// Appends the value of an attribute of a whole document, which says that it is UTF-8.
pub(super) fn push_attribute_of_document(into: &mut String, value: &str) {
    push(into, value, |character| match character {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\t' => Some("&#9;"),
        _ => None,
    });
}

fn push(into: &mut String, text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    let mut done = 0;
    for (at, character) in text.char_indices() {
        let escaped = match forbidden(character) {
            true => "",
            false => match escape(character) {
                Some(escaped) => escaped,
                None => continue,
            },
        };
        into.push_str(&text[done..at]);
        into.push_str(escaped);
        done = at + character.len_utf8();
    }
    into.push_str(&text[done..]);
}

/// Appends ` name="value"`.
pub(super) fn attribute(into: &mut String, name: &str, value: &str) {
    begin_attribute(into, name);
    push_attribute(into, value);
    into.push('"');
}

/// Appends ` name="value"` to a whole document.
pub(super) fn attribute_of_document(into: &mut String, name: &str, value: &str) {
    begin_attribute(into, name);
    push_attribute_of_document(into, value);
    into.push('"');
}

/// Appends ` name="number"`.
pub(super) fn number(into: &mut String, name: &str, value: i64) {
    begin_attribute(into, name);
    // Writing to a `String` cannot fail.
    let _ = write!(into, "{value}\"");
}

fn begin_attribute(into: &mut String, name: &str) {
    into.push(' ');
    into.push_str(name);
    into.push_str("=\"");
}

/// Appends a line with an element that has nothing but text, indented.
pub(super) fn element(into: &mut String, indent: &str, name: &str, text: &str) {
    into.push_str(indent);
    into.push('<');
    into.push_str(name);
    into.push('>');
    push_text(into, text);
    end(into, name);
}

/// Appends the end of an element, and of the line.
pub(super) fn end(into: &mut String, name: &str) {
    into.push_str("</");
    into.push_str(name);
    into.push_str(">\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_xml_is_escaped_and_what_it_does_not_know_is_left_out() {
        let mut text = String::new();
        push_text(&mut text, "a<b>&\"c\"\r\n\t\u{1}\u{fffe}é\u{7f}");
        assert_eq!(text, "a&lt;b&gt;&amp;\"c\"&#13;\n\té\u{7f}");
        let mut value = String::new();
        push_attribute(&mut value, "a<b>&\"c\"\n\té\u{1f4be}\u{b}");
        assert_eq!(value, "a&lt;b&gt;&amp;&quot;c&quot;&#10;&#9;&#xE9;&#x1F4BE;");
    }
}
