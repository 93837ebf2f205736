//! What every plugin must do.

mod common;
