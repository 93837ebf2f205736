//! Packages: what a header says, and where metadata found the file.

use pulpcore::models::{artifact, content, content_artifact};
use pulpcore::plugin::{Content, Detail, Filters};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait, Query};

use crate::json::Raw;
use crate::serializers::{CHECKSUM_TYPES, PackageBody};

/// One row. The lists are JSON as clients see them (see [`PackageBody`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_package")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The name.
    pub name: String,
    /// The epoch: digits.
    pub epoch: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture; `src` for a source package.
    pub arch: String,
    /// The three of them as a text that sorts as rpm does ([`evr::sort_key`]).
    pub evr: String,
    /// The digest of the file, in lower-case hex.
    #[sea_orm(column_name = "pkgId")]
    pub pkg_id: String,
    /// Which digest that is: `sha256`.
    pub checksum_type: String,
    /// One line about it.
    pub summary: String,
    /// More about it.
    pub description: String,
    /// Its home page.
    pub url: String,
    /// Who changed what: `[author, seconds since 1970, text]`, the oldest first.
    pub changelogs: Raw,
    /// Its files: `[type, folder, name]`; the type is null, `dir` or `ghost`.
    pub files: Raw,
    /// What it needs: `[name, flags, epoch, version, release, pre]`.
    pub requires: Raw,
    /// What it offers.
    pub provides: Raw,
    /// What it cannot be beside.
    pub conflicts: Raw,
    /// What it replaces.
    pub obsoletes: Raw,
    /// What it goes well with (weak).
    pub suggests: Raw,
    /// What it makes better (weak).
    pub enhances: Raw,
    /// What should come with it.
    pub recommends: Raw,
    /// What it should come with.
    pub supplements: Raw,
    /// What its location is relative to, if it is not the repository.
    pub location_base: String,
    /// Where metadata found it.
    pub location_href: String,
    /// The machine that built it.
    pub rpm_buildhost: String,
    /// The group.
    pub rpm_group: String,
    /// The licence.
    pub rpm_license: String,
    /// Who packaged it.
    pub rpm_packager: String,
    /// The source package that it was built from; empty for a source package.
    pub rpm_sourcerpm: String,
    /// Who distributes it.
    pub rpm_vendor: String,
    /// Where its header begins in the file.
    pub rpm_header_start: Option<i64>,
    /// Where its header ends.
    pub rpm_header_end: Option<i64>,
    /// The size of the payload, unpacked, in bytes.
    pub size_archive: Option<i64>,
    /// The size of its files.
    pub size_installed: Option<i64>,
    /// The size of the file.
    pub size_package: Option<i64>,
    /// When it was built, in seconds since 1970.
    pub time_build: Option<i64>,
    /// When the file was changed.
    pub time_file: Option<i64>,
    /// Whether a module holds it.
    pub is_modular: bool,
    /// Who signed it, if that is known: a list of key ids.
    pub signing_keys: Option<Raw>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// `name-epoch:version-release.arch`, with the epoch also where it is 0: how modules name what they hold.
    pub fn nevra(&self) -> String {
        nevra(&self.name, &self.epoch, &self.version, &self.release, &self.arch)
    }
}

/// `name-epoch:version-release.arch`.
pub(crate) fn nevra(name: &str, epoch: &str, version: &str, release: &str, arch: &str) -> String {
    format!("{name}-{epoch}:{version}-{release}.{arch}")
}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.package";
    const MODEL: &'static str = "Package";
    const ENDPOINT: &'static str = "packages";
    type Body = PackageBody;

    fn read(row: &Model) -> PackageBody {
        PackageBody::of(row)
    }

    /// All of it stands in the file.
    fn write(_row: &mut Model, _body: PackageBody) {}

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Name, &["", "in", "ne", "contains", "startswith"])
            .lookups(C::Epoch, &["", "in", "ne"])
            .lookups(C::Version, &["", "in", "ne"])
            .lookups(C::Release, &["", "in", "ne", "contains", "startswith"])
            .lookups(C::Arch, &["", "in", "ne", "contains", "startswith"])
            .lookups(C::PkgId, &["", "in"])
            .choice(C::ChecksumType, CHECKSUM_TYPES)
            .lookups(C::ChecksumType, &["in", "ne"])
            .custom("sha256", |text, _| Ok(with_file(artifact::Column::Sha256.eq(text))))
            .custom("filename", |text, _| Ok(with_file(content_artifact::Column::RelativePath.eq(text))))
            .custom("signing_key", |text, _| {
                // The keys are a list of JSON strings: the quotes keep one from being found in another.
                let key = serde_json::to_string(text)?.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                let like = sea_orm::sea_query::LikeExpr::new(format!("%{key}%")).escape('\\');
                Ok(Condition::all().add(Expr::col((Entity, C::SigningKeys)).like(like)))
            })
            .ordered(&[
                C::Arch,
                C::Changelogs,
                C::ChecksumType,
                C::Conflicts,
                C::Description,
                C::Enhances,
                C::Epoch,
                C::Evr,
                C::Files,
                C::IsModular,
                C::LocationBase,
                C::LocationHref,
                C::Name,
                C::Obsoletes,
                C::PkgId,
                C::Provides,
                C::Recommends,
                C::Release,
                C::Requires,
                C::RpmBuildhost,
                C::RpmGroup,
                C::RpmHeaderEnd,
                C::RpmHeaderStart,
                C::RpmLicense,
                C::RpmPackager,
                C::RpmSourcerpm,
                C::RpmVendor,
                C::SigningKeys,
                C::SizeArchive,
                C::SizeInstalled,
                C::SizePackage,
                C::Suggests,
                C::Summary,
                C::Supplements,
                C::TimeBuild,
                C::TimeFile,
                C::Url,
                C::Version,
            ])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[
        Column::PulpDomainId,
        Column::PkgId,
        Column::Name,
        Column::Epoch,
        Column::Version,
        Column::Release,
        Column::Arch,
        Column::ChecksumType,
    ];
    const REPO_KEY: &'static [Column] =
        &[Column::Name, Column::Epoch, Column::Version, Column::Release, Column::Arch, Column::LocationHref];
}

/// Packages with a file of which this is true.
fn with_file(condition: sea_orm::sea_query::SimpleExpr) -> Condition {
    let files = Query::select()
        .column((content_artifact::Entity, content_artifact::Column::ContentId))
        .from(content_artifact::Entity)
        .left_join(
            artifact::Entity,
            Expr::col((artifact::Entity, artifact::Column::PulpId))
                .equals((content_artifact::Entity, content_artifact::Column::ArtifactId)),
        )
        .and_where(condition)
        .take();
    Condition::all().add(Column::ContentPtrId.in_subquery(files))
}
