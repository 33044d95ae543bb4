//! The program: its folder, its configuration, and what a run of it costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use erpsync::model::{Side, Sides};

use crate::sites::Address;

/// Requests in flight on each side: what erpsync does where nothing is configured.
pub const CONCURRENCY: usize = 4;

const STATE: &str = "sync_state.db";

/// How many ticks of processor time the kernel counts in a second.
const TICKS: u64 = 100;

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub wall: Duration,
    /// Of all processors, user and system, to a hundredth of a second.
    pub cpu: Duration,
    /// The most memory that it had at once, in bytes.
    pub memory: u64,
}

/// The program in a folder of its own.
pub struct Program {
    binary: PathBuf,
    folder: tempfile::TempDir,
}

impl Program {
    pub fn new() -> anyhow::Result<Self> {
        let here = std::env::current_exe()?;
        let target =
            here.parent().and_then(Path::parent).context("an example lives in a folder")?;
        let binary = target.join("erpsync");
        ensure!(binary.is_file(), "{} is not there: cargo build --release", binary.display());
        Ok(Self { binary, folder: tempfile::tempdir()? })
    }

    /// Writes `sync.toml`.
    pub fn configure(
        &self,
        addresses: &Sides<Address>,
        doctype: &str,
        more: &str,
    ) -> anyhow::Result<()> {
        let section = |side: Side| {
            let Address { url, api_key, api_secret } = &addresses[side];
            format!(
                "[{side}]\nurl = \"{url}\"\napi_key = \"{api_key}\"\napi_secret = \"{api_secret}\"\n\
                 concurrency = {CONCURRENCY}\n"
            )
        };
        let text = format!(
            "{}{}[sync]\ndoctypes = [\"{doctype}\"]\n{more}\n",
            section(Side::Cloud),
            section(Side::Local)
        );
        Ok(fs::write(self.folder.path().join("sync.toml"), text)?)
    }

    /// The state begins anew, or as it was kept.
    pub fn set_state(&self, kept: Option<&Path>) -> anyhow::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("{STATE}{suffix}");
            let here = self.folder.path().join(&name);
            if here.exists() {
                fs::remove_file(&here)?;
            }
            let there = kept.map(|kept| kept.join(&name)).filter(|there| there.exists());
            if let Some(there) = there {
                fs::copy(there, &here)?;
                // Else the program would wait for the disk to take the copy.
                fs::File::open(here)?.sync_all()?;
            }
        }
        Ok(())
    }

    /// Keeps the state in a folder.
    pub fn keep_state(&self, kept: &Path) -> anyhow::Result<()> {
        for suffix in ["", "-wal"] {
            let name = format!("{STATE}{suffix}");
            let here = self.folder.path().join(&name);
            if here.exists() {
                fs::copy(here, kept.join(&name))?;
            }
        }
        Ok(())
    }

    /// A pass over everything that is configured.
    pub fn run(&self) -> anyhow::Result<Cost> {
        let errors = fs::File::create(self.folder.path().join("errors"))?;
        let cpu_before = cpu_of_children()?;
        let start = Instant::now();
        let mut child = Command::new(&self.binary)
            .args(["sync-all", "--new-state", "--json"])
            .current_dir(self.folder.path())
            .env_remove("ERPSYNC_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()?;
        let is_over = AtomicBool::new(false);
        let pid = child.id();
        let (status, wall, memory) = std::thread::scope(|scope| -> anyhow::Result<_> {
            let memory = scope.spawn(|| watch_memory(pid, &is_over));
            let status = child.wait();
            let wall = start.elapsed();
            is_over.store(true, Ordering::Relaxed);
            let memory = memory.join().map_err(|_| anyhow::anyhow!("no memory figure"))?;
            Ok((status?, wall, memory))
        })?;
        let said = || fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        ensure!(status.success(), "erpsync ended with {status}: {}", said());
        Ok(Cost { wall, cpu: cpu_of_children()?.saturating_sub(cpu_before), memory })
    }
}

/// The most memory that a process has had, as the kernel keeps count of it; read again and
/// again, because it is gone with the process.
fn watch_memory(pid: u32, is_over: &AtomicBool) -> u64 {
    let mut most = 0;
    while !is_over.load(Ordering::Relaxed) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    most
}

/// What all children that have ended took of the processors.
fn cpu_of_children() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which may hold blanks: fields 16 and 17 of proc(5).
    let rest = stat.rsplit_once(") ").context("unknown /proc/self/stat")?.1;
    let ticks = rest.split(' ').skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}
