//! What `comps` says: groups, categories, environments, language packs. A sync and `comps/` make them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;

/// A group of packages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::PackageGroup)]
pub struct PackageGroupBody {
    /// PackageGroup id.
    pub id: String,
    /// PackageGroup default.
    #[serde(default)]
    #[schema(required = false)]
    pub default: bool,
    /// PackageGroup user visibility.
    #[serde(default)]
    #[schema(required = false)]
    pub user_visible: bool,
    /// PackageGroup display order.
    #[schema(required = true)]
    pub display_order: Option<i64>,
    /// PackageGroup name.
    pub name: String,
    /// PackageGroup description.
    pub description: String,
    /// PackageGroup package list.
    #[schema(nullable = true)]
    pub packages: Raw,
    /// PackageGroup biarch only.
    #[serde(default)]
    #[schema(required = false)]
    pub biarch_only: bool,
    /// PackageGroup description by language.
    #[schema(nullable = true)]
    pub desc_by_lang: Raw,
    /// PackageGroup name by language.
    #[schema(nullable = true)]
    pub name_by_lang: Raw,
    /// PackageGroup digest.
    pub digest: String,
}

/// A category of groups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::PackageCategory)]
pub struct PackageCategoryBody {
    /// Category id.
    pub id: String,
    /// Category name.
    pub name: String,
    /// Category description.
    pub description: String,
    /// Category display order.
    #[schema(required = true)]
    pub display_order: Option<i64>,
    /// Category group list.
    #[schema(nullable = true)]
    pub group_ids: Raw,
    /// Category description by language.
    #[schema(nullable = true)]
    pub desc_by_lang: Raw,
    /// Category name by language.
    #[schema(nullable = true)]
    pub name_by_lang: Raw,
    /// Category digest.
    pub digest: String,
}

/// A set of groups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::PackageEnvironment)]
pub struct PackageEnvironmentBody {
    /// Environment id.
    pub id: String,
    /// Environment name.
    pub name: String,
    /// Environment description.
    pub description: String,
    /// Environment display order.
    #[schema(required = true)]
    pub display_order: Option<i64>,
    /// Environment group list.
    #[schema(nullable = true)]
    pub group_ids: Raw,
    /// Environment option ids
    #[schema(nullable = true)]
    pub option_ids: Raw,
    /// Environment description by language.
    #[schema(nullable = true)]
    pub desc_by_lang: Raw,
    /// Environment name by language.
    #[schema(nullable = true)]
    pub name_by_lang: Raw,
    /// Environment digest.
    pub digest: String,
}

/// Language packs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::PackageLangpacks)]
pub struct PackageLangpacksBody {
    /// Langpacks matches.
    #[schema(nullable = true)]
    pub matches: Raw,
    /// Langpacks digest.
    #[schema(nullable = true)]
    pub digest: String,
}
