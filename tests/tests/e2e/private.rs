//! Private jobs: a participant computes with files that only it has, for a client and by a plan that its owner allowed.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::Value;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};
use tessera_sdk::{JobTerms, Posted, StoreClient, Tessera};
use tessera_worker::private;

use crate::{
    network::{Ledger, Network, TOKEN},
    process::{PATIENCE, answer, until, wait_for},
};

/// The sum of three buffers of 64 words.
const MODULE: &str = r"
.version 7.0
.target sm_80
.address_size 64
.visible .entry sum(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c)
{
    .reg .b32 %r<8>;
    .reg .b64 %rd<16>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [a];
    ld.param.u64 %rd3, [b];
    ld.param.u64 %rd4, [c];
    cvta.to.global.u64 %rd5, %rd1;
    cvta.to.global.u64 %rd6, %rd2;
    cvta.to.global.u64 %rd7, %rd3;
    cvta.to.global.u64 %rd8, %rd4;
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd9, %r1, 4;
    add.s64 %rd10, %rd6, %rd9;
    add.s64 %rd11, %rd7, %rd9;
    add.s64 %rd12, %rd8, %rd9;
    ld.global.u32 %r2, [%rd10];
    ld.global.u32 %r3, [%rd11];
    ld.global.u32 %r4, [%rd12];
    add.s32 %r5, %r2, %r3;
    add.s32 %r6, %r5, %r4;
    add.s64 %rd13, %rd5, %rd9;
    st.global.u32 [%rd13], %r6;
    ret;
}
";
const WORDS: u32 = 64;
const LEN: u64 = 4 * WORDS as u64;
const PRICE: u64 = TOKEN / 10;

/// Words that nobody else has, and nobody will see by chance.
fn words(from: u32) -> Vec<u32> {
    (0..WORDS).map(|i| (from + i).wrapping_mul(0x9e37_79b9)).collect()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What everybody may have, and what only the participant has.
struct Vectors {
    weights: Vec<u32>,
    data: Vec<u32>,
    mask: Vec<u32>,
}

impl Vectors {
    fn new() -> Self {
        let [weights, data, mask] = [1 << 8, 1 << 16, 1 << 24].map(words);
        Self { weights, data, mask }
    }

    /// The job that adds them.
    fn spec(&self) -> JobSpec {
        let input = |name: &str, words: &[u32]| Input { name: name.into(), cid: Cid::of(&bytes(words)), len: LEN };
        let buffer = |init| Buffer { len: LEN, init };
        let args = (0..4).map(|index| Arg::Buffer { index, offset: 0 }).collect();
        let inputs = (0..3).map(|n| buffer(BufferInit::Input(n)));
        JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(MODULE.as_bytes()),
            inputs: vec![input("weights", &self.weights), input("data", &self.data), input("mask", &self.mask)],
            plan: LaunchPlan {
                buffers: [buffer(BufferInit::Zero)].into_iter().chain(inputs).collect(),
                launches: vec![Launch {
                    kernel: "sum".into(),
                    grid: [1; 3],
                    block: [WORDS, 1, 1],
                    shared_len: 0,
                    args,
                }],
                repeats: vec![],
                output: 0,
            },
            units: 1,
            unit_gas: 100_000,
            visibility: Visibility::Public,
            front_end: FrontEnd::default(),
        }
    }

    fn sum(&self) -> Vec<u32> {
        let pairs = self.weights.iter().zip(&self.data).zip(&self.mask);
        pairs.map(|((a, b), c)| a.wrapping_add(*b).wrapping_add(*c)).collect()
    }
}

/// A client, and what it posts.
struct Client<'a> {
    network: &'a Network,
    tessera: Tessera,
    vectors: Vectors,
}

impl Client<'_> {
    /// Posts a private job for provider `n`.
    async fn post(&self, n: u16, spec: &JobSpec) -> Posted {
        let terms = JobTerms {
            price_per_unit: PRICE,
            lease_seconds: 60,
            deadline_seconds: 3_600,
            allowed: vec![self.network.provider(n)],
            private: true,
            store_url: self.network.env("TESSERA_STORE").to_owned(),
            ..JobTerms::default()
        };
        let blobs = vec![Bytes::from(MODULE), Bytes::from(bytes(&self.vectors.weights))];
        let wallet = self.network.client();
        self.tessera.post_job(&wallet, &self.network.market(), spec, blobs, terms).await.unwrap()
    }

    /// The only output of a job.
    async fn output(&self, job: &Pubkey, spec: &JobSpec) -> Bytes {
        let store = StoreClient::new(self.network.env("TESSERA_STORE")).unwrap();
        let (mut output, done) = (Bytes::new(), HashSet::new());
        let collected = self.tessera.collect(job, spec, &store, &done, |lease| {
            output = lease.outputs[0].clone();
            Ok(())
        });
        tokio::time::timeout(PATIENCE, collected).await.expect("the output comes in time").unwrap();
        output
    }

    /// That worker `n` says why it leaves a job to others, and that nobody has taken a seat in it.
    async fn assert_left(&self, n: u16, job: &Pubkey, reason: &str) {
        let log = self.network.path(&format!("worker-{n}.log"));
        let said = |line: &str| line.contains(&job.to_string()) && line.contains(reason);
        wait_for(&format!("worker {n} saying {reason:?} of {job}"), PATIENCE, || {
            fs::read_to_string(&log).unwrap_or_default().lines().any(said)
        });
        assert!(self.tessera.job_leases(job).await.unwrap().is_empty(), "nobody takes {job}");
    }
}

/// Lets jobs of the client with its module and plan read the files of provider `n`.
fn allow(network: &Network, n: u16, spec: &JobSpec) {
    let mut entry = toml::toml! {
        inputs = [{ number = 1, folder = "data" }, { number = 2, folder = "masks", once = true }]
    };
    for (name, value) in [
        ("client", network.client().pubkey().to_string()),
        ("module", spec.module.to_string()),
        ("plan", spec.plan.cid().to_string()),
    ] {
        entry.insert(name.into(), value.into());
    }
    let mut private = toml::Table::new();
    private.insert("folder".into(), own(network, n).display().to_string().into());
    private.insert("allow".into(), vec![toml::Value::Table(entry)].into());
    let path = network.config(n);
    let mut settings: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    settings.insert("private".into(), private.into());
    fs::write(&path, settings.to_string()).unwrap();
}

/// Where the files of provider `n` are.
fn own(network: &Network, n: u16) -> PathBuf {
    network.path(&format!("own-{n}"))
}

/// Files under `folder`, but for those under `without`, that contain `bytes`.
pub fn holding(folder: &Path, without: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Some files and folders of a network that runs are gone before they are read.
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        entries => entries.unwrap(),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && path != without {
            found.extend(holding(&path, without, bytes));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap_or_default();
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_computes_with_what_only_it_has() {
    let network = Network::start(3, Ledger::InMemory);
    (1..=3).for_each(|n| network.register(n));
    let (vectors, tessera) = (Vectors::new(), network.connect().await);
    let spec = vectors.spec();
    allow(&network, 1, &spec);
    let data = own(&network, 1).join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("shard.bin"), bytes(&vectors.data)).unwrap();
    let workers = [1, 2, 3].map(|n| network.run_worker(n));
    let client = Client { network: &network, tessera: tessera.clone(), vectors };

    // The job is there before its mask: it waits for that.
    let posted = client.post(1, &spec).await;
    assert_eq!((posted.escrow.work, posted.escrow.reserve), (PRICE, 0));
    client.assert_left(3, &posted.job, "is for other providers").await;
    wait_for("the participant to miss the mask", PATIENCE, || {
        let log = fs::read_to_string(network.path("worker-1.log")).unwrap_or_default();
        log.lines().any(|line| line.contains(&posted.job.to_string()) && line.contains("is not in"))
    });
    private::put(&own(&network, 1).join("masks"), &bytes(&client.vectors.mask)).unwrap();
    let output = client.output(&posted.job, &spec).await;
    assert_eq!(output, bytes(&client.vectors.sum()));

    let paid = until("the pay", PATIENCE, async || {
        let job = tessera.job(&posted.job).await.unwrap()?;
        (job.is_complete() && job.owed_seats == 0).then_some(job.paid)
    });
    assert_eq!(paid.await, PRICE);
    let wallet = network.client();
    tessera.close_job(&wallet, &posted.job).await.unwrap();
    let ledger = tessera.ledger(&posted.job).await.unwrap();
    assert_eq!((ledger.paid.get(&network.provider(1)), ledger.paid.len()), (Some(&PRICE), 1));
    let provider = tessera.provider(&network.provider(1)).await.unwrap().unwrap();
    assert_eq!((provider.total_earned, provider.consecutive, provider.leases_settled), (PRICE, 0, 0));
    assert_eq!(provider.reputation(), tessera_protocol::reputation::Reputation::default());

    // Neither the store nor any worker has seen what is the participant's alone.
    let store = StoreClient::new(network.env("TESSERA_STORE")).unwrap();
    for words in [&client.vectors.data, &client.vectors.mask] {
        let blob = bytes(words);
        assert!(!store.exists(&Cid::of(&blob)).await.unwrap());
        let elsewhere = holding(&network.path(""), &own(&network, 1), &blob);
        assert!(elsewhere.is_empty(), "found in {elsewhere:?}");
    }
    assert!(!holding(&network.path(""), &own(&network, 1), &bytes(&client.vectors.weights)).is_empty());

    what_is_not_allowed_is_left(&client, &spec).await;
    let (_, status, _) = answer(network.worker("tessera-worker", 1).args(["status", "--json"]));
    let allowed = status["private"].as_array().into_iter().flatten().filter_map(Value::as_str);
    assert!(allowed.clone().count() == 1 && allowed.clone().all(|line| line.contains(&spec.module.to_string())));
    workers.into_iter().for_each(|worker| worker.stop());
}

/// What the client may not do, and whom it may not ask.
async fn what_is_not_allowed_is_left(client: &Client<'_>, spec: &JobSpec) {
    // A mask hides one vector. The client would learn the difference of two.
    let twice = client.post(1, spec).await;
    client.assert_left(1, &twice.job, "has served").await;
    // A plan whose output is the data.
    let mut bare = spec.clone();
    bare.plan.buffers[1].init = BufferInit::Copy(1);
    bare.plan.output = 1;
    let bare = client.post(1, &bare).await;
    client.assert_left(1, &bare.job, "with its plan").await;
    // Zeros in the place of the mask.
    let mut unmasked = spec.clone();
    unmasked.inputs[2].cid = Cid::of(&[0; LEN as usize]);
    let unmasked = client.post(1, &unmasked).await;
    client.assert_left(1, &unmasked.job, "its input 2").await;
    // Somebody whose owner has allowed nothing.
    let unasked = client.post(2, spec).await;
    client.assert_left(2, &unasked.job, "private.allow of the configuration is empty").await;

    // All of it comes back.
    let wallet = client.network.client();
    for posted in [twice, bare, unmasked, unasked] {
        client.tessera.cancel_job(&wallet, &posted.job).await.unwrap();
        client.tessera.close_job(&wallet, &posted.job).await.unwrap();
        let ledger = client.tessera.ledger(&posted.job).await.unwrap();
        assert_eq!(ledger.refunded, posted.deposited);
    }
}
