//! Which packages of a version are published, where they stand, and by which checksums.
//!
//! A repository may hold packages that clients could not tell apart: two builds of one name, epoch, version, release and
//! architecture, or two files that would stand at one path. The one with the newer epoch, then with the later build, is
//! published.

use std::collections::HashMap;

use futures::TryStreamExt;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository_version;
use pulpcore::plugin::TaskCx;
use sea_orm::entity::prelude::*;
use sea_orm::{FromQueryResult, Statement};

use crate::nevra::Nevra;
use crate::serializers::Layout;
use crate::tasks::publish::How;

/// A package that is published. There may be hundreds of thousands of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The unit.
    pub(super) content: Uuid,
    /// Its file: a content artifact.
    pub(super) file: Uuid,
    /// Where the file stands.
    pub(super) path: String,
    /// The checksum of the asked kind, if the file is here and is not known by it anyway.
    pub(super) digest: Option<String>,
}

/// What the database says of a package before it is chosen.
#[derive(Clone, Debug, Default, FromQueryResult)]
struct Row {
    content: Uuid,
    file: Uuid,
    relative_path: String,
    name: String,
    epoch: String,
    version: String,
    release: String,
    arch: String,
    evr: String,
    pkg_id: String,
    time_build: i64,
    /// The digest of the asked kind, if the file is here.
    digest: Option<String>,
}

/// How many texts a candidate has.
const TEXTS: usize = 9;

/// The same in a quarter of the memory: its texts one behind the other.
#[derive(Clone, Debug)]
struct Candidate {
    content: Uuid,
    file: Uuid,
    time_build: i64,
    texts: Box<str>,
    /// Where each of them ends.
    ends: [usize; TEXTS],
}

impl From<Row> for Candidate {
    fn from(row: Row) -> Self {
        let name = row.relative_path.rsplit('/').next().unwrap_or_default();
        let digest = row.digest.as_deref().unwrap_or_default();
        let texts: [&str; TEXTS] =
            [&row.name, &row.epoch, &row.version, &row.release, &row.arch, &row.evr, &row.pkg_id, name, digest];
        let mut end = 0;
        let ends = texts.map(|text| {
            end += text.len();
            end
        });
        Self { content: row.content, file: row.file, time_build: row.time_build, texts: texts.concat().into(), ends }
    }
}

impl Candidate {
    fn text(&self, nth: usize) -> &str {
        let begin = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[begin..self.ends[nth]]
    }

    fn nevra(&self) -> Nevra<'_> {
        let [name, epoch, version, release, arch] = [0, 1, 2, 3, 4].map(|nth| self.text(nth));
        Nevra { name, epoch, version, release, arch }
    }

    fn pkg_id(&self) -> &str {
        self.text(6)
    }

    fn digest(&self) -> Option<&str> {
        Some(self.text(8)).filter(|digest| !digest.is_empty())
    }

    /// By what they are sorted.
    fn order(&self) -> impl Ord {
        (self.text(0), self.text(5), self.text(4), self.pkg_id(), self.content, self.file)
    }

    /// Whether this one stays where `other`, which comes later, would take its place.
    fn beats(&self, other: &Self) -> bool {
        let epoch = |candidate: &Self| candidate.nevra().epoch.parse::<u64>().unwrap_or_default();
        (epoch(self), self.time_build) >= (epoch(other), other.time_build)
    }

    fn path(&self, layout: Layout) -> Result<String> {
        let name = Some(self.text(7)).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| self.nevra().file_name(), str::to_owned);
        let letter = name.chars().take(1).flat_map(char::to_lowercase).collect::<String>();
        Ok(match layout {
            Layout::Flat => format!("Packages/{name}"),
            Layout::NestedAlphabetically => format!("Packages/{letter}/{name}"),
            Layout::NestedByDigest => {
                let checksum = self.digest().unwrap_or(self.pkg_id());
                let begin = checksum.get(..6).ok_or_else(|| Error::internal("a checksum has six digits at least"))?;
                format!("Packages/{letter}/by-digest/{begin}-{name}")
            }
        })
    }

    fn chosen(&self, path: String) -> Chosen {
        let digest = self.digest().filter(|digest| *digest != self.pkg_id()).map(str::to_owned);
        Chosen { content: self.content, file: self.file, path, digest }
    }
}

/// The packages of a version, chosen, in the order of their names and versions.
pub(super) async fn packages(cx: &TaskCx, version: &repository_version::Model, how: &How) -> Result<Vec<Chosen>> {
    let db = cx.db().read();
    let asked = how.checksum_type.as_str();
    let sql = format!(
        "SELECT p.content_ptr_id AS content, c.pulp_id AS file, c.relative_path AS relative_path, p.name AS name, \
           p.epoch AS epoch, p.version AS version, p.release AS release, p.arch AS arch, p.evr AS evr, \
           p.\"pkgId\" AS pkg_id, COALESCE(p.time_build, 0) AS time_build, \
           a.{asked} AS digest \
         FROM core_repositorycontent m \
         JOIN rpm_package p ON p.content_ptr_id = m.content_id \
         JOIN core_contentartifact c ON c.content_id = m.content_id \
         LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE m.repository_id = $1 AND m.version_added <= $2 \
           AND (m.version_removed IS NULL OR m.version_removed > $2)"
    );
    let values = [version.repository_id.into(), version.number.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    // One by one: all rows at once, as the database's driver has them, would take several times the memory.
    let rows = Row::find_by_statement(statement).stream(db).await?;
    choose(rows.map_ok(Candidate::from).try_collect().await?, how.layout)
}

fn choose(mut candidates: Vec<Candidate>, layout: Layout) -> Result<Vec<Chosen>> {
    // Not by the database: its collation is its own affair.
    candidates.sort_unstable_by(|left, right| left.order().cmp(&right.order()));
    let paths = candidates.iter().map(|one| one.path(layout)).collect::<Result<Vec<String>>>()?;
    let kept = kept(&candidates, &paths);
    let all = candidates.into_iter().zip(paths).zip(kept);
    Ok(all.filter(|(_, kept)| *kept).map(|((one, path), _)| one.chosen(path)).collect())
}

/// Which of the candidates stay.
fn kept(candidates: &[Candidate], paths: &[String]) -> Vec<bool> {
    let mut kept = vec![false; candidates.len()];
    let mut by_name: HashMap<Nevra<'_>, usize> = HashMap::with_capacity(candidates.len());
    let mut by_path: HashMap<&str, usize> = HashMap::with_capacity(candidates.len());
    for (number, (candidate, path)) in candidates.iter().zip(paths).enumerate() {
        let rivals = [by_name.get(&candidate.nevra()), by_path.get(path.as_str())];
        let rivals: Vec<usize> = rivals.into_iter().flatten().copied().filter(|rival| kept[*rival]).collect();
        if rivals.iter().any(|rival| candidates[*rival].beats(candidate)) {
            continue;
        }
        for rival in rivals {
            kept[rival] = false;
        }
        kept[number] = true;
        by_name.insert(candidate.nevra(), number);
        by_path.insert(path, number);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, epoch: &str, built: i64) -> Row {
        Row {
            content: Uuid::now_v7(),
            name: name.to_owned(),
            epoch: epoch.to_owned(),
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            evr: format!("{epoch:0>5}"),
            pkg_id: format!("{built:0>64}"),
            relative_path: format!("some/where/{name}-1-1.noarch.rpm"),
            time_build: built,
            ..Row::default()
        }
    }

    fn chosen(rows: Vec<Row>, layout: Layout) -> Vec<Chosen> {
        choose(rows.into_iter().map(Candidate::from).collect(), layout).unwrap()
    }

    fn paths(rows: Vec<Row>, layout: Layout) -> Vec<String> {
        chosen(rows, layout).into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn packages_stand_where_the_layout_says() {
        let one = || vec![candidate("Bear", "0", 7)];
        assert_eq!(paths(one(), Layout::Flat), ["Packages/Bear-1-1.noarch.rpm"]);
        assert_eq!(paths(one(), Layout::NestedAlphabetically), ["Packages/b/Bear-1-1.noarch.rpm"]);
        assert_eq!(paths(one(), Layout::NestedByDigest), ["Packages/b/by-digest/000000-Bear-1-1.noarch.rpm"]);
        let unnamed = Row { relative_path: String::new(), ..candidate("bear", "1", 7) };
        assert_eq!(paths(vec![unnamed], Layout::Flat), ["Packages/bear-1-1.noarch.rpm"]);
    }

    #[test]
    fn a_package_is_published_by_the_asked_checksum_if_its_file_is_here() {
        let here = Row { digest: Some("abcdef".repeat(8)), ..candidate("a", "0", 1) };
        let known = Row { digest: Some(candidate("c", "0", 1).pkg_id), ..candidate("c", "0", 1) };
        let chosen = chosen(vec![candidate("b", "0", 1), here, known], Layout::Flat);
        let digests: Vec<_> = chosen.into_iter().map(|one| one.digest).collect();
        assert_eq!(digests, [Some("abcdef".repeat(8)), None, None]);
    }

    #[test]
    fn of_two_builds_of_one_name_the_later_is_published_and_of_two_epochs_at_one_path_the_newer() {
        let built = |rows: Vec<Row>| {
            let chosen = chosen(rows.clone(), Layout::Flat);
            let kept = rows.into_iter().filter(|row| chosen.iter().any(|one| one.content == row.content));
            kept.map(|row| row.time_build).collect::<Vec<_>>()
        };
        assert_eq!(built(vec![candidate("a", "0", 1), candidate("a", "0", 3), candidate("a", "0", 2)]), [3]);
        assert_eq!(built(vec![candidate("a", "2", 1), candidate("a", "10", 2), candidate("a", "0", 9)]), [2]);
        // In folders by digest the two do not meet.
        let both = vec![candidate("a", "0", 111_111), candidate("a", "1", 222_222)];
        let both: Vec<Row> = both.into_iter().map(|one| Row { pkg_id: one.time_build.to_string(), ..one }).collect();
        assert_eq!(chosen(both, Layout::NestedByDigest).len(), 2);
    }

    #[test]
    fn the_order_does_not_depend_on_the_databases() {
        let all =
            || vec![candidate("b", "0", 1), candidate("B", "0", 1), candidate("a", "0", 1), candidate("b", "1", 1)];
        let forward = paths(all(), Layout::Flat);
        let backward = paths(all().into_iter().rev().collect(), Layout::Flat);
        assert_eq!(forward, backward);
        assert_eq!(forward, ["Packages/B-1-1.noarch.rpm", "Packages/a-1-1.noarch.rpm", "Packages/b-1-1.noarch.rpm"]);
    }
}
