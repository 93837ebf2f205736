//! The metadata of repositories, in and out: pure readers and writers, nothing of databases or networks.
//!
//! | file | module | what a reader yields |
//! | --- | --- | --- |
//! | `repomd.xml` | [`repomd`] | the whole |
//! | `primary`, `filelists`, `other` | [`packages`] | a package at a time, of all three in step |
//! | `updateinfo` | [`updateinfo`] | an advisory at a time |
//! | `group` (comps) | [`comps`] | the whole |
//! | `modules` | [`modules`] | a document at a time |
//! | `productid` and others | none | they are kept as bytes |
//!
//! What is written is createrepo_c's dialect to the byte (but for the times), so that whoever reads one reads the other. Readers
//! go on where nothing is lost (unknown elements, missing values), refuse what is no XML, and never hold more than one
//! record; a record is bounded in bytes, and with them everything in it.

pub mod comps;
pub mod modules;
pub mod packages;
pub mod repomd;
pub mod repository;
mod source;
mod text;
pub mod updateinfo;

#[cfg(test)]
mod fuzz;

/// The largest record (a package in one of its files, an advisory), in bytes: a package of a million files.
pub const LARGEST_RECORD: usize = 128 * 1024 * 1024;

/// Why metadata cannot be read: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMetadata(pub String);

fn bad(message: impl Into<String>) -> BadMetadata {
    BadMetadata(message.into())
}
