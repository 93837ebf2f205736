//! Advisories as clients upload them: a JSON file with the fields that they are shown with, or with those of `updateinfo`.

use pulpcore::error::{Error, Result};
use serde::{Deserialize, Deserializer};

use crate::metadata::updateinfo::{self, Advisory, CollectionPackage, Reference};
use crate::serializers::CHECKSUM_TYPES;

/// No file is longer, in bytes.
pub const LONGEST: i64 = 64 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Posted {
    #[serde(deserialize_with = "text")]
    id: String,
    #[serde(alias = "updated_date", deserialize_with = "text")]
    updated: String,
    #[serde(alias = "issued_date", deserialize_with = "text")]
    issued: String,
    #[serde(alias = "fromstr", deserialize_with = "text")]
    from: String,
    #[serde(deserialize_with = "text")]
    description: String,
    #[serde(deserialize_with = "text")]
    status: String,
    #[serde(deserialize_with = "text")]
    title: String,
    #[serde(deserialize_with = "text")]
    summary: String,
    #[serde(deserialize_with = "text")]
    version: String,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(deserialize_with = "text")]
    severity: String,
    #[serde(deserialize_with = "text")]
    solution: String,
    #[serde(deserialize_with = "text")]
    release: String,
    #[serde(deserialize_with = "text")]
    rights: String,
    #[serde(deserialize_with = "text")]
    pushcount: String,
    #[serde(deserialize_with = "flag")]
    reboot_suggested: bool,
    pkglist: Vec<Collection>,
    references: Vec<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Collection {
    name: Option<String>,
    #[serde(alias = "shortname")]
    short: Option<String>,
    module: Option<Module>,
    packages: Vec<Package>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Module {
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(deserialize_with = "text")]
    stream: String,
    #[serde(deserialize_with = "text")]
    version: String,
    #[serde(deserialize_with = "text")]
    context: String,
    #[serde(deserialize_with = "text")]
    arch: String,
}

impl Module {
    fn checked(self) -> Result<updateinfo::Module> {
        let Self { name, stream, version, context, arch } = self;
        let version = version.parse().map_err(|_| Error::invalid("file", "A module's version is a number."))?;
        Ok(updateinfo::Module { name, stream, version, context, arch })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    #[serde(deserialize_with = "text")]
    arch: String,
    #[serde(deserialize_with = "text")]
    epoch: String,
    #[serde(deserialize_with = "text")]
    filename: String,
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(deserialize_with = "flag")]
    reboot_suggested: bool,
    #[serde(deserialize_with = "flag")]
    relogin_suggested: bool,
    #[serde(deserialize_with = "flag")]
    restart_suggested: bool,
    #[serde(deserialize_with = "text")]
    release: String,
    #[serde(deserialize_with = "text")]
    src: String,
    #[serde(deserialize_with = "text")]
    sum: String,
    #[serde(deserialize_with = "text")]
    sum_type: String,
    #[serde(deserialize_with = "text")]
    version: String,
}

/// Reads an advisory.
///
/// # Errors
/// [`Error::Invalid`] on `file` if it is none.
pub fn read(file: &[u8]) -> Result<Advisory> {
    let invalid = |message: String| Error::invalid("file", message);
    let posted: Posted =
        serde_json::from_slice(file).map_err(|error| invalid(format!("JSON file is expected: {error}")))?;
    if posted.id.is_empty() || posted.updated.is_empty() || posted.issued.is_empty() {
        return Err(invalid("All 'id', 'updated_date' and 'issued_date' must be specified.".to_owned()));
    }
    let collections = posted.pkglist.into_iter().map(collection).collect::<Result<Vec<_>>>()?;
    Ok(Advisory {
        id: posted.id,
        updated_date: Some(posted.updated),
        description: posted.description,
        issued_date: posted.issued,
        fromstr: posted.from,
        status: posted.status,
        title: posted.title,
        summary: posted.summary,
        version: posted.version,
        kind: posted.kind,
        severity: posted.severity,
        solution: posted.solution,
        release: posted.release,
        rights: posted.rights,
        pushcount: posted.pushcount,
        reboot_suggested: posted.reboot_suggested,
        collections,
        references: posted.references,
    })
}

fn collection(posted: Collection) -> Result<updateinfo::Collection> {
    Ok(updateinfo::Collection {
        name: Some(posted.name.unwrap_or_default()),
        shortname: Some(posted.short.unwrap_or_default()),
        module: posted.module.map(|module| module.checked()).transpose()?,
        packages: posted.packages.into_iter().map(package).collect::<Result<_>>()?,
    })
}

fn package(posted: Package) -> Result<CollectionPackage> {
    let sum_type = match posted.sum_type.to_ascii_lowercase().as_str() {
        "sha" => "sha1".to_owned(),
        known if known.is_empty() || CHECKSUM_TYPES.contains(&known) => known.to_owned(),
        unknown => return Err(Error::invalid("file", format!("\"{unknown}\" is an unsupported checksum type."))),
    };
    Ok(CollectionPackage {
        arch: posted.arch,
        epoch: if posted.epoch.is_empty() { "0".to_owned() } else { posted.epoch },
        filename: posted.filename,
        name: posted.name,
        reboot_suggested: posted.reboot_suggested,
        relogin_suggested: posted.relogin_suggested,
        restart_suggested: posted.restart_suggested,
        release: posted.release,
        src: posted.src,
        sum: posted.sum,
        sum_type,
        version: posted.version,
    })
}

/// A text, also where somebody wrote a number or nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(serde_json::Number),
        Flag(bool),
        Nothing(()),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
        Written::Flag(flag) => flag.to_string(),
        Written::Nothing(()) => String::new(),
    })
}

/// A boolean, also where somebody wrote a text or a number.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = text(deserializer)?;
    Ok(matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advisory_is_read_with_either_set_of_names() {
        let one = r#"{"id": "A", "updated": "2026-01-02", "issued": "2026-01-01", "from": "me", "version": 3,
            "pkglist": [{"name": "c", "short": "s", "packages": [{"name": "a", "sum_type": "SHA", "epoch": 0}]}]}"#;
        let other = r#"{"id": "A", "updated_date": "2026-01-02", "issued_date": "2026-01-01", "fromstr": "me",
            "version": "3", "pkglist": [{"name": "c", "shortname": "s", "packages": [{"name": "a", "sum_type": "sha1"}]}],
            "references": []}"#;
        let (one, other) = (read(one.as_bytes()).unwrap(), read(other.as_bytes()).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.version, "3");
    }

    #[test]
    fn what_is_none_is_refused() {
        for (file, message) in [
            ("nonsense", "JSON file is expected"),
            ("[]", "must be specified"),
            (r#"{"id": "A"}"#, "must be specified"),
            (
                r#"{"id": "A", "updated": "1", "issued": "1", "pkglist": [{"packages": [{"sum_type": "crc"}]}]}"#,
                "unsupported checksum type",
            ),
        ] {
            let error = read(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{file}: {error}");
        }
    }
}
