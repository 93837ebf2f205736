//! What happens in the background, one task a file.

mod add;
pub mod publish;
mod synchronize;
#[cfg(test)]
mod tests;

pub use self::add::Change;
pub use self::publish::Publish;
pub use self::synchronize::Synchronize;
