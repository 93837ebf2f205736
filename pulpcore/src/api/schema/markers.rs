//! For `value_type`: schemas that no Rust type of a field has by itself.
//!
//! What is said of a field (`read_only`) is lost by utoipa where the type is `Object` or `Value`, and `format` cannot be
//! said of a list's items. A type with a schema of its own keeps both. None of these has a name in the document
//! ([`super::collect`]).

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! markers {
    ($($(#[$about:meta])* $name:ident = $schema:expr;)*) => {
        $($(#[$about])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: Object = $schema.build();
                schema.into()
            }
        }

        impl ToSchema for $name {})*
    };
}

markers! {
    /// The address of something.
    Uri = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uri".to_owned())));
    /// Text that is not empty.
    NonBlank = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    /// Text that is not empty and has 255 characters at most.
    ShortText = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    /// An object that may hold anything.
    AnyObject = ObjectBuilder::new();
    /// Anything.
    Anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
}
