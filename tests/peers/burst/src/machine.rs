//! The machine that it was measured on, as far as figures depend on it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::http::Failure;

/// How often a small write is waited for, to know the disk.
const SYNCS: usize = 200;
const BLOCK: [u8; 4096] = [7; 4096];

/// What was measured on.
#[derive(Debug, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    /// The file system of the folder that both sides write to.
    disk: String,
    sync_median_us: u128,
    sync_p99_us: u128,
}

impl Machine {
    /// This one. Its disk is that of the folder.
    pub fn here(folder: &Path) -> Result<Self, Failure> {
        let (sync_median_us, sync_p99_us) = syncs(folder)?;
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory()? / 1024 / 1024,
            kernel: said("uname", &["-sr"]),
            disk: disk(folder),
            sync_median_us,
            sync_p99_us,
        })
    }

    /// On two lines.
    pub fn told(&self) -> String {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            disk,
            ..
        } = self;
        format!(
            "{cores} cores of {processor}, {memory_gib} GiB, {kernel}. Disk: {disk}; 4 KB written and `fdatasync`ed \
             {SYNCS} times took {} µs each (median; p99 {} µs).",
            self.sync_median_us, self.sync_p99_us
        )
    }
}

/// How long the disk takes to keep 4 KB behind what is there: the median and the 99th percentile, in microseconds.
fn syncs(folder: &Path) -> Result<(u128, u128), Failure> {
    let path = folder.join("synced");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    drop(file);
    fs::remove_file(path)?;
    times.sort_unstable();
    let place = |percent: usize| times.get(SYNCS * percent / 100).map_or(0, Duration::as_micros);
    Ok((place(50), place(99)))
}

fn memory() -> Result<u64, Failure> {
    let total = field("/proc/meminfo", "MemTotal");
    Ok(total.trim_end_matches(" kB").parse()?)
}

/// The first field of that name in a file of the system's, or that it is unknown.
fn field(file: &str, name: &str) -> String {
    let content = fs::read_to_string(file).unwrap_or_default();
    let mut fields = content.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(key, _)| key.trim() == name);
    found.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn disk(folder: &Path) -> String {
    let folder = folder.display().to_string();
    let told = said("df", &["--output=source,fstype", &folder]);
    let words: Vec<_> = told
        .lines()
        .last()
        .unwrap_or("unknown")
        .split_whitespace()
        .collect();
    words.join(" ")
}

/// What a program says, in its first lines, or that it is unknown.
pub fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.ok().filter(|output| output.status.success());
    output.map_or("unknown".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
