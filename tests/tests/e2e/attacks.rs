//! Attacks that need no false results: hoarding, copying, replaying, being first. Each is made by the test itself in the name of
//! a staked provider, while real workers do their work; afterwards every base unit is where it belongs.

use solana_signer::Signer;
use tessera_sdk::{ix, token};

use crate::{attacker::Attacker, copying::Copies, faults, front_running::Race, hoarding::Hoard, network::STAKED};

/// The attacks go on side by side, for what they wait for takes longest: the end of what is hoarded, of the window in which the
/// copies are silent, and of the time for demands.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hoarded_copied_replayed_or_run_ahead_of_pays_nothing() {
    const HONEST: u16 = 1;
    const OTHERS: [u16; 2] = [2, 3];
    let (network, mut workers) = faults::network(5, OTHERS, &["--free-returns", "1", "--reveal-seconds", "40"]);
    let tessera = network.connect().await;
    let [attacker, stranger] = [4, 5].map(|n| Attacker::new(&network, &tessera, n));
    let mint = network.mint(&tessera).await;
    let client = token::ata(&network.client().pubkey(), &mint);
    let before = tessera.token_balance(&client).await.unwrap().unwrap();

    let mut race = Race::begin(&network, OTHERS[1]);
    let racing = race.run_ahead(&network, &stranger, &workers[1]);
    let others = async {
        let hoard = Hoard::begin(&network, &attacker, [HONEST, 4]).await;
        let copies = Copies::begin(&network, &attacker, [HONEST, 4]).await;
        let worker = network.run_worker(HONEST);
        copies.copy(&network, &attacker).await;
        (hoard, copies, worker)
    };
    let ((), (hoard, copies, worker)) = tokio::join!(racing, others);
    workers.push(worker);
    let raced = race.end(&stranger).await;
    let (copied, copying) = copies.end(&attacker).await;
    let (hoarded, hoarding) = hoard.end(&attacker, &network.provider(HONEST)).await;
    workers.iter_mut().for_each(|worker| worker.assert_running());

    // The client has paid for work, and the fee on it.
    let ledgers = [raced, copied, hoarded];
    assert!(ledgers.iter().all(|ledger| ledger.closed && ledger.balances()), "{ledgers:?}");
    let spent: u64 = ledgers.iter().map(|ledger| ledger.paid_by_client() + ledger.fee()).sum();
    assert_eq!(before - tessera.token_balance(&client).await.unwrap().unwrap(), spent);
    // Those who worked have what was paid, and all of their stake.
    for n in [HONEST].into_iter().chain(OTHERS) {
        let provider = tessera.provider(&network.provider(n)).await.unwrap().unwrap();
        let paid: u64 = ledgers.iter().filter_map(|ledger| ledger.paid.get(&provider.address)).sum();
        assert_eq!((provider.stake, provider.earned, provider.locked), (STAKED, paid, 0), "provider {n}");
        let held = tessera.token_balance(&provider.stake_vault).await.unwrap();
        assert_eq!((held, provider.faults, provider.expiries), (Some(STAKED + paid), 0, 0), "provider {n}");
    }
    // The attacker has nothing, and less stake.
    let loser = attacker.account().await;
    let (bonds, awarded, burned) = (copying.bonds + hoarding.bonds, copying.awarded, copying.burned);
    assert_eq!((loser.earned, loser.total_earned, loser.locked, loser.open_leases), (0, 0, 0, 0));
    assert_eq!((loser.lost, loser.slashed, loser.to_burn), (bonds, awarded + burned, bonds + burned));
    assert_eq!(loser.stake, STAKED - bonds - awarded - burned);
    // What it has lost and others were not awarded is gone from the world, which anyone may see to.
    let supply = tessera.supply(&mint).await.unwrap();
    stranger.send(&[ix::burn_bonds(&attacker.provider, &network.market(), &mint)]).await;
    assert_eq!(supply - tessera.supply(&mint).await.unwrap(), bonds + burned);
    assert_eq!(tessera.token_balance(&loser.stake_vault).await.unwrap(), Some(loser.stake));
}
