//! New files that have no name before they are whole: a crash leaves nothing of them, and making them keeps nobody from a
//! folder that all share.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat};
use rustix::io::Errno;

/// Makes a file in a folder of this one: `path` has one folder and a name. Says whether that folder had to be made.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if there is something under this name; [`ErrorKind::Unsupported`] if this way is closed: not
/// every filesystem has such files, and to name one takes `/proc`. If another way is, too, that one says why.
pub(super) fn create(parent: &File, path: &str, bytes: &[u8], sync: bool) -> io::Result<bool> {
    let closed = |_| ErrorKind::Unsupported;
    let (folder, _) = path.split_once('/').ok_or(ErrorKind::InvalidInput)?;
    let open = || openat(parent, folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::from(0o666));
    let (file, made) = match open() {
        Err(Errno::NOENT) => {
            let made = mkdirat(parent, folder, Mode::from(0o777));
            (open().map_err(closed)?, made.is_ok())
        }
        file => (file.map_err(closed)?, false),
    };
    let mut file = File::from(file);
    file.write_all(bytes)?;
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, unnamed, parent, path, AtFlags::SYMLINK_FOLLOW).map_err(|error| match error {
        Errno::EXIST => ErrorKind::AlreadyExists,
        error => closed(error),
    })?;
    if sync {
        // Only now: btrfs does not write down what has no name.
        file.sync_all()?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_appears_whole_once_and_its_folder_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let parent = File::open(folder.path()).unwrap();
        assert!(create(&parent, "ab/c", b"first", true).unwrap());
        assert!(!create(&parent, "ab/d", b"second", false).unwrap());
        assert_eq!(create(&parent, "ab/c", b"other", false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let read = |name| fs::read(folder.path().join(name)).unwrap();
        assert_eq!((read("ab/c"), read("ab/d")), (b"first".to_vec(), b"second".to_vec()));
        assert_eq!(fs::read_dir(folder.path().join("ab")).unwrap().count(), 2);
    }

    #[test]
    fn where_there_are_no_such_files_it_is_said() {
        let root = File::open("/").unwrap();
        assert_eq!(create(&root, "proc/file", b"", false).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
