//! XML as the readers of metadata see it: elements that are walked into or past, their attributes and their texts.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;
use quick_xml::reader::Reader;

use super::{BadMetadata, LARGEST_RECORD, bad};

/// Elements are not nested deeper; no format that is read here goes beyond ten.
const DEEPEST: usize = 64;

/// A document that is walked through once.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: Reader<Budget<R>>,
    buffer: Vec<u8>,
    /// The start tag that was met last, without its brackets, and how much of it is the name.
    tag: String,
    name_length: usize,
    /// The text that was read last.
    text: String,
    depth: usize,
}

impl<R: BufRead> Source<R> {
    /// Begins a document whose outermost element has this name, and walks into it.
    pub(super) fn open(source: R, root: &str) -> Result<Self, BadMetadata> {
        let mut reader = Reader::from_reader(Budget { source, left: LARGEST_RECORD });
        let config = reader.config_mut();
        // An empty element is one that ends at once: readers need not know which it was.
        config.expand_empty_elements = true;
        config.check_comments = false;
        let mut own =
            Self { reader, buffer: Vec::new(), tag: String::new(), name_length: 0, text: String::new(), depth: 0 };
        if !own.child()? {
            return Err(bad(format!("There is no element '{root}' in the file.")));
        }
        if own.name() != root {
            return Err(bad(format!("The file begins with the element '{}' in place of '{root}'.", clip(own.name()))));
        }
        Ok(own)
    }

    /// Walks to the next record, an element with this name right below the outermost one, and into it, past all others.
    /// `false` at the end of the document.
    pub(super) fn record(&mut self, name: &str) -> Result<bool, BadMetadata> {
        loop {
            self.renew();
            if !self.child()? {
                return Ok(false);
            }
            if self.name() == name {
                return Ok(true);
            }
            self.skip()?;
        }
    }

    /// Walks to the next element within the present one and into it. `false` at the end of the present one, which is then
    /// left. Texts on the way are passed over.
    pub(super) fn child(&mut self) -> Result<bool, BadMetadata> {
        loop {
            self.buffer.clear();
            match self.reader.read_event_into(&mut self.buffer) {
                Ok(Event::Start(start)) => {
                    let name_length = start.name().as_ref().len();
                    let tag = std::str::from_utf8(&start).map_err(|_| bad("A tag is not UTF-8."))?;
                    self.tag.clear();
                    self.tag.push_str(tag);
                    self.name_length = name_length;
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(self.wrong("elements are nested too deep"));
                    }
                    return Ok(true);
                }
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(false);
                }
                Ok(Event::Eof) if self.depth == 0 => return Ok(false),
                Ok(Event::Eof) => return Err(bad("The file ends in the middle of an element.")),
                Ok(_) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// The name of the element that was walked into last, with its prefix.
    pub(super) fn name(&self) -> &str {
        // The name is a prefix of the tag, and both were found between characters.
        self.tag.get(..self.name_length).unwrap_or_default()
    }

    /// An attribute of the element that was walked into last.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<Cow<'_, str>>, BadMetadata> {
        let mut found = None;
        self.attributes(|key, value| {
            if key == name && found.is_none() {
                found = Some(value);
            }
        })?;
        Ok(found)
    }

    /// Shows every attribute of the element that was walked into last.
    pub(super) fn attributes<'a>(&'a self, mut show: impl FnMut(&'a str, Cow<'a, str>)) -> Result<(), BadMetadata> {
        if self.tag.len() == self.name_length {
            return Ok(());
        }
        for attribute in Attributes::new(&self.tag, self.name_length) {
            let attribute = attribute.map_err(|error| self.wrong(&format!("an attribute cannot be read ({error})")))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.wrong(&format!("an attribute cannot be read ({error})")))?;
            let key = std::str::from_utf8(attribute.key.into_inner()).map_err(|_| bad("A tag is not UTF-8."))?;
            show(key, self.allowed(value)?);
        }
        Ok(())
    }

    /// An attribute's number; 0 where it is missing, empty or no number.
    pub(super) fn number(&self, name: &str) -> Result<i64, BadMetadata> {
        Ok(self.attribute(name)?.map_or(0, |value| number(&value)))
    }

    /// The text of the element that was walked into last, which is left. Elements within it are passed over.
    pub(super) fn text(&mut self) -> Result<&str, BadMetadata> {
        self.text.clear();
        let mut inner = 0_usize;
        loop {
            self.buffer.clear();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.failed(&error)),
            };
            match event {
                Event::Eof => return Err(bad("The file ends in the middle of an element.")),
                Event::End(_) if inner == 0 => break,
                Event::End(_) => inner -= 1,
                Event::Start(_) => {
                    inner += 1;
                    if self.depth + inner > DEEPEST {
                        return Err(self.wrong("elements are nested too deep"));
                    }
                }
                _ if inner > 0 => {}
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|_| bad("A text is not UTF-8."))?;
                    self.text.push_str(&text);
                }
                Event::CData(text) => {
                    let text = text.xml10_content().map_err(|_| bad("A text is not UTF-8."))?;
                    self.text.push_str(&text);
                }
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(|_| bad("A text is not UTF-8."))?;
                    match (reference.resolve_char_ref(), resolve_predefined_entity(&name)) {
                        (Ok(Some(character)), _) => self.text.push(character),
                        (Ok(None), Some(text)) => self.text.push_str(text),
                        _ => return Err(bad(format!("The entity '{}' is not known.", clip(&name)))),
                    }
                }
                _ => {}
            }
        }
        self.depth = self.depth.saturating_sub(1);
        match self.text.contains(forbidden) {
            true => Err(self.wrong("a text holds a character that XML does not know")),
            false => Ok(&self.text),
        }
    }

    /// The text, as one that is kept.
    pub(super) fn string(&mut self) -> Result<String, BadMetadata> {
        Ok(self.text()?.to_owned())
    }

    /// Passes over the rest of the element that was walked into last, and leaves it.
    pub(super) fn skip(&mut self) -> Result<(), BadMetadata> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.child()?;
        }
        Ok(())
    }

    /// Gives the next record its bytes.
    fn renew(&mut self) {
        self.reader.get_mut().left = LARGEST_RECORD;
    }

    fn allowed<'a>(&self, value: Cow<'a, str>) -> Result<Cow<'a, str>, BadMetadata> {
        match value.contains(forbidden) {
            true => Err(self.wrong("an attribute holds a character that XML does not know")),
            false => Ok(value),
        }
    }

    fn failed(&self, error: &quick_xml::Error) -> BadMetadata {
        match error {
            // The source's own failure, such as of the decompression, says best what happened.
            quick_xml::Error::Io(error) => bad(format!("The file cannot be read: {error}.")),
            error => self.wrong(&error.to_string()),
        }
    }

    /// What is wrong, and where.
    pub(super) fn wrong(&self, what: &str) -> BadMetadata {
        bad(format!("The file is no XML that can be read, at byte {}: {what}.", self.reader.buffer_position()))
    }
}

/// A number; 0 where there is none.
pub(super) fn number(text: &str) -> i64 {
    text.trim().parse().unwrap_or_default()
}

/// What XML 1.0 does not allow in a document, and what PostgreSQL does not keep.
pub(super) fn forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// So much of a stranger's text that a message stays readable.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A source that ends with an error after so many bytes: the reader of XML keeps a tag or a text in memory until its end
/// comes.
#[derive(Debug)]
struct Budget<R> {
    source: R,
    left: usize,
}

impl<R: BufRead> Read for Budget<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let length = bytes.len().min(into.len());
        into[..length].copy_from_slice(&bytes[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Budget<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.source.fill_buf()?;
        if self.left == 0 && !bytes.is_empty() {
            let message = format!("a record has more than {LARGEST_RECORD} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(&bytes[..bytes.len().min(self.left)])
    }

    fn consume(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length);
        self.source.consume(length);
    }
}
