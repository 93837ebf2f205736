//! `repomd.xml`: which files the metadata consists of, and their checksums.
//!
//! ```
//! use pulp_rpm_lite::metadata::repomd::{Checksum, Record, Repomd};
//!
//! let checksum = Checksum { kind: "sha256".to_owned(), digest: "a".repeat(64) };
//! let record = Record { kind: "primary".to_owned(), checksum, location_href: "repodata/primary.xml".to_owned(), ..Record::default() };
//! let repomd = Repomd { revision: Some("1".to_owned()), records: vec![record], ..Repomd::default() };
//! assert_eq!(Repomd::read(repomd.to_string().as_bytes())?, repomd);
//! # Ok::<(), pulp_rpm_lite::metadata::BadMetadata>(())
//! ```

use std::fmt;
use std::io::BufRead;

use super::source::Source;
use super::text::{attribute_of_document, element, end, push_text};
use super::{BadMetadata, bad};

/// Where it stands in a repository.
pub const REPOMD: &str = "repodata/repomd.xml";
/// Its signature, detached and in ASCII armour.
pub const SIGNATURE: &str = "repodata/repomd.xml.asc";
/// The public key that proves the signature.
pub const KEY: &str = "repodata/repomd.xml.key";

/// The largest file of this kind, in bytes; real ones have some thousand.
pub const LARGEST: u64 = 8 * 1024 * 1024;

/// No repository has more records.
pub const MOST_RECORDS: usize = 1000;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// Which state of the repository it is: often a time, which need not rise.
    pub revision: Option<String>,
    /// An identity of the repository, with its kind.
    pub repoid: Option<Typed>,
    /// A checksum of the content, with its kind.
    pub contenthash: Option<Typed>,
    /// What the content is tagged with.
    pub content_tags: Vec<String>,
    /// What the repository is tagged with.
    pub repo_tags: Vec<String>,
    /// Which distributions it is for: names, with their common platform enumerations.
    pub distro_tags: Vec<Typed>,
    /// The files, of all kinds, in their order.
    pub records: Vec<Record>,
}

/// A text with a kind, or with what else belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The attribute.
    pub kind: Option<String>,
    /// The text.
    pub text: String,
}

/// A file of the metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is: `primary`, `group_gz`, whatever.
    pub kind: String,
    /// The checksum of the file.
    pub checksum: Checksum,
    /// The checksum of what is in it, decompressed.
    pub open_checksum: Option<Checksum>,
    /// The checksum of the header, of zchunk files.
    pub header_checksum: Option<Checksum>,
    /// Where it is, relative to the repository.
    pub location_href: String,
    /// A URL that the location is relative to, where that is not the repository.
    pub location_base: Option<String>,
    /// When it was made, in seconds since 1970.
    pub timestamp: i64,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The size of what is in it, decompressed, in bytes.
    pub open_size: Option<u64>,
    /// The size of the header, of zchunk files.
    pub header_size: Option<u64>,
    /// The version of the schema, of SQLite files.
    pub database_version: Option<i64>,
}

/// A checksum with its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// The kind, such as `sha256`.
    pub kind: String,
    /// The digest in hex.
    pub digest: String,
}

impl Repomd {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadMetadata`] if it is no `repomd.xml`, or names a file without saying where it is.
    pub fn read(source: impl BufRead) -> Result<Self, BadMetadata> {
        let mut source = Source::open(source, "repomd")?;
        let mut repomd = Self::default();
        while source.child()? {
            match source.name() {
                "revision" => repomd.revision = Some(source.string()?),
                "repoid" => repomd.repoid = Some(typed(&mut source, "type")?),
                "contenthash" => repomd.contenthash = Some(typed(&mut source, "type")?),
                "tags" => repomd.tags(&mut source)?,
                "data" => repomd.records.push(record(&mut source)?),
                _ => source.skip()?,
            }
            if repomd.records.len() > MOST_RECORDS {
                return Err(bad(format!("The file has more than {MOST_RECORDS} records.")));
            }
        }
        Ok(repomd)
    }

    fn tags<R: BufRead>(&mut self, source: &mut Source<R>) -> Result<(), BadMetadata> {
        while source.child()? {
            match source.name() {
                "content" => self.content_tags.push(source.string()?),
                "repo" => self.repo_tags.push(source.string()?),
                "distro" => self.distro_tags.push(typed(source, "cpeid")?),
                _ => source.skip()?,
            }
        }
        Ok(())
    }

    /// The first record of a kind.
    pub fn record(&self, kind: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.kind == kind)
    }
}

fn typed<R: BufRead>(source: &mut Source<R>, attribute: &str) -> Result<Typed, BadMetadata> {
    let kind = source.attribute(attribute)?.map(std::borrow::Cow::into_owned);
    Ok(Typed { kind, text: source.string()? })
}

fn record<R: BufRead>(source: &mut Source<R>) -> Result<Record, BadMetadata> {
    let kind = source.attribute("type")?.unwrap_or_default().into_owned();
    let mut record = Record { kind, ..Record::default() };
    while source.child()? {
        match source.name() {
            "checksum" => record.checksum = checksum(source)?,
            "open-checksum" => record.open_checksum = Some(checksum(source)?),
            "header-checksum" => record.header_checksum = Some(checksum(source)?),
            "location" => {
                record.location_href = source.attribute("href")?.unwrap_or_default().into_owned();
                record.location_base = source.attribute("xml:base")?.map(std::borrow::Cow::into_owned);
                source.skip()?;
            }
            // Some writers give a time with a fraction.
            "timestamp" => record.timestamp = whole(source.text()?).unwrap_or_default(),
            "size" => record.size = source.text()?.trim().parse().ok(),
            "open-size" => record.open_size = source.text()?.trim().parse().ok(),
            "header-size" => record.header_size = source.text()?.trim().parse().ok(),
            "database_version" => record.database_version = whole(source.text()?),
            _ => source.skip()?,
        }
    }
    match record.kind.is_empty() || record.location_href.is_empty() {
        true => Err(bad("A record has no type, or does not say where its file is.")),
        false => Ok(record),
    }
}

fn whole(text: &str) -> Option<i64> {
    text.trim().split('.').next()?.parse().ok()
}

fn checksum<R: BufRead>(source: &mut Source<R>) -> Result<Checksum, BadMetadata> {
    let kind = source.attribute("type")?.unwrap_or_default().to_ascii_lowercase();
    let kind = if kind == "sha" { "sha1".to_owned() } else { kind };
    Ok(Checksum { kind, digest: source.text()?.trim().to_ascii_lowercase() })
}

/// The file.
impl fmt::Display for Repomd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n",
        );
        if let Some(revision) = &self.revision {
            element(&mut text, "  ", "revision", revision);
        }
        for (name, value) in [("repoid", &self.repoid), ("contenthash", &self.contenthash)] {
            if let Some(value) = value {
                push_typed(&mut text, "  ", name, "type", value);
            }
        }
        if !(self.content_tags.is_empty() && self.repo_tags.is_empty() && self.distro_tags.is_empty()) {
            text.push_str("  <tags>\n");
            for tag in &self.content_tags {
                element(&mut text, "    ", "content", tag);
            }
            for tag in &self.repo_tags {
                element(&mut text, "    ", "repo", tag);
            }
            for tag in &self.distro_tags {
                push_typed(&mut text, "    ", "distro", "cpeid", tag);
            }
            text.push_str("  </tags>\n");
        }
        for record in &self.records {
            push_record(&mut text, record);
        }
        text.push_str("</repomd>\n");
        f.write_str(&text)
    }
}

fn push_typed(text: &mut String, indent: &str, name: &str, attribute: &str, value: &Typed) {
    text.push_str(indent);
    text.push('<');
    text.push_str(name);
    if let Some(kind) = &value.kind {
        attribute_of_document(text, attribute, kind);
    }
    text.push('>');
    push_text(text, &value.text);
    end(text, name);
}

fn push_record(text: &mut String, record: &Record) {
    text.push_str("  <data");
    attribute_of_document(text, "type", &record.kind);
    text.push_str(">\n");
    for (name, checksum) in [
        ("checksum", Some(&record.checksum)),
        ("open-checksum", record.open_checksum.as_ref()),
        ("header-checksum", record.header_checksum.as_ref()),
    ] {
        if let Some(checksum) = checksum {
            let value = Typed { kind: Some(checksum.kind.clone()), text: checksum.digest.clone() };
            push_typed(text, "    ", name, "type", &value);
        }
    }
    text.push_str("    <location");
    attribute_of_document(text, "href", &record.location_href);
    if let Some(base) = &record.location_base {
        attribute_of_document(text, "xml:base", base);
    }
    text.push_str("/>\n");
    element(text, "    ", "timestamp", &record.timestamp.to_string());
    for (name, size) in [("size", record.size), ("open-size", record.open_size), ("header-size", record.header_size)] {
        if let Some(size) = size {
            element(text, "    ", name, &size.to_string());
        }
    }
    if let Some(version) = record.database_version {
        element(text, "    ", "database_version", &version.to_string());
    }
    text.push_str("  </data>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1795160132</revision>
  <repoid type="sha256">abc</repoid>
  <contenthash type="sha256">def</contenthash>
  <tags>
    <content>binary-x86_64</content>
    <repo>updates</repo>
    <distro cpeid="cpe:/o:fedoraproject:fedora:40">Fedora 40</distro>
  </tags>
  <data type="primary">
    <checksum type="sha256">aa</checksum>
    <open-checksum type="sha256">bb</open-checksum>
    <location href="repodata/aa-primary.xml.gz"/>
    <timestamp>1795160132</timestamp>
    <size>73637</size>
    <open-size>1077636</open-size>
  </data>
  <data type="primary_zck">
    <checksum type="sha256">cc</checksum>
    <open-checksum type="sha256">bb</open-checksum>
    <header-checksum type="sha256">dd</header-checksum>
    <location href="a&amp;b" xml:base="http://example.test/"/>
    <timestamp>1795160132</timestamp>
    <size>1</size>
    <open-size>2</open-size>
    <header-size>3</header-size>
  </data>
  <data type="primary_db">
    <checksum type="sha1">ee</checksum>
    <location href="repodata/primary.sqlite"/>
    <timestamp>0</timestamp>
    <database_version>10</database_version>
  </data>
  <data type="something/else">
    <checksum type="md5">ff</checksum>
    <location href="x"/>
    <timestamp>0</timestamp>
  </data>
</repomd>
"#;

    #[test]
    fn what_is_read_is_written_back_to_the_byte_whatever_kinds_there_are() {
        let repomd = Repomd::read(WHOLE.as_bytes()).unwrap();
        assert_eq!(repomd.to_string(), WHOLE);
        assert_eq!(repomd.record("primary").unwrap().open_size, Some(1_077_636));
        assert_eq!(repomd.records.len(), 4);
    }

    #[test]
    fn what_writers_make_of_it_is_understood() {
        let text = "<repomd><data type='group'><timestamp>1.75</timestamp><what><ever/></what>\
                    <location href='c.xml'/><checksum type='SHA'> AB\n</checksum><size>x</size></data></repomd>";
        let repomd = Repomd::read(text.as_bytes()).unwrap();
        let record = repomd.record("group").unwrap();
        assert_eq!((record.timestamp, record.size), (1, None));
        assert_eq!(record.checksum, Checksum { kind: "sha1".into(), digest: "ab".into() });
        assert_eq!(repomd.revision, None);
    }

    #[test]
    fn what_is_none_is_refused_with_the_reason() {
        let refused = |text: &str| Repomd::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused(""), "There is no element 'repomd' in the file.");
        assert_eq!(refused("<html/>"), "The file begins with the element 'html' in place of 'repomd'.");
        assert_eq!(refused("<repomd><data type='x'>"), "The file ends in the middle of an element.");
        assert!(refused("<repomd><data type='x'/></repomd>").starts_with("A record has no type"));
        assert!(refused("<repomd></data>").contains("at byte"));
        assert_eq!(refused("<repomd><revision>&evil;</revision></repomd>"), "The entity 'evil' is not known.");
        assert!(refused(&"<repomd>".repeat(100)).contains("nested too deep"));
        let many = "<data type='x'><location href='y'/></data>".repeat(MOST_RECORDS + 1);
        assert_eq!(refused(&format!("<repomd>{many}</repomd>")), "The file has more than 1000 records.");
    }
}
