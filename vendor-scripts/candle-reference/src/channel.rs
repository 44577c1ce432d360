//! The private copy of standard output. File descriptor 1 itself is pointed at standard error, so that nothing a
//! library prints can fall between the lines.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;

static OUT: OnceLock<File> = OnceLock::new();

/// Whole lines that are not written yet.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Whether a thread writes what is held.
static HANDED_ON: OnceLock<bool> = OnceLock::new();

/// How long a line may be held back. Each write wakes who reads it, on a core that the model is computed on.
const HOLD: Duration = Duration::from_millis(250);

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

/// Writes what is held and one JSON line in a single write, so that lines of several threads don't mix.
pub fn write_line(value: &impl Serialize) -> io::Result<()> {
    let mut held = held();
    append(&mut held, value)?;
    flush(&mut held)
}

/// Holds one JSON line back until the next line is written, or a few times a second: a thread of its own writes it even
/// where the program hangs meanwhile.
pub fn hold_line(value: &impl Serialize) -> io::Result<()> {
    let mut held = held();
    append(&mut held, value)?;
    if *HANDED_ON.get_or_init(hand_on) {
        return Ok(());
    }
    flush(&mut held)
}

/// Writes what is held, unless this very thread is at it, and bytes that are the last lines; allocates nothing.
pub fn write_last(lines: &[u8]) -> io::Result<()> {
    if let Ok(mut held) = HELD.try_lock() {
        flush(&mut held)?;
    }
    out()?.write_all(lines)
}

fn hand_on() -> bool {
    let writer = thread::Builder::new().name("events".to_owned());
    let spawned = writer.spawn(|| {
        loop {
            thread::sleep(HOLD);
            if flush(&mut held()).is_err() {
                return;
            }
        }
    });
    spawned.is_ok()
}

fn append(held: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *held, value)?;
    held.push(b'\n');
    Ok(())
}

fn flush(held: &mut Vec<u8>) -> io::Result<()> {
    let written = out()?.write_all(held);
    held.clear();
    written
}

fn held() -> MutexGuard<'static, Vec<u8>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn out() -> io::Result<&'static File> {
    OUT.get()
        .ok_or_else(|| io::Error::other("standard output was never taken over"))
}
