//! The system's monotonic clock: the one behind Python's `time.monotonic_ns`.

/// Nanoseconds since an arbitrary start that all processes of this machine share.
#[cfg(target_os = "macos")]
pub fn monotonic_ns() -> u64 {
    // SAFETY: takes no pointer and touches no memory of ours.
    unsafe { libc::clock_gettime_nsec_np(libc::CLOCK_UPTIME_RAW) }
}

/// Nanoseconds since an arbitrary start that all processes of this machine share.
#[cfg(not(target_os = "macos"))]
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec that lives across the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
