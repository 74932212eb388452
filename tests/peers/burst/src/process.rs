//! What the system says about processes and the machine: processor time, memory, how busy it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::http::Failure;

/// The unit of processor time in `/proc`, on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has used with all its threads, in user and in kernel.
pub fn processor_time(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which is in parentheses and may hold anything.
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .map_or("", |(_, behind)| behind)
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    let (Some(user), Some(kernel)) = (ticks(11), ticks(12)) else {
        return Err(format!("/proc/{pid}/stat has another form than expected").into());
    };
    Ok(TICK * (user + kernel))
}

/// The most memory that a process has had resident, in bytes.
pub fn peak_memory(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kilobytes.ok_or("the system does not say how much memory a process had")? * 1024)
}

/// The system's load of the last minute.
pub fn load() -> Result<String, Failure> {
    let loads = fs::read_to_string("/proc/loadavg")?;
    Ok(loads.split(' ').next().unwrap_or_default().to_owned())
}

/// The share of all processors that was busy for a second, in percent.
pub async fn busy() -> Result<f64, Failure> {
    let (idle_before, all_before) = spent()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (idle, all) = spent()?;
    let all = (all - all_before).max(1.0);
    Ok(100.0 * (1.0 - (idle - idle_before) / all))
}

/// What all processors have spent: idle or waiting for a disk, and in all.
fn spent() -> Result<(f64, f64), Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let spent: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    let idle = spent.iter().skip(3).take(2).sum();
    Ok((idle, spent.iter().take(8).sum()))
}

/// What is in a folder, in bytes.
pub fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(file) => file.len(),
            Err(_) => 0,
        })
        .sum()
}
