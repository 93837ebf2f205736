//! Packages: what a header says, and where metadata found the file.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{artifact, content, content_artifact};
use pulpcore::plugin::{Content, Detail, Filters, Upload};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait, Query};

use crate::header::{BadPackage, OfFile, Rpm};
use crate::json::Raw;
use crate::nevra::Nevra;
use crate::package::Package;
use crate::serializers::{CHECKSUM_TYPES, PackageBody};
use crate::sync::reading::{Waiting, apart};
use crate::version;

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
    /// The three of them as a text that sorts as rpm does ([`version::sort_key`]).
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
    /// The row of a package. Where it stands in a repository is the repository's affair: its location is its own name.
    ///
    /// # Errors
    /// Never: a package has JSON.
    pub fn of(package: &Package) -> Result<Self> {
        let name = Nevra {
            name: &package.name,
            epoch: &package.epoch,
            version: &package.version,
            release: &package.release,
            arch: &package.arch,
        };
        Ok(Self {
            name: package.name.clone(),
            epoch: package.epoch.clone(),
            version: package.version.clone(),
            release: package.release.clone(),
            arch: package.arch.clone(),
            // In hexadecimal, so that every collation agrees.
            evr: hex::encode(version::sort_key(&package.epoch, &package.version, &package.release)),
            pkg_id: package.pkg_id.clone(),
            checksum_type: if package.checksum_type == "sha" {
                "sha1".to_owned()
            } else {
                package.checksum_type.clone()
            },
            summary: package.summary.clone(),
            description: package.description.clone(),
            url: package.url.clone(),
            changelogs: Raw::of(&package.changelogs)?,
            files: Raw::of(&package.files)?,
            requires: Raw::of(&package.requires)?,
            provides: Raw::of(&package.provides)?,
            conflicts: Raw::of(&package.conflicts)?,
            obsoletes: Raw::of(&package.obsoletes)?,
            suggests: Raw::of(&package.suggests)?,
            enhances: Raw::of(&package.enhances)?,
            recommends: Raw::of(&package.recommends)?,
            supplements: Raw::of(&package.supplements)?,
            location_base: String::new(),
            location_href: name.file_name(),
            rpm_buildhost: package.rpm_buildhost.clone(),
            rpm_group: package.rpm_group.clone(),
            rpm_license: package.rpm_license.clone(),
            rpm_packager: package.rpm_packager.clone(),
            rpm_sourcerpm: package.rpm_sourcerpm.clone(),
            rpm_vendor: package.rpm_vendor.clone(),
            rpm_header_start: Some(package.rpm_header_start),
            rpm_header_end: Some(package.rpm_header_end),
            size_archive: Some(package.size_archive),
            size_installed: Some(package.size_installed),
            size_package: Some(package.size_package),
            time_build: Some(package.time_build),
            time_file: Some(package.time_file),
            ..Self::default()
        })
    }

    /// The package again, as metadata is made of it.
    ///
    /// # Errors
    /// If the row does not hold what was written.
    pub fn package(self) -> Result<Package> {
        Ok(Package {
            changelogs: self.changelogs.read()?,
            files: self.files.read()?,
            requires: self.requires.read()?,
            provides: self.provides.read()?,
            conflicts: self.conflicts.read()?,
            obsoletes: self.obsoletes.read()?,
            suggests: self.suggests.read()?,
            enhances: self.enhances.read()?,
            recommends: self.recommends.read()?,
            supplements: self.supplements.read()?,
            name: self.name,
            epoch: self.epoch,
            version: self.version,
            release: self.release,
            arch: self.arch,
            pkg_id: self.pkg_id,
            checksum_type: self.checksum_type,
            summary: self.summary,
            description: self.description,
            url: self.url,
            location_base: self.location_base,
            location_href: self.location_href,
            rpm_buildhost: self.rpm_buildhost,
            rpm_group: self.rpm_group,
            rpm_license: self.rpm_license,
            rpm_packager: self.rpm_packager,
            rpm_sourcerpm: self.rpm_sourcerpm,
            rpm_vendor: self.rpm_vendor,
            rpm_header_start: self.rpm_header_start.unwrap_or_default(),
            rpm_header_end: self.rpm_header_end.unwrap_or_default(),
            size_archive: self.size_archive.unwrap_or_default(),
            size_installed: self.size_installed.unwrap_or_default(),
            size_package: self.size_package.unwrap_or_default(),
            time_build: self.time_build.unwrap_or_default(),
            time_file: self.time_file.unwrap_or_default(),
        })
    }

    /// `name-epoch:version-release.arch`, with the epoch also where it is 0: how modules name what they hold.
    pub fn nevra(&self) -> String {
        nevra(&self.name, &self.epoch, &self.version, &self.release, &self.arch)
    }
}

/// `name-epoch:version-release.arch`.
pub(crate) fn nevra(name: &str, epoch: &str, version: &str, release: &str, arch: &str) -> String {
    Nevra { name, epoch, version, release, arch }.to_string()
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

    async fn from_post(app: &App, body: PackageBody, file: Option<&artifact::Model>) -> Result<Upload<Model>> {
        let file = file.ok_or_else(|| Error::invalid("file", "This field is required."))?;
        let bytes = Waiting::of(app.storage.read(&file.file, None).await?.body);
        let known = OfFile {
            pkg_id: file.sha256.clone(),
            checksum_type: "sha256".to_owned(),
            location_href: String::new(),
            size: file.size.unsigned_abs(),
            time: file.pulp_created.unix_timestamp(),
        };
        let (package, signers) = apart(move || {
            let invalid = |error: BadPackage| Error::invalid("file", format!("RPM file cannot be parsed: {error}"));
            let mut bytes = std::io::BufReader::new(bytes);
            let rpm = Rpm::read(&mut bytes).map_err(invalid)?;
            rpm.verify_payload(&mut bytes).map_err(invalid)?;
            let mut package = rpm.package(known).map_err(invalid)?;
            package.condense(KEPT_CHANGELOGS);
            Ok((package, rpm.signing_keys().map_err(invalid)?))
        })
        .await?;
        let mut row = Model::of(&package)?;
        row.signing_keys = if signers.is_empty() { None } else { Some(Raw::of(&signers)?) };
        let relative_path = body.relative_path.unwrap_or_else(|| row.location_href.clone());
        Ok(Upload { row, relative_path })
    }
}

/// How many changes of a package are kept, as in Pulp (`KEEP_CHANGELOG_LIMIT`).
pub(crate) const KEPT_CHANGELOGS: Option<usize> = Some(10);

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
