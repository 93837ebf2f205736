//! Who is asking: basic authentication (RFC 7617) against the users' table.
//!
//! A password check is made to be slow, and clients of the API send their password with every request. So a password
//! that was verified is remembered for a moment ([`Credentials`]), as a keyed hash beside the stored password that it
//! was verified against. What is stored is read anew at least every second: a changed password, or a user who may no
//! longer log in, is effective at once if this process changed it, and a second later if another one did.

mod basic;
mod credentials;
mod password;
mod permission;
mod users;

pub(crate) use self::basic::Refused;
pub use self::credentials::Credentials;
#[cfg(feature = "testkit")]
pub(crate) use self::password::hash_cheaply;
pub use self::password::hash_password;
pub(crate) use self::permission::{downloader, may_download};
#[cfg(feature = "testkit")]
pub(crate) use self::users::insert_admin;
pub use self::users::{ADMIN, ensure_admin, random_password, set_password};
