//! Core's own resources.

pub(crate) mod uploads;
