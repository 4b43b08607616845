//! The peer for questions over time: Debian's Prometheus, run by hand on a folder of its own.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use headroom_domain::{HOUR_MS, Millis};
use tempfile::TempDir;

use super::session::{self, Owned};
use crate::workspace::target;

/// A block of a Prometheus that keeps history for a month or more: what its compaction ends with.
const BLOCK_HOURS: i64 = 54;
/// Length of a block.
pub const BLOCK_MS: Millis = BLOCK_HOURS * HOUR_MS;
/// How long it may take to open its blocks.
const START_LIMIT: Duration = Duration::from_mins(2);

/// Where its programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    server: PathBuf,
    tool: PathBuf,
    /// What it says of itself.
    pub version: String,
}

impl Programs {
    /// Finds them, or unpacks Debian's package below the target folder: nothing is installed, no service starts.
    pub fn find() -> Result<Self> {
        let unpacked = target().join("bench/prometheus");
        let on_path = std::env::var_os("PATH")
            .and_then(|path| std::env::split_paths(&path).find(|folder| folder.join("promtool").is_file()));
        let folder = match on_path {
            Some(folder) => folder,
            None => unpacked.join("usr/bin"),
        };
        if !folder.join("promtool").is_file() {
            unpack(&unpacked).context("there is no Prometheus (on Debian: apt-get install prometheus)")?;
        }
        let (server, tool) = (folder.join("prometheus"), folder.join("promtool"));
        let output = Command::new(&server).arg("--version").output().context("cannot run prometheus")?;
        // Older ones answer on standard error.
        let said = [output.stdout, output.stderr].concat();
        let version = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
        Ok(Self { server, tool, version })
    }
}

fn unpack(into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let run = |command: &mut Command| -> Result<()> {
        let output = command.current_dir(into).stdin(Stdio::null()).output().context("cannot run it")?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(Command::new("apt-get").args(["--quiet=2", "download", "prometheus"]))?;
    let package = fs::read_dir(into)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg("."))
}

/// Its data before it runs: samples come in as text, a block's worth at a time.
#[derive(Debug)]
pub struct Loader {
    programs: Programs,
    folder: TempDir,
    /// Rules, and how often they are judged.
    rules: Option<(String, Duration)>,
    text: Option<BufWriter<File>>,
    block: Millis,
    /// Seconds spent in its own importer.
    pub seconds: f64,
}

impl Loader {
    /// An empty one.
    pub fn new(programs: Programs) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("headroom-prometheus-").tempdir()?;
        Ok(Self { programs, folder, rules: None, text: None, block: Millis::MIN, seconds: 0.0 })
    }

    /// The same, of one that judges rules.
    pub fn evaluating(programs: Programs, rules: String, every: Duration) -> Result<Self> {
        Ok(Self { rules: Some((rules, every)), ..Self::new(programs)? })
    }

    fn text_file(&self) -> PathBuf {
        self.folder.path().join("samples.txt")
    }

    /// Where to write the samples of an instant; instants come in order.
    pub fn at(&mut self, at: Millis) -> Result<&mut impl Write> {
        let block = at.div_euclid(BLOCK_MS);
        if block != self.block {
            self.import()?;
            self.block = block;
        }
        if self.text.is_none() {
            let mut text = BufWriter::with_capacity(1 << 20, File::create(self.text_file())?);
            text.write_all(b"# TYPE occupied gauge\n")?;
            self.text = Some(text);
        }
        self.text.as_mut().context("it was made above")
    }

    fn import(&mut self) -> Result<()> {
        let Some(mut text) = self.text.take() else { return Ok(()) };
        text.write_all(b"# EOF\n")?;
        text.flush()?;
        drop(text);
        let mut import = Command::new(&self.programs.tool);
        import.args(["tsdb", "create-blocks-from", &format!("--max-block-duration={BLOCK_HOURS}h"), "openmetrics"]);
        import.arg(self.text_file()).arg(self.folder.path().join("data"));
        let start = Instant::now();
        let output = session::own(&import).output().context("cannot run promtool")?;
        self.seconds += start.elapsed().as_secs_f64();
        ensure!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(self.text_file())?;
        Ok(())
    }

    /// Takes in the rest and starts it.
    pub async fn start(mut self) -> Result<Prometheus> {
        self.import()?;
        let Self { programs, folder, rules, .. } = self;
        let settings = folder.path().join("prometheus.yml");
        let mut text = "global: {}\n".to_owned();
        if let Some((rules, every)) = rules {
            fs::write(folder.path().join("rules.yml"), rules)?;
            text = format!("global: {{evaluation_interval: {}s}}\nrule_files: [rules.yml]\n", every.as_secs());
        }
        fs::write(&settings, text)?;
        // It cannot choose a free port itself and tell; nobody else takes this one in the moment between.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut server = Command::new(&programs.server);
        server.arg("--config.file").arg(&settings).arg("--storage.tsdb.path").arg(folder.path().join("data"));
        server.args(["--storage.tsdb.retention.time", "100y", "--web.listen-address", &address.to_string()]);
        // Nothing is merged while it is measured: the blocks are as long as merging would make them.
        server.args(["--storage.tsdb.max-block-duration", &format!("{BLOCK_HOURS}h")]);
        let log = folder.path().join("log");
        let mut server = session::own(&server);
        server.stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = Owned(server.spawn().context("cannot start prometheus")?);
        let prometheus = Prometheus { url: format!("http://{address}"), _process: process, folder };
        let ready = prometheus.at("/-/ready");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(prometheus);
            }
            if Instant::now() > deadline {
                bail!("prometheus is not ready: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One that runs, on loopback, until the value is dropped.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Owned,
    folder: TempDir,
}

impl Prometheus {
    /// The address of a path on it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Bytes of its blocks on disk.
    pub fn bytes(&self) -> Result<u64> {
        fn sum(folder: &Path) -> Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                bytes += if meta.is_dir() { sum(&entry.path())? } else { meta.len() };
            }
            Ok(bytes)
        }
        sum(&self.folder.path().join("data"))
    }
}
