//! `fields` and `exclude_fields`: which keys of an answer a client wants.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Query;

/// Which fields an answer shows. Unknown names select nothing, as in Pulp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelection {
    only: Option<BTreeSet<String>>,
    without: BTreeSet<String>,
}

impl FieldSelection {
    /// Reads both parameters: comma lists, which may be given more than once.
    pub fn parse(query: &Query) -> Self {
        let only = names(query, "fields");
        Self { only: (!only.is_empty()).then_some(only), without: names(query, "exclude_fields") }
    }

    /// Whether a field is shown.
    pub fn shows(&self, field: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(field)) && !self.without.contains(field)
    }

    /// Whether the client asks for a field by its name.
    pub(crate) fn names(&self, field: &str) -> bool {
        self.only.is_some() && self.shows(field)
    }

    /// Whether every field is shown.
    pub fn is_everything(&self) -> bool {
        self.only.is_none() && self.without.is_empty()
    }

    /// Drops what is not wanted from one object of an answer.
    pub fn apply(&self, object: &mut Map<String, Value>) {
        if !self.is_everything() {
            object.retain(|field, _| self.shows(field));
        }
    }
}

fn names(query: &Query, parameter: &str) -> BTreeSet<String> {
    let lists = query.all(parameter).flat_map(|list| list.split(','));
    lists.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn left(raw: &str) -> Vec<String> {
        let Value::Object(mut object) = json!({"name": 1, "pulp_href": 2, "prn": 3}) else { unreachable!() };
        FieldSelection::parse(&Query::parse(Some(raw)).unwrap()).apply(&mut object);
        object.keys().cloned().collect()
    }

    #[test]
    fn fields_keep_and_exclude_fields_drop() {
        assert_eq!(left(""), ["name", "prn", "pulp_href"]);
        assert_eq!(left("fields=name,prn"), ["name", "prn"]);
        assert_eq!(left("fields=name&fields=prn"), ["name", "prn"]);
        assert_eq!(left("exclude_fields=name"), ["prn", "pulp_href"]);
        assert_eq!(left("fields=name,prn&exclude_fields=prn"), ["name"]);
        assert_eq!(left("fields=nonesuch"), Vec::<String>::new());
        assert_eq!(left("fields="), ["name", "prn", "pulp_href"]);
    }
}
