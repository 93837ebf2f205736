//! Units from a `comps.xml` that a client uploaded.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions::{self, find_or_make};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::metadata::comps::{self, Comps};
use crate::models::{PackageCategory, PackageEnvironment, PackageGroup, PackageLangpacks, RpmRepository};
use crate::settings::RpmSettings;
use crate::sync::reading::{Waiting, apart, text};
use crate::sync::units::CompsUnits;

/// Makes units of a `comps.xml`, and may put them into a repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::CompsUpload)]
pub struct UploadComps {
    /// The file.
    pub artifact: Uuid,
    /// The repository.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub repository: Option<Ref<RpmRepository>>,
    /// Whether the units take the place of those that are in the repository.
    #[serde(default)]
    #[schema(default = false)]
    pub replace: bool,
}

/// The kinds of units that a file makes.
const KINDS: [&str; 4] = ["rpm.packagecategory", "rpm.packageenvironment", "rpm.packagegroup", "rpm.packagelangpacks"];

impl Task for UploadComps {
    const TYPE: &'static str = "rpm/comps-uploads";
    const NAME: &'static str = "pulp_rpm.app.tasks.comps.upload_comps";
    // Whoever may upload a file does so at `rpm/comps/`.
    const ENDPOINT: bool = false;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        match &self.repository {
            Some(repository) => repository.find(app.db.read(), "repository").await.map(drop),
            None => Ok(()),
        }
    }

    fn locks(&self) -> Locks {
        self.repository.iter().fold(Locks::default(), Locks::exclusive)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let row = artifact::Entity::find_by_id(self.artifact).one(cx.db().read()).await?;
        let row = row.ok_or_else(|| Error::NotFound("The uploaded file is not there any more.".to_owned()))?;
        let invalid = |error: String| Error::invalid("file", error);
        let file = Waiting::of(cx.storage().read(&row.file, None).await?.body);
        let limits = RpmSettings::of(cx.app())?.limits();
        let text = text(file, "comps.xml".to_owned(), comps::LARGEST, limits)
            .await
            .map_err(|error| invalid(error.to_string()))?;
        let comps =
            apart(move || Comps::read(text.as_bytes()).map_err(|error| Error::invalid("file", error.to_string())))
                .await?;
        let units = CompsUnits::of(&comps)?;
        if comps.is_empty() {
            return Err(invalid("There are no groups, categories, environments or language packs in it.".to_owned()));
        }
        let tx = cx.db().write().await?;
        let mut made = Vec::new();
        make::<PackageLangpacks>(&cx, &tx, units.langpacks, &mut made).await?;
        make::<PackageCategory>(&cx, &tx, units.categories, &mut made).await?;
        make::<PackageEnvironment>(&cx, &tx, units.environments, &mut made).await?;
        make::<PackageGroup>(&cx, &tx, units.groups, &mut made).await?;
        let Some(repository) = &self.repository else { return tx.commit().await };
        let mut version = NewVersion::open(&tx, repository.id).await?;
        if self.replace {
            let of_comps = Query::select()
                .column(content::Column::PulpId)
                .from(content::Entity)
                .and_where(content::Column::PulpType.is_in(KINDS))
                .and_where(content::Column::PulpId.in_subquery(version.content_ids()))
                .take();
            version.remove_selected(of_comps).await?;
        }
        version.add(&made).await?;
        let version = version.complete().await?;
        versions::finish(&cx, tx, version).await
    }
}

register!(TaskKind::of::<UploadComps>());

async fn make<C: Content>(
    cx: &TaskCx,
    tx: &pulpcore::db::WriteTx,
    units: Vec<C::Model>,
    made: &mut Vec<Uuid>,
) -> Result<()> {
    for unit in units {
        let (id, _) = find_or_make::<C>(tx, cx.domain(), unit).await?;
        cx.created_in(tx, &Ref::<C>::new(id)).await?;
        made.push(id);
    }
    Ok(())
}
