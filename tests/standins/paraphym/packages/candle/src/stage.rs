//! Output, one system call a piece, and the side file that says what was done when.

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::time::Duration;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, now: *mut Timespec) -> i32;
}

/// The clock that Python's `time.monotonic_ns` reads.
const MONOTONIC: i32 = if cfg!(target_vendor = "apple") { 8 } else { 1 };

pub fn monotonic_ns() -> i64 {
    let mut now = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    assert_eq!(unsafe { clock_gettime(MONOTONIC, &mut now) }, 0);
    now.seconds * 1_000_000_000 + now.nanoseconds
}

pub fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn is_on(name: &str) -> bool {
    set(name).as_deref() == Some("1")
}

pub fn wait_ms(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// On the clock of `monotonic_ns`; an instant that is past is not waited for.
pub fn wait_until(due_ns: i64) {
    std::thread::sleep(Duration::from_nanos((due_ns - monotonic_ns()).max(0) as u64));
}

/// Waits for what never comes, without using the processor.
pub fn deadlock() -> ! {
    loop {
        std::thread::park();
    }
}

pub struct Stage {
    side: Option<File>,
    crate_name: String,
}

impl Stage {
    pub fn from_env() -> Self {
        Stage {
            side: set("STANDIN_SIDE").map(|path| File::create(path).expect("the side file")),
            crate_name: set("STANDIN_CRATE").unwrap_or_else(|| "cyrup_candle".into()),
        }
    }

    /// Notes that something is done now.
    pub fn mark(&mut self, name: &str) {
        if let Some(side) = &mut self.side {
            writeln!(side, "{name} {}", monotonic_ns()).expect("the side file");
        }
    }

    pub fn out(&mut self, text: &str) {
        write_to(1, text.as_bytes());
    }

    pub fn err(&mut self, text: &str) {
        write_to(2, text.as_bytes());
    }

    /// A line of the log; a module that begins with `surrealdb` is a library's own.
    pub fn log(&mut self, level: &str, module: &str, message: &str) {
        let line = self.line(level, module, message);
        self.err(&line);
    }

    pub fn line(&self, level: &str, module: &str, message: &str) -> String {
        let target = if module.starts_with("surrealdb") {
            module.to_string()
        } else {
            format!("{}::{module}", self.crate_name)
        };
        format!("[2025-10-22T20:42:15Z {level:<5} {target}] {message}\n")
    }
}

fn write_to(descriptor: i32, bytes: &[u8]) {
    let mut stream = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    if stream.write_all(bytes).is_err() {
        std::process::exit(1);
    }
}
