//! Checkpoints: publications that are kept, each below the time at which it was made.
//!
//! `<base path>/20250130T205339Z/…` is the checkpoint of the distribution's repository that was made in that second; a time
//! between two redirects to the earlier one, and the base path lists them all (Pulp, "Create and Distribute
//! Checkpoints"). A checkpoint is served like a distribution of its own whose base path ends in the time, so everything
//! behind the choice of the publication is the same for both.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sea_orm::FromQueryResult;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use uuid::Uuid;

use super::resolve::Source;
use super::{Ask, listing, text};
use crate::app::App;
use crate::db::{WriteTx, exec, rows};
use crate::error::{Error, Result};

/// How a time looks in a path, in UTC.
const STAMP: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// How many characters a stamp has.
const LENGTH: usize = 16;

/// What would end a path, or be decoded in it (RFC 3986, section 3.3).
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// What a path below a distribution of checkpoints leads to.
pub(super) enum Choice<'a> {
    /// A path below a checkpoint.
    Within(Source, &'a str),
    /// The list of all, or another address.
    Answer(Response),
    /// A time before the first checkpoint, in the future, or none.
    Nothing,
}

/// Chooses the checkpoint that a path below a distribution names; the path begins with no slash.
pub(super) async fn choose<'a>(app: &App, source: Source, path: &'a str, ask: &Ask<'_>) -> Result<Choice<'a>> {
    if path.is_empty() {
        return Ok(Choice::Answer(list(app, &source, ask).await?));
    }
    let (stamp, rest) = path.split_once('/').unwrap_or((path, ""));
    let rest = rest.trim_start_matches('/');
    let at = parse(stamp).filter(|at| *at <= OffsetDateTime::now_utc());
    let Some(at) = at else { return Ok(Choice::Nothing) };
    let Some(found) = latest(app, &source, at).await? else { return Ok(Choice::Nothing) };
    let made = stamp_of(found.pulp_created)?;
    let base_path = format!("{}/{made}", source.base_path);
    if made != stamp {
        let location = format!("{}{base_path}/{rest}", app.settings.content_path_prefix);
        let location = utf8_percent_encode(&location, ESCAPED).to_string();
        let location = HeaderValue::try_from(location).map_err(Error::internal)?;
        let answer = ([(header::LOCATION, location)], text(StatusCode::MOVED_PERMANENTLY)).into_response();
        return Ok(Choice::Answer(answer));
    }
    let checkpoint = Source {
        base_path,
        publication_id: Some(found.publication_id),
        pass_through: Some(found.pass_through),
        repository_id: Some(found.repository_id),
        number: Some(found.number),
        ..source
    };
    Ok(Choice::Within(checkpoint, rest))
}

/// Takes the mark from a repository's oldest checkpoints beyond `keep`. They stay publications.
///
/// # Errors
/// If the database fails.
pub(crate) async fn retain(tx: &WriteTx, repository: Uuid, keep: Option<i64>) -> Result<()> {
    let Some(keep) = keep else { return Ok(()) };
    let sql = format!(
        "UPDATE core_publication SET checkpoint = $1 WHERE pulp_id IN (\
           SELECT p.pulp_id FROM core_repositoryversion v JOIN core_publication p ON p.repository_version_id = v.pulp_id \
           WHERE v.repository_id = $2 AND p.checkpoint AND p.complete \
           ORDER BY p.pulp_created DESC, p.pulp_id DESC LIMIT {} OFFSET $3)",
        i64::MAX
    );
    exec(&**tx, &sql, vec![false.into(), repository.into(), keep.max(1).into()]).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Found {
    publication_id: Uuid,
    pulp_created: OffsetDateTime,
    pass_through: bool,
    repository_id: Uuid,
    number: i64,
}

/// The latest checkpoint that was made in the second of `at` or before.
async fn latest(app: &App, source: &Source, at: OffsetDateTime) -> Result<Option<Found>> {
    const SQL: &str = "SELECT p.pulp_id AS publication_id, p.pulp_created, p.pass_through, v.repository_id, v.number \
        FROM core_distribution d JOIN core_repositoryversion v ON v.repository_id = d.repository_id \
        JOIN core_publication p ON p.repository_version_id = v.pulp_id \
        WHERE d.pulp_id = $1 AND p.checkpoint AND p.complete AND p.pulp_created <= $2 \
        ORDER BY p.pulp_created DESC, p.pulp_id DESC LIMIT 1";
    let end = at.replace_microsecond(999_999).map_err(Error::internal)?;
    Ok(rows(app.db.read(), SQL, vec![source.distribution_id.into(), end.into()]).await?.pop())
}

/// All checkpoints, as folders. Two of one second are one: the later.
async fn list(app: &App, source: &Source, ask: &Ask<'_>) -> Result<Response> {
    #[derive(FromQueryResult)]
    struct Row {
        pulp_created: OffsetDateTime,
    }
    const SQL: &str = "SELECT p.pulp_created FROM core_distribution d \
        JOIN core_repositoryversion v ON v.repository_id = d.repository_id \
        JOIN core_publication p ON p.repository_version_id = v.pulp_id \
        WHERE d.pulp_id = $1 AND p.checkpoint AND p.complete ORDER BY p.pulp_created";
    let found: Vec<Row> = rows(app.db.read(), SQL, vec![source.distribution_id.into()]).await?;
    let mut folders = found
        .iter()
        .map(|row| Ok((format!("{}/", stamp_of(row.pulp_created)?), row.pulp_created)))
        .collect::<Result<Vec<_>>>()?;
    folders.dedup_by(|later, earlier| later.0 == earlier.0);
    let path = format!("{}{}/", app.settings.content_path_prefix, source.base_path);
    listing::folders(&path, folders, ask)
}

fn stamp_of(time: OffsetDateTime) -> Result<String> {
    time.to_offset(UtcOffset::UTC).format(STAMP).map_err(Error::internal)
}

fn parse(stamp: &str) -> Option<OffsetDateTime> {
    let time = (stamp.len() == LENGTH).then(|| PrimitiveDateTime::parse(stamp, STAMP).ok())?;
    time.map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_is_a_stamp() {
        let time = parse("20250130T205339Z").unwrap();
        assert_eq!(stamp_of(time).unwrap(), "20250130T205339Z");
        for other in [
            "",
            "20250130",
            "20250130T205339",
            "20250130T205339z",
            "20250130T205360Z",
            "20251330T205339Z",
            "20259928T092752Z",
            "+0250130T205339Z",
            "-0250130T205339Z",
            "2025013 T205339Z",
            "20250130T205339Zx",
            "２０２５",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
