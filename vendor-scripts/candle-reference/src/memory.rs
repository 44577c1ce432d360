//! Says so when memory runs out: Rust would abort with nothing on standard output.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

use crate::channel;
use crate::clock::monotonic_ns;

#[global_allocator]
static ALLOCATOR: Reporting = Reporting;

struct Reporting;

// SAFETY: every call is the system allocator's own; the only addition never returns.
unsafe impl GlobalAlloc for Reporting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        or_report(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        or_report(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`.
        or_report(unsafe { System.realloc(pointer, layout, size) }, size)
    }
}

fn or_report(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        report(size);
    }
    pointer
}

/// Writes from the stack: there is nothing left to allocate from.
fn report(size: usize) -> ! {
    let mut line = [0u8; 256];
    let room = line.len();
    let mut rest = &mut line[..];
    let t_ns = monotonic_ns();
    let written = writeln!(
        rest,
        r#"{{"t_ns":{t_ns},"ev":"error","kind":"oom","message":"no memory for {size} bytes","remedy":null}}"#
    )
    .and_then(|()| writeln!(rest, r#"{{"t_ns":{t_ns},"ev":"bye","reason":"error"}}"#));
    let used = room - rest.len();
    if written.is_ok() {
        // Nobody is left to tell if this fails too.
        let _ = channel::write_last(&line[..used]);
    }
    std::process::exit(1)
}
