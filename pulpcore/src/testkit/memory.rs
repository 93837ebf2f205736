//! How much memory a process takes.

use std::fs::read_to_string;
use std::io;

/// The most memory that a process has held at a time, in bytes: `VmHWM` in proc(5).
///
/// # Errors
/// If there is no such process, or the system does not tell.
pub fn peak_memory(process: u32) -> io::Result<u64> {
    let status = read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().map_err(io::Error::other)?;
    Ok(kib * 1024)
}
