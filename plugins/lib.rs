//! Assembly.
#[cfg(feature = "file")]
pub use pulp_file as file;
