//! Remotes: where content comes from and how to reach it.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Labels;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_remote")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The detail type, such as `file.file`.
    pub pulp_type: String,
    /// Its name, unique in a domain.
    pub name: String,
    /// The labels that users attached.
    pub pulp_labels: Labels,
    /// The address, without credentials.
    pub url: String,
    /// `immediate`, `on_demand` or `streamed`.
    pub policy: String,
    /// PEM certificates to trust instead of the system's.
    #[sea_orm(column_type = "Text", nullable)]
    pub ca_cert: Option<String>,
    /// PEM certificate to present.
    #[sea_orm(column_type = "Text", nullable)]
    pub client_cert: Option<String>,
    /// PEM key of the certificate, encrypted.
    #[sea_orm(column_type = "Text", nullable)]
    pub client_key: Option<String>,
    /// Whether the server's certificate must be valid.
    pub tls_validation: bool,
    /// A proxy to go through.
    pub proxy_url: Option<String>,
    /// Its user, encrypted.
    pub proxy_username: Option<String>,
    /// Its password, encrypted.
    pub proxy_password: Option<String>,
    /// User for basic authentication, encrypted.
    pub username: Option<String>,
    /// Password for basic authentication, encrypted.
    pub password: Option<String>,
    /// How often a failed download is tried again.
    pub max_retries: Option<i64>,
    /// Seconds for a whole download.
    pub total_timeout: Option<f64>,
    /// Seconds to get a connection.
    pub connect_timeout: Option<f64>,
    /// Seconds to connect a socket.
    pub sock_connect_timeout: Option<f64>,
    /// Seconds between two reads.
    pub sock_read_timeout: Option<f64>,
    /// Extra request headers: a list of one-entry maps.
    pub headers: Option<Json>,
    /// How many downloads run at once.
    pub download_concurrency: Option<i64>,
    /// Requests per second at most.
    pub rate_limit: Option<i64>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
