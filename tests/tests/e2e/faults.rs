//! Providers that deliver wrong bits, nothing, or too late; and what they lose.

use solana_pubkey::Pubkey;
use tessera_sdk::{Account, Event, Kind, Recorded, Tessera, accounts};

use crate::{
    demands::{Withheld, answers_earn_the_bond},
    history::{count, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    pictures,
    process::{PATIENCE, Process, until},
};

/// With these parameters chance calls no audits, so that each test knows who is asked.
pub const NO_CHANCE: [&str; 4] = ["--p-min-bps", "1", "--saving-bps", "1"];

/// A network in which chance calls no audits; `honest` workers run.
pub fn network(providers: u16, honest: impl IntoIterator<Item = u16>, options: &[&str]) -> (Network, Vec<Process>) {
    network_on(Ledger::InMemory, providers, honest, options)
}

/// The same on another ledger.
pub fn network_on(
    ledger: Ledger,
    providers: u16,
    honest: impl IntoIterator<Item = u16>,
    options: &[&str],
) -> (Network, Vec<Process>) {
    let network = Network::start(providers, ledger);
    network.update_market(&[&NO_CHANCE, options].concat());
    (1..=providers).for_each(|n| network.register(n));
    let workers = honest.into_iter().map(|n| network.run_worker(n)).collect();
    (network, workers)
}

/// What became of a job, and of the provider that misbehaved.
struct Outcome {
    history: Vec<Recorded>,
    liar: Account<accounts::Provider>,
}

impl Outcome {
    /// Renders with providers `by`, of which the last one misbehaves, and checks what must hold whatever it does.
    async fn of(network: &Network, tessera: &Tessera, fault: &str, replicas: u8, by: &[u16]) -> Self {
        let n = *by.last().unwrap();
        let mut bad = network.run_faulty_worker(n, fault);
        let (job, stem) = network.render_by(fault, &pictures::scene(), replicas, by).wait();
        bad.assert_running();
        bad.stop();
        let history = tessera.job_history(&job).await.unwrap();
        let ledger = tessera.ledger(&job).await.unwrap();
        assert!(ledger.closed && ledger.balances(), "{fault}: {ledger:?}");
        pictures::assert_as_computed_here(&stem);
        let liar = tessera.provider(&network.provider(n)).await.unwrap().unwrap();
        Self { history, liar }
    }

    fn is_paid(&self) -> bool {
        settlements(&self.history).iter().any(|seat| seat.provider == self.liar.address)
    }

    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        count(&self.history, is)
    }

    /// How often a provider lost a lock.
    fn slashed(&self, provider: &Pubkey) -> usize {
        self.count(|event| matches!(event, Event::SeatSlashed(e) if e.provider == *provider))
    }

    /// Seats that were paid for an audit or for deciding.
    fn called(&self, kind: Kind) -> usize {
        settlements(&self.history).iter().filter(|seat| seat.kind == kind).count()
    }

    /// Checks that the provider lost as many locks as it got seats, and nobody else lost one.
    #[track_caller]
    fn assert_slashed(&self, fault: &str) {
        let slashed = self.slashed(&self.liar.address);
        assert!(slashed > 0 && !self.is_paid(), "{fault}: {} locks lost", slashed);
        assert_eq!(self.count(|event| matches!(event, Event::SeatSlashed(_))), slashed, "{fault}: others lost a lock");
        assert!(self.liar.slashed > 0 && self.liar.faults as usize >= slashed && self.liar.consecutive == 0);
        assert_eq!((self.liar.earned, self.liar.locked), (0, 0), "{fault}");
    }
}

/// One provider after the other attacks the same market. What its victims wait for takes longest, so the first attack, whose
/// window is the longest, goes on beside the next ones.
#[tokio::test(flavor = "multi_thread")]
async fn attacks_fail_and_cost_the_lock() {
    let (network, mut honest) = network(5, [], &[]);
    let tessera = network.connect().await;
    let mut thief = network.run_faulty_worker(5, "withhold-output");
    let withheld = Withheld::begin(&network, &tessera, 5, 1).await;
    honest.extend([1, 2].map(|n| network.run_worker(n)));
    answers_earn_the_bond(&network, &tessera, 1).await;
    wrong_results_are_outvoted(&network, &tessera).await;
    honest.push(network.run_worker(3));
    // As long as those may take who are not silent.
    network.update_market(&["--reveal-seconds", "30"]);
    silence_costs_the_lock_and_others_answer(&network, &tessera).await;
    withheld.end(&network, &tessera).await;
    thief.assert_running();
    thief.stop();
}

/// One replica is honest; others decide.
async fn wrong_results_are_outvoted(network: &Network, tessera: &Tessera) {
    for fault in ["flip-bit", "random-output"] {
        let outcome = Outcome::of(network, tessera, fault, 2, &[1, 4]).await;
        outcome.assert_slashed(fault);
        assert_eq!(outcome.slashed(&outcome.liar.address), LEASES, "{fault}");
        assert!(outcome.called(Kind::Dispute) + outcome.called(Kind::Audit) >= LEASES, "{fault}: nobody decided");
        let honest = network.provider(1);
        let paid = settlements(&outcome.history).iter().filter(|seat| seat.provider == honest).count();
        assert_eq!(paid, LEASES, "{fault}: who was right is paid");
    }
}

async fn silence_costs_the_lock_and_others_answer(network: &Network, tessera: &Tessera) {
    let outcome = Outcome::of(network, tessera, "no-reveal", 2, &[1, 4]).await;
    outcome.assert_slashed("no-reveal");
    assert_eq!(outcome.called(Kind::Dispute), LEASES, "somebody answers instead of each who is silent");

    // Who shows no key is not paid and loses its bond; the other replica has the same outputs.
    let outcome = Outcome::of(network, tessera, "withhold-key", 2, &[1, 4]).await;
    assert!(!outcome.is_paid());
    assert!(outcome.liar.expiries > 0 && outcome.liar.lost > 0 && outcome.slashed(&outcome.liar.address) == 0);

    // Too late counts as silence, unless nobody has closed the window yet.
    let before = outcome.liar.faults as usize;
    let outcome = Outcome::of(network, tessera, "late-reveal", 2, &[1, 4]).await;
    let (slashed, paid) = (outcome.slashed(&outcome.liar.address), outcome.is_paid());
    assert!(slashed > 0 || paid);
    assert_eq!(outcome.liar.faults as usize, before + slashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn stake_that_leases_lock_stays() {
    let (network, _honest) = network(2, 1..=1, &[]);
    let tessera = network.connect().await;
    let rendering = network.render("picture", &pictures::scene(), 2);
    let locks = async || (tessera.provider(&network.provider(1)).await.unwrap().unwrap().locked > 0).then_some(());
    until("a claim", PATIENCE, locks).await;
    let (done, said) = network.request_unstake(1, "1000");
    assert!(!done && said.contains("StakeLocked"), "{said}");
    let (done, said) = network.request_unstake(1, "500");
    assert!(done, "{said}");
    let _other = network.run_worker(2);
    let (job, stem) = rendering.wait();
    assert!(tessera.ledger(&job).await.unwrap().balances());
    pictures::assert_as_computed_here(&stem);
}
