//! Jobs that tests post: small pictures.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use solana_pubkey::Pubkey;
use tessera_sdk::{Job, JobFilter, Tessera};

use crate::{
    network::{Network, TOKEN},
    process::{Process, until},
};

/// How long a small picture may take on a machine that is busy with other things.
const PICTURE: Duration = Duration::from_secs(420);
/// The small picture: 64 × 48 pixels in tiles of 16 are 12 units.
const PICTURE_ARGS: &[&str] =
    &["--size", "64x48", "--tile", "16", "--samples", "2", "--units-per-lease", "3", "--try", "0"];
/// Leases of the small picture.
pub const LEASES: usize = 4;
/// Units of each of them.
pub const UNITS: u64 = 3;
/// What each of them pays, unless a test offers something else.
pub const PAY: u64 = TOKEN / 100 * UNITS;
/// What is offered unless a test says otherwise: tokens for a unit, and seconds from claim to commit.
const TERMS: [(&str, &str); 2] = [("--price", "0.01"), ("--lease-seconds", "60")];

impl Network {
    /// Writes a plan for a kernel `fill` of which each unit writes 64 words: four units. With its gas declared, nothing is tried
    /// before the job is posted.
    pub fn plan(&self, name: &str, module: &str) -> PathBuf {
        let text = format!(
            r#"
name = "{name}"
module = "{name}.ptx"
units = 4
output = "out"
unit_gas = 100000

[[buffer]]
name = "out"
len = 256

[[step]]
[[step.launch]]
kernel = "fill"
grid = [1]
block = [64]
args = [{{ buffer = "out" }}, {{ unit = "u32" }}]
"#
        );
        let path = self.path(&format!("{name}.toml"));
        fs::write(path.with_extension("ptx"), module).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Renders `scene` small with `replicas`.
    pub fn render(&self, name: &str, scene: &Path, replicas: u8) -> Rendering {
        self.render_by(name, scene, replicas, &[])
    }

    /// The same by providers `by` alone; others audit and decide.
    pub fn render_by(&self, name: &str, scene: &Path, replicas: u8, by: &[u16]) -> Rendering {
        self.render_with(name, scene, replicas, by, &[])
    }

    /// The same with further options.
    pub fn render_with(&self, name: &str, scene: &Path, replicas: u8, by: &[u16], options: &[&str]) -> Rendering {
        let stem = self.path(name);
        let mut command = self.tessera();
        command.args(["--json", "render"]).arg(scene).args(PICTURE_ARGS);
        for extension in ["png", "exr"] {
            command.arg("--out").arg(stem.with_extension(extension));
        }
        command.args(["--replicas", &replicas.to_string()]).args(options);
        for (name, value) in TERMS.iter().filter(|(name, _)| !options.contains(name)) {
            command.args([name, value]);
        }
        if !by.is_empty() {
            let addresses: Vec<String> = by.iter().map(|n| self.provider(*n).to_string()).collect();
            command.args(["--allow", &addresses.join(",")]);
        }
        let log = self.path(&format!("{name}.log"));
        let out = self.path(&format!("{name}.json"));
        command.stdout(File::create(&out).unwrap());
        Rendering { process: Process::start_with_output(name, command, &log), out, stem }
    }
}

/// A rendering under way.
pub struct Rendering {
    process: Process,
    out: PathBuf,
    stem: PathBuf,
}

impl Rendering {
    /// Waits until its job is on the chain, which is the open one that `is` the one.
    pub async fn posted(&mut self, network: &Network, tessera: &Tessera, is: impl Fn(&Job) -> bool) -> Job {
        until("the job", PICTURE, async || {
            let jobs = tessera.jobs(&network.market(), JobFilter::Open).await.unwrap();
            let job = jobs.into_iter().find(&is);
            if job.is_none() {
                self.process.assert_running();
            }
            job
        })
        .await
    }

    /// Waits for the picture; returns the job.
    pub fn wait(mut self) -> (Pubkey, PathBuf) {
        let status = self.process.wait(PICTURE);
        assert!(status.success(), "rendering failed: {}", self.process.log());
        let text = fs::read_to_string(&self.out).unwrap();
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        (result["jobs"][0].as_str().unwrap().parse().unwrap(), self.stem.clone())
    }
}
