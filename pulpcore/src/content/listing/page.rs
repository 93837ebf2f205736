//! A listing as it is sent: a page for people, in the look of Pulp's listings, which is that of a plain web server, or
//! JSON, in the shape of nginx's (`autoindex_format json`), which programs know.

use std::fmt::Write;

use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Entry;
use crate::content::path;
use crate::error::{Error, Result};

/// How many lines are drawn at a time.
const BLOCK: usize = 500;

/// How many columns a name has; longer ones push the rest to the right.
const WIDTH: usize = 100;

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[day]-[month repr:short]-[year] [hour]:[minute]");

/// The page: its head, its lines in blocks, its end, with a link to the next page if there is one.
pub(super) fn draw(
    path: &str,
    has_parent: bool,
    entries: Vec<Entry>,
    next: Option<String>,
) -> impl ExactSizeIterator<Item = String> + use<> {
    let path = escape(path);
    let parent = if has_parent { "<a href=\"../\">../</a>" } else { "" };
    let mut head = Some(format!(
        "\n<html>\n<head><title>Index of {path}</title></head>\n<body bgcolor=\"white\">\n<h1>Index of {path}</h1>\n\
         <hr><pre>{parent}\n"
    ));
    let blocks = entries.len().div_ceil(BLOCK);
    let (mut entries, mut next) = (entries.into_iter(), next);
    (0..blocks + 2).map(move |nth| match head.take() {
        Some(head) => head,
        None if nth <= blocks => entries.by_ref().take(BLOCK).fold(String::new(), |mut block, entry| {
            line(&mut block, &entry);
            block
        }),
        None => {
            let next = next.take().map(|next| format!("<a href=\"{}\">more</a>\n", escape(&next))).unwrap_or_default();
            format!("{next}</pre><hr></body>\n</html>")
        }
    })
}

/// The entries as JSON, in the shape of nginx's listings.
pub(super) fn json(entries: &[Entry]) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        mtime: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<i64>,
    }
    let lines = entries.iter().map(|entry| {
        let mtime = entry.stamp.map(|stamp| httpdate::fmt_http_date(stamp.into()));
        match entry.name.strip_suffix('/') {
            Some(name) => Line { name, kind: "directory", mtime, size: None },
            None => Line { name: &entry.name, kind: "file", mtime, size: entry.size },
        }
    });
    serde_json::to_string(&lines.collect::<Vec<_>>()).map_err(Error::internal)
}

fn line(page: &mut String, entry: &Entry) {
    let (name, link) = (escape(&entry.name), path::link(&entry.name));
    let date =
        entry.stamp.and_then(|stamp| stamp.to_offset(time::UtcOffset::UTC).format(DATE).ok()).unwrap_or_default();
    let size = match entry.size {
        Some(size) if !name.ends_with('/') => in_words(size),
        _ => String::new(),
    };
    let gap = WIDTH.saturating_sub(name.chars().count());
    writeln!(page, "<a href=\"./{link}\">{name}</a>{:gap$}{date}  {size}", "").expect("a string takes any text");
}

/// A size in decimal units: `38 Bytes`, `3.2 kB`.
fn in_words(size: i64) -> String {
    match size {
        1 => return "1 Byte".to_owned(),
        0..1000 => return format!("{size} Bytes"),
        _ => {}
    }
    let mut scaled = size as f64 / 1000.0;
    let mut units = ["kB", "MB", "GB", "TB", "PB", "EB"].into_iter().peekable();
    while scaled >= 1000.0 {
        scaled /= 1000.0;
        units.next();
    }
    format!("{scaled:.1} {}", units.next().unwrap_or("EB"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn entry(name: &str, size: Option<i64>) -> Entry {
        Entry { name: name.to_owned(), size, stamp: Some(datetime!(2026-11-20 10:07:31 UTC)) }
    }

    #[test]
    fn a_listing_looks_like_pulps() {
        let entries = vec![entry("a.txt", Some(38)), entry("d&e <x>.txt", Some(36)), entry("sub/", Some(7))];
        let page: String = draw("/pulp/content/d/", true, entries, None).collect();
        let pad = |n| " ".repeat(n);
        let expected = [
            "\n<html>\n<head><title>Index of /pulp/content/d/</title></head>\n<body bgcolor=\"white\">\n",
            "<h1>Index of /pulp/content/d/</h1>\n<hr><pre><a href=\"../\">../</a>\n",
            &format!("<a href=\"./a.txt\">a.txt</a>{}20-Nov-2026 10:07  38 Bytes\n", pad(95)),
            "<a href=\"./d%26e%20%3Cx%3E.txt\">d&amp;e &lt;x&gt;.txt</a>",
            &format!("{}20-Nov-2026 10:07  36 Bytes\n", pad(79)),
            &format!("<a href=\"./sub/\">sub/</a>{}20-Nov-2026 10:07  \n", pad(96)),
            "</pre><hr></body>\n</html>",
        ];
        assert_eq!(page, expected.concat());
    }

    #[test]
    fn distributions_have_no_date_and_long_names_no_gap() {
        let mut page = String::new();
        line(&mut page, &Entry { name: "ä/".into(), size: None, stamp: None });
        line(&mut page, &Entry { name: "x".repeat(300), size: None, stamp: None });
        let long = "x".repeat(300);
        let gap = " ".repeat(100);
        assert_eq!(page, format!("<a href=\"./%C3%A4/\">ä/</a>{gap}\n<a href=\"./{long}\">{long}</a>  \n"));
    }

    #[test]
    fn a_long_listing_is_drawn_in_blocks_with_every_line_once() {
        let entries = (0..1201).map(|n| entry(&format!("f{n:04}"), None)).collect();
        let blocks: Vec<_> = draw("/", false, entries, None).collect();
        assert_eq!(blocks.len(), 5);
        let page = blocks.concat();
        let names = page.lines().filter_map(|line| line.strip_prefix("<a href=\"./f")?.get(..4));
        assert!(names.eq((0..1201).map(|n| format!("{n:04}"))));
    }

    #[test]
    fn a_page_that_is_not_the_last_leads_to_the_next() {
        let page: String = draw("/", false, vec![entry("a", None)], Some("?after=a%26b".into())).collect();
        assert!(page.ends_with("\n<a href=\"?after=a%26b\">more</a>\n</pre><hr></body>\n</html>"), "{page}");
    }

    #[test]
    fn what_a_name_has_in_it_stays_in_it() {
        let name = "\"><script>alert(1)</script>javascript:x/";
        let page: String = draw(name, true, vec![entry(name, None)], None).collect();
        assert!(!page.contains("<script") && !page.contains("\"javascript:"), "{page}");
    }

    #[test]
    fn json_is_that_of_nginx() {
        let entries = [entry("a.txt", Some(38)), Entry { name: "sub/".into(), size: Some(7), stamp: None }];
        let expected = serde_json::json!([
            { "name": "a.txt", "type": "file", "mtime": "Fri, 20 Nov 2026 10:07:31 GMT", "size": 38 },
            { "name": "sub", "type": "directory" },
        ]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&entries).unwrap()).unwrap(), expected);
    }

    #[test]
    fn sizes_are_in_decimal_units() {
        for (size, words) in [
            (0, "0 Bytes"),
            (1, "1 Byte"),
            (999, "999 Bytes"),
            (3200, "3.2 kB"),
            (4_200_000, "4.2 MB"),
            (i64::MAX, "9.2 EB"),
        ] {
            assert_eq!(in_words(size), words);
        }
    }
}
