//! Adding and removing files.

use pulpcore::api::bodies::yes;
use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use pulpcore::versions::Modification;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::FileRepository;

/// Adds files to a repository and removes files from it, which makes a version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::Add)]
pub struct Change {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<FileRepository>,
    /// The files to add.
    #[serde(default)]
    #[schema(required = false)]
    pub add_content_units: Vec<String>,
    /// The files to remove, before any is added; `*` stands for all.
    #[serde(default)]
    #[schema(required = false)]
    pub remove_content_units: Vec<String>,
    /// The version to begin with, instead of the latest.
    #[serde(default)]
    #[schema(nullable = false)]
    pub base_version: Option<VersionRef>,
    /// Whether a file may replace another at the same path.
    #[serde(default = "yes")]
    #[schema(default = true, required = false)]
    pub overwrite: bool,
}

impl Change {
    fn modification(&self) -> Modification {
        Modification {
            add_content_units: self.add_content_units.clone(),
            remove_content_units: self.remove_content_units.clone(),
            base_version: self.base_version.clone(),
            overwrite: self.overwrite,
        }
    }
}

impl Task for Change {
    const TYPE: &'static str = "file/adds";
    const NAME: &'static str = "pulp_file.app.tasks.modify.add_and_remove";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        self.repository.find(app.db.read(), "repository").await?;
        self.modification().check(app).await
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        self.modification().apply(&cx, self.repository.id).await?;
        Ok(())
    }
}

register!(TaskKind::of::<Change>());
