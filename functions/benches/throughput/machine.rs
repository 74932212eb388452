//! The machine that figures are of, and what this process has had of it, as far as the system tells.

use std::fs;
use std::time::Duration;

/// The unit of `/proc/self/stat`, on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// The machine on one line.
pub fn told() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processors", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().filter(|load| !load.is_empty());
    format!(
        "on {cores} cores of {model}, load of the last minute {}",
        load.unwrap_or("unknown")
    )
}

/// Processor time of this process, in user and in kernel; nothing where the system does not tell.
pub fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which is in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}
