//! The process: what every request and every task can reach.

use std::ops::Deref;
use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::Credentials;
use crate::claims::Claims;
use crate::content::Guards;
use crate::db::{Db, DbConfig};
use crate::error::{Error, Result};
use crate::metrics::content::Traffic;
use crate::models::{artifact, domain};
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::storage::{Algorithm, Kept, Storage, StorageConfig};
use crate::sync::download::DownloadSettings;
use crate::tasking::Queue;
use crate::tasking::events::Feeds;
use crate::together::Together;

/// Database, storage, settings, queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The artifacts.
    pub storage: Storage,
    /// The settings.
    pub settings: Settings,
    /// What encrypts secrets at rest.
    pub secrets: Secrets,
    /// The task queue.
    pub queue: Queue,
    /// Events of tasks as they happen.
    pub(crate) feeds: Feeds,
    /// Who may log in.
    pub(crate) credentials: Credentials,
    /// Cancelled when the process was told to stop, before it takes no more connections.
    pub(crate) draining: CancellationToken,
    /// What the content service did.
    pub(crate) traffic: Traffic,
    /// Who may read what is distributed.
    pub(crate) guards: Arc<Guards>,
    /// Artifacts that are saved together.
    pub(crate) saving: Together<Kept, (artifact::Model, bool)>,
    /// Whose which part of the URL space is.
    pub(crate) claims: Claims,
    /// The key of the `default` domain.
    pub domain: Uuid,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Connects to what the settings name. The database must have been migrated.
    ///
    /// # Errors
    /// [`Error::Config`] if something that the settings name cannot be used.
    pub async fn open(settings: Settings) -> Result<Self> {
        let db = Self::connect(&settings).await?;
        Self::with(settings, db).await
    }

    /// Connects to the settings' database.
    ///
    /// # Errors
    /// [`Error::Config`] if this build cannot use such a database.
    pub async fn connect(settings: &Settings) -> Result<Db> {
        Db::connect(&DbConfig {
            url: settings.database_url.expose().to_owned(),
            pool_size: settings.database_pool_size,
            durable: settings.durable,
        })
        .await
    }

    /// Puts an app together around a database that is connected and migrated.
    ///
    /// # Errors
    /// [`Error::Config`] if something that the settings name cannot be used.
    pub async fn with(settings: Settings, db: Db) -> Result<Self> {
        let algorithms: Vec<Algorithm> = settings
            .allowed_content_checksums
            .iter()
            .map(|name| name.parse().map_err(|error| Error::Config(format!("allowed_content_checksums: {error}"))))
            .collect::<Result<_>>()?;
        let config = StorageConfig {
            root: settings.media_root.clone(),
            spool: settings.working_directory.clone(),
            durable: settings.durable,
            algorithms,
        };
        let storage = Storage::open_as(&settings.storage, config).await?;
        let secrets = match settings.is_edge() {
            true => Secrets::open_to_read(&settings.db_encryption_key)?,
            false => Secrets::open(&settings.db_encryption_key)?,
        };
        // The other columns are not everybody's to read.
        let default = domain::Entity::find().select_only().column(domain::Column::PulpId);
        let default = default.filter(domain::Column::Name.eq("default")).into_tuple().one(db.read()).await?;
        let domain: Uuid =
            default.ok_or_else(|| Error::Config("the database has no 'default' domain: migrate it".to_owned()))?;
        let credentials = Credentials::new(settings.credential_cache_seconds);
        let claims = Claims::of(&settings)?;
        let queue = Queue::new(db.clone());
        let guards = Guards::hearing(&db);
        Ok(Self(Arc::new(Parts {
            db,
            storage,
            settings,
            secrets,
            queue,
            feeds: Feeds::new(),
            credentials,
            guards,
            saving: Together::default(),
            claims,
            domain,
            draining: CancellationToken::new(),
            traffic: Traffic::default(),
        })))
    }

    /// What downloads may do, whoever asks for them.
    pub fn download_settings(&self) -> DownloadSettings {
        DownloadSettings {
            allowed_import_paths: self.settings.allowed_import_paths.clone(),
            ..DownloadSettings::default()
        }
    }
}
