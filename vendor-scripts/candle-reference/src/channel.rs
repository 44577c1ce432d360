//! The private copy of standard output. File descriptor 1 itself is pointed at standard error, so that nothing a
//! library prints can fall between the lines.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use serde::Serialize;

static OUT: OnceLock<File> = OnceLock::new();

/// Takes standard output over. Must be called once, before the first line.
pub fn open() -> io::Result<()> {
    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // SAFETY: both descriptors are open, and standard output's owner keeps the number 1.
    if unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    OUT.set(out)
        .map_err(|_| io::Error::other("standard output was taken over twice"))
}

/// Writes one JSON line in a single write, so that lines of several threads don't mix.
pub fn write_line(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write(&line)
}

/// Writes bytes that are a line already; allocates nothing.
pub fn write(line: &[u8]) -> io::Result<()> {
    let mut out: &File = OUT
        .get()
        .ok_or_else(|| io::Error::other("standard output was never taken over"))?;
    out.write_all(line)
}
