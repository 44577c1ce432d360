//! Work after generation that is no part of the answer, and what it takes of time and memory.

use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::events::{Event, emit_at};
use crate::failure::Result;

/// A first prefill that takes longer is not repeated.
const LONGEST_PREFILL: Duration = Duration::from_secs(20);

/// After so much time, no further prefill begins.
const ENOUGH: Duration = Duration::from_millis(500);

/// Repeats the prompt up to `count` times, unless the first time took too long. `prefill` computes it with an empty
/// cache up to a first token, and returns when that began and ended.
pub fn further_prefills(
    count: usize,
    first: Duration,
    mut prefill: impl FnMut() -> Result<(u64, u64)>,
) -> Result<()> {
    if count == 0 || first > LONGEST_PREFILL {
        return Ok(());
    }
    let peak_rss_bytes = peak_rss_bytes();
    let (begin_ns, cpu_s) = (monotonic_ns(), cpu_s());
    let mut prefills_ns = Vec::with_capacity(count);
    while prefills_ns.len() < count && Duration::from_nanos(monotonic_ns() - begin_ns) < ENOUGH {
        prefills_ns.push(prefill()?);
    }
    let cpu_s = self::cpu_s() - cpu_s;
    emit_at(
        monotonic_ns(),
        Event::Aside {
            begin_ns,
            cpu_s,
            peak_rss_bytes,
            prefills_ns: &prefills_ns,
        },
    )
}

/// User and system time of this process, all threads together.
fn cpu_s() -> f64 {
    let usage = usage();
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// The highest resident memory of this process so far. Linux's `ru_maxrss` begins with that of the parent.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    high_water_bytes(&status).unwrap_or_else(|| {
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        u64::try_from(usage().ru_maxrss).unwrap_or(0) * unit
    })
}

fn high_water_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn usage() -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: `usage` is large enough and lives across the call; a zeroed one is valid if the call fails.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(
            high_water_bytes("VmPeak:\t9 kB\nVmHWM:\t    12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(high_water_bytes("VmPeak:\t9 kB\n"), None);
    }

    #[test]
    fn memory_and_time_of_a_running_process_are_positive() {
        assert!(peak_rss_bytes() > 0);
        let before = cpu_s();
        while cpu_s() <= before {}
    }
}
