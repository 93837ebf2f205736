//! A registry of container images.

pub mod manifest;
pub mod registry;
