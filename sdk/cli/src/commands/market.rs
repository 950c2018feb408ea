//! `tessera market`.

use anyhow::{Context as _, Result, bail};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::{
    amount::{base_units, tokens},
    params::{Params, check_audits},
};
use tessera_protocol::audit::AuditParams;
use tessera_sdk::{Tessera, ix, pda, types::MarketParams};

use crate::{
    options::Options,
    output::{Fields, print},
    views::MarketView,
};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Create a market; the wallet becomes its authority
    Create(Create),
    /// Change parameters of a market; jobs already posted keep theirs
    Update(Update),
    /// Show a market
    Show {
        /// Address of the market [default: --market]
        address: Option<Pubkey>,
    },
}

#[derive(clap::Args, Debug)]
pub struct Create {
    /// Mint of the token that is paid with
    #[arg(long)]
    mint: Pubkey,
    /// Number of the market among those of the wallet
    #[arg(long, default_value_t = 0)]
    id: u16,
    #[command(flatten)]
    values: Values,
}

#[derive(clap::Args, Debug)]
pub struct Update {
    /// Address of the market [default: --market]
    address: Option<Pubkey>,
    #[command(flatten)]
    values: Values,
}

/// Declares [`Values`] from one list: numbers, amounts of tokens, and numbers that audits depend on.
macro_rules! values {
    (
        numbers { $($(#[doc = $number_doc:literal])+ $number:ident: $number_type:ty = $number_default:expr,)+ }
        tokens { $($(#[doc = $token_doc:literal])+ $token:ident = $token_default:expr,)+ }
        audit { $($(#[doc = $audit_doc:literal])+ $audit:ident: $audit_type:ty,)+ }
    ) => {
        /// Parameters of a market. What is not given stays as it is.
        #[derive(clap::Args, Debug, Default)]
        struct Values {
            $($(#[doc = $number_doc])+ #[arg(long)] $number: Option<$number_type>,)+
            $($(#[doc = $token_doc])+ #[arg(long, value_name = "TOKENS")] $token: Option<String>,)+
            $($(#[doc = $audit_doc])+ #[arg(long)] $audit: Option<$audit_type>,)+
        }

        impl Values {
            /// `params` with what is given.
            fn apply(&self, mut params: MarketParams, decimals: u8) -> Result<MarketParams> {
                $(params.$number = self.$number.unwrap_or(params.$number);)+
                $(if let Some(amount) = &self.$token {
                    params.$token = base_units(amount, decimals)?;
                })+
                $(params.audit.$audit = self.$audit.unwrap_or(params.audit.$audit);)+
                Ok(params)
            }
        }

        /// The parameters of a market about which nothing is said.
        fn defaults(decimals: u8) -> Result<MarketParams> {
            Ok(MarketParams {
                $($number: $number_default,)+
                $($token: base_units($token_default, decimals)?,)+
                audit: AuditParams::default().into(),
            })
        }
    };
}

values! {
    numbers {
        /// Fee on top of what providers earn, in basis points [at first: 500]
        fee_bps: u16 = 500,
        /// Treasury's share of the fee, in basis points; the rest is burned [at first: 5000]
        treasury_bps: u16 = 5_000,
        /// Most leases that a provider may hold at once [at first: 64]
        max_open_leases: u32 = 64,
        /// Wait between asking for stake back and taking it [at first: 604800]
        unstake_seconds: u32 = 604_800,
        /// Window for revealing results, and again for opening them [at first: 1800]
        reveal_seconds: u32 = 1_800,
        /// Time after a job's deadline during which only settlement happens [at first: 600]
        grace_seconds: u32 = 600,
        /// Seats that a provider may return for nothing within --returns-seconds [at first: 20]
        free_returns: u32 = 20,
        /// Time in which all free returns come back [at first: 86400]
        returns_seconds: u32 = 86_400,
        /// Time after which twice as many providers may take a seat [at first: 10]
        step_seconds: u32 = 10,
        /// Most device memory that a job may ask for, in MiB: what most of the stake has [at first: 24576]
        max_memory_mib: u32 = 24_576,
        /// How long a proof of capability counts; 0: providers are believed what they say of their memory [at first: 604800]
        proof_seconds: u32 = 604_800,
    }
    tokens {
        /// Tokens that a provider must stake [at first: 100]
        min_stake = "100",
        /// Stake of full weight in the routing of seats [at first: 1000]
        stake_cap = "1000",
        /// Burned fee that earns a result the whole credit for its provider's reputation [at first: 0.01]
        credit_fee = "0.01",
        /// Bond for which a client may demand a chunk of outputs [at first: 0.1]
        demand_bond = "0.1",
    }
    audit {
        /// Least chance of an audit, in basis points [at first: 100]
        p_min_bps: u16,
        /// What cheating saves, in basis points of the pay [at first: 7000]
        saving_bps: u16,
        /// Share of the stake that is assumed to collude, in basis points [at first: 3000]
        collusion_bps: u16,
        /// Stake that a seat locks, in multiples of its pay [at first: 117]
        lock_multiple: u16,
        /// Votes by which a root must lead in a dispute [at first: 16]
        lead: u8,
        /// Most seats of a lease that may count in a dispute [at first: 96]
        seat_limit: u8,
        /// Chance, in basis points, up to which a job's reserve pays an audit [at first: 500]
        reserve_bps: u16,
        /// Bond that a late seat burns, in basis points of its pay [at first: 1000]
        expiry_bond_bps: u16,
        /// Results to be confirmed before not all are audited; 0: the history does not count [at first: 10]
        probation: u16,
    }
}

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let tessera = options.connect().await?;
    let or_option = |address: Option<Pubkey>| address.map_or_else(|| options.market_address(), Ok);
    match command {
        Command::Create(args) => create(options, &tessera, args).await,
        Command::Update(Update { address, values }) => update(options, &tessera, &or_option(address)?, &values).await,
        Command::Show { address } => show(options, &tessera, &or_option(address)?).await,
    }
}

/// Refuses what the program would refuse with fewer words.
fn check(params: &MarketParams) -> Result<()> {
    check_audits(&params.audit.into()).map_err(anyhow::Error::msg)
}

async fn create(options: &Options, tessera: &Tessera, args: Create) -> Result<()> {
    let wallet = options.wallet()?;
    let decimals = tessera.mint(&args.mint).await?.decimals;
    let params = args.values.apply(defaults(decimals)?, decimals)?;
    check(&params)?;
    let create = ix::create_market(&wallet.pubkey(), args.id, &args.mint, params);
    tessera.send(&[create], &wallet, &[]).await.context("cannot create the market")?;
    show(options, tessera, &pda::market(&wallet.pubkey(), args.id)).await
}

async fn update(options: &Options, tessera: &Tessera, address: &Pubkey, values: &Values) -> Result<()> {
    let wallet = options.wallet()?;
    let market = find(tessera, address).await?;
    let params = values.apply(market.params, tessera.mint(&market.mint).await?.decimals)?;
    check(&params)?;
    if Params(params) == Params(market.params) {
        bail!("nothing would change; give at least one parameter another value");
    }
    let update = ix::update_market(&wallet.pubkey(), address, params);
    tessera.send(&[update], &wallet, &[]).await.context("cannot update the market")?;
    show(options, tessera, address).await
}

async fn find(tessera: &Tessera, address: &Pubkey) -> Result<tessera_sdk::Account<tessera_sdk::accounts::Market>> {
    let found = tessera.market(address).await?;
    found.with_context(|| format!("there is no market at {address}; check the address and --url"))
}

async fn show(options: &Options, tessera: &Tessera, address: &Pubkey) -> Result<()> {
    let market = find(tessera, address).await?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let treasury = tessera.token_balance(&pda::treasury(address)).await?.unwrap_or(0);
    let params = market.params;
    print(options.json, &MarketView::new(&market, decimals, treasury), |view| {
        let amount = |units| format!("{} tokens", tokens(units, decimals));
        let audit = params.audit;
        let mut fields = Fields::default();
        fields
            .add("market", &view.address)
            .add("authority", &view.authority)
            .add("mint", format!("{} ({} decimals)", view.mint, view.decimals))
            .add("paused", if view.paused { "yes: no new jobs and claims; audits and disputes go on" } else { "no" })
            .add(
                "fee",
                format!(
                    "{} %, of which {} % to the treasury, the rest burned",
                    percent(params.fee_bps),
                    percent(params.treasury_bps)
                ),
            )
            .add("treasury", amount(view.treasury))
            .add(
                "stake",
                format!(
                    "{} in all; a provider needs {} and has full weight with {}",
                    amount(view.total_stake),
                    amount(params.min_stake),
                    amount(params.stake_cap)
                ),
            )
            .add("open leases", format!("at most {} for a provider", params.max_open_leases))
            .add(
                "bonds",
                format!(
                    "a seat locks {} times its pay; {} % of the pay burn when it is late; {} returns in {} s are free",
                    audit.lock_multiple,
                    percent(audit.expiry_bond_bps),
                    params.free_returns,
                    params.returns_seconds
                ),
            )
            .add(
                "audits",
                format!(
                    "at least {} % of results, all until {} in a row are confirmed; cheating saves {} % of the pay, {} % of the stake collude",
                    percent(audit.p_min_bps),
                    audit.probation,
                    percent(audit.saving_bps),
                    percent(audit.collusion_bps)
                ),
            )
            .add("disputes", format!("decided by a lead of {} votes, at most {} seats", audit.lead, audit.seat_limit))
            .add("routing", format!("twice as many providers may take a seat every {} s", params.step_seconds))
            .add(
                "proofs",
                match params.proof_seconds {
                    0 => "none: providers are believed what they say of their memory".to_owned(),
                    seconds => format!("memory counts for {seconds} s after a provider has shown it"),
                },
            )
            .add(
                "windows",
                format!(
                    "reveal and open {} s each, grace {} s, unstaking {} s",
                    params.reveal_seconds, params.grace_seconds, params.unstake_seconds
                ),
            );
        fields.text()
    })
}

/// Basis points as per cent.
fn percent(bps: u16) -> String {
    tokens(u64::from(bps), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let before = defaults(2).unwrap();
        check(&before).unwrap();
        assert!(Params(Values::default().apply(before, 2).unwrap()) == Params(before));
        let values = Values { lead: Some(2), stake_cap: Some("7.5".into()), ..Values::default() };
        let after = values.apply(before, 2).unwrap();
        assert_eq!((after.audit.lead, after.stake_cap, after.min_stake), (2, 750, before.min_stake));
        let wrong = Values { lead: Some(0), ..Values::default() }.apply(before, 2).unwrap();
        assert!(check(&wrong).unwrap_err().to_string().contains("lead is 0"));
    }
}
