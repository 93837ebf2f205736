//! Domains. There is one, `default`; it cannot be changed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{list_of, object, one_of};
use crate::api::cx::Cx;
use crate::api::endpoint::Endpoint;
use crate::api::filters::Filters;
use crate::api::list;
use crate::api::shape;
use crate::error::Result;
use crate::models::domain;
use crate::settings::{Settings, StorageKind};

const NAMES: (&str, &str) = ("domains", "core.domain");

/// What may be shown of a storage's settings; anything else could be a secret.
const PUBLIC: &[&str] = &[
    "location",
    "base_url",
    "file_permissions_mode",
    "directory_permissions_mode",
    "bucket_name",
    "container",
    "endpoint_url",
    "region_name",
];

/// A domain, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// A name for this domain.
    #[schema(max_length = 50, pattern = "^[-a-zA-Z0-9_]+$")]
    name: String,
    /// An optional description.
    description: Option<String>,
    #[schema(required = false)]
    pulp_labels: BTreeMap<String, Option<String>>,
    /// Backend storage class for domain.
    storage_class: String,
    /// Settings for storage class.
    #[schema(value_type = Object)]
    storage_settings: Map<String, Value>,
    /// Boolean to have the content app redirect to object storage.
    #[schema(required = false, default = true)]
    redirect_to_object_storage: bool,
    /// Boolean to hide distributions with a content guard in the content app.
    #[schema(required = false, default = false)]
    hide_guarded_distributions: bool,
    /// An optional content-guard that is automatically assigned to new distributions.
    #[schema(format = "uri")]
    default_content_guard: Option<String>,
    /// The Pulp Resource Name (PRN) of the domain's default content-guard.
    #[schema(read_only, required = false, nullable = false)]
    default_content_guard_prn: Option<String>,
}

/// The operations on domains.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let response = || shape::core_response::<Body>("DomainResponse");
    vec![
        list_of::<domain::Entity>("domains/", "domains_list", filters(), read)
            .tagged("Domains")
            .about("List domains")
            .answers(200, shape::paginated(response())),
        one_of::<domain::Entity>("domains/{pulp_id}/", "domains_read", ("domain_href", "Domain"), read)
            .tagged("Domains")
            .about("Inspect a domain")
            .answers(200, response()),
    ]
}

fn filters() -> Filters {
    use domain::Column as C;
    let filters = Filters::new()
        .text(C::Name)
        .identity(C::PulpId)
        .ordered(&[
            C::PulpId,
            C::PulpCreated,
            C::PulpLastUpdated,
            C::Name,
            C::Description,
            C::PulpLabels,
            C::StorageClass,
            C::StorageSettings,
            C::RedirectToObjectStorage,
            C::HideGuardedDistributions,
        ])
        .ordered_as("pk", C::PulpId);
    list::label_select(filters, C::PulpLabels)
}

fn read(cx: &Cx, row: &domain::Model) -> Result<Map<String, Value>> {
    let mut settings = shown(&row.storage_settings);
    let (mut class, mut redirects) = (row.storage_class.clone(), row.redirect_to_object_storage);
    // The default domain's storage is what the process was started with.
    if row.pulp_id == cx.app.domain {
        class = storage_class(cx.app.settings.storage.kind).to_owned();
        redirects = cx.app.settings.redirect_to_object_storage;
        settings.extend(storage_settings(&cx.app.settings));
    }
    let body = Body {
        name: row.name.clone(),
        description: row.description.clone(),
        pulp_labels: row.pulp_labels.0.clone(),
        storage_class: class,
        storage_settings: settings,
        redirect_to_object_storage: redirects,
        hide_guarded_distributions: row.hide_guarded_distributions,
        default_content_guard: None,
        default_content_guard_prn: None,
    };
    object(&cx.reader(), NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
}

/// The class of a storage, as Pulp names it.
fn storage_class(kind: StorageKind) -> &'static str {
    match kind {
        StorageKind::Folder => "pulpcore.app.models.storage.FileSystem",
        StorageKind::S3 => "storages.backends.s3.S3Storage",
        StorageKind::Azure => "storages.backends.azure_storage.AzureStorage",
        StorageKind::Gcs => "storages.backends.gcloud.GoogleCloudStorage",
    }
}

/// What may be shown of the process's storage, by the names that django-storages gives it.
fn storage_settings(settings: &Settings) -> Map<String, Value> {
    let storage = &settings.storage;
    let shown = match storage.kind {
        StorageKind::Folder => json!({ "location": settings.media_root }),
        StorageKind::S3 => json!({
            "bucket_name": storage.bucket,
            "location": storage.prefix,
            "endpoint_url": storage.endpoint,
            "region_name": storage.region,
        }),
        StorageKind::Azure => json!({ "azure_container": storage.bucket, "location": storage.prefix }),
        StorageKind::Gcs => json!({ "bucket_name": storage.bucket, "location": storage.prefix }),
    };
    shown.as_object().cloned().unwrap_or_default()
}

/// Settings without what could be a secret; that such a thing is there is said, as everywhere.
fn shown(settings: &Value) -> Map<String, Value> {
    let (mut public, mut hidden) = (Map::new(), Vec::new());
    for (name, value) in settings.as_object().into_iter().flatten() {
        if PUBLIC.contains(&name.as_str()) {
            public.insert(name.clone(), value.clone());
        } else {
            hidden.push(json!({ "name": name, "is_set": !value.is_null() }));
        }
    }
    public.insert("hidden_fields".to_owned(), Value::Array(hidden));
    public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_storage_are_not_shown() {
        let shown = shown(&json!({"bucket_name": "b", "secret_key": "hunter2"}));
        assert_eq!(
            Value::Object(shown),
            json!({"bucket_name": "b", "hidden_fields": [{"name": "secret_key", "is_set": true}]})
        );
    }
}
