//! What has to be done to make a cluster look as the settings say, and what it costs. Nothing here asks or sends.

use std::fmt;

use solana_pubkey::Pubkey;

use crate::{
    Cluster, Error,
    amount::{sol, tokens},
    cost::{self, Cost, Rent},
    observe::{Buffer, Observed, Program},
    params::Params,
};

/// The loader extends programs in steps of at least this.
const EXTENSION: usize = 10_240;
/// A payer on a localnet is given at least so much, so that it can do something afterwards.
const AIRDROP: u64 = 10_000_000_000;

/// What the cluster should look like.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Which cluster it is.
    pub cluster: Cluster,
    /// Where it is reached.
    pub url: String,
    /// Who pays.
    pub payer: Pubkey,
    /// Who may upgrade the program.
    pub upgrade_authority: Pubkey,
    /// Address of the program.
    pub program: Pubkey,
    /// Whether the key of that address is at hand.
    pub has_program_key: bool,
    /// Bytes of the program.
    pub elf_len: usize,
    /// Bytes of it that a transaction carries.
    pub chunk_len: usize,
    /// Address of the buffer that it is uploaded to.
    pub buffer: Pubkey,
    /// Address of the mint.
    pub mint: Pubkey,
    /// Decimals and first supply in base units of the mint to create; `None`: it must exist.
    pub new_mint: Option<(u8, u64)>,
    /// Address of the market.
    pub market: Pubkey,
    /// Its number.
    pub market_id: u16,
    /// Its creator.
    pub market_authority: Pubkey,
    /// Its parameters.
    pub params: Params,
    /// Micro-lamports per compute unit.
    pub priority_fee: u64,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask a localnet for lamports.
    Airdrop(u64),
    /// Create the mint and mint its first supply to the payer.
    CreateMint {
        /// Digits after the point.
        decimals: u8,
        /// In base units.
        supply: u64,
    },
    /// Close a buffer begun for a program of another size.
    CloseBuffer {
        /// What comes back.
        lamports: u64,
    },
    /// Create the buffer for the upload.
    CreateBuffer,
    /// Write the program to the buffer.
    Upload {
        /// Transactions needed.
        writes: usize,
    },
    /// Deploy the buffer as a new program.
    Deploy,
    /// Make room for a larger program.
    Extend {
        /// Bytes to add.
        by: u32,
    },
    /// Replace the deployed program by the buffer.
    Upgrade,
    /// Create the market and its treasury.
    CreateMarket,
    /// Change parameters of the market: name, value now, value then.
    UpdateMarket(Vec<(&'static str, u64, u64)>),
}

/// What has to be done, in this order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the cluster should look like.
    pub desired: Desired,
    /// The steps; none if there is nothing to do.
    pub steps: Vec<Step>,
    /// What they cost.
    pub cost: Cost,
    /// What the payer holds now.
    pub balance: u64,
    /// What it will hold with the airdrop, if there is one.
    pub funds: u64,
}

impl Plan {
    /// Compares what is with what should be.
    ///
    /// # Errors
    /// If what is on the cluster does not fit the settings and no transaction of ours can change that.
    pub fn new(desired: Desired, observed: &Observed, rent: Rent) -> Result<Self, Error> {
        let mut steps = vec![];
        mint_steps(&desired, observed, &mut steps)?;
        program_steps(&desired, observed, &mut steps)?;
        market_steps(&desired, observed, &mut steps)?;
        let cost = cost::cost(&desired, &steps, rent);
        let mut funds = observed.payer_lamports;
        if funds < cost.peak && desired.cluster == Cluster::Localnet {
            let lamports = cost.peak.saturating_sub(funds).saturating_add(AIRDROP);
            steps.insert(0, Step::Airdrop(lamports));
            funds = funds.saturating_add(lamports);
        }
        Ok(Self { desired, steps, cost, balance: observed.payer_lamports, funds })
    }

    /// Whether the cluster is as it should be.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Checks that the payer can pay.
    ///
    /// # Errors
    /// If it cannot.
    pub const fn check_funds(&self) -> Result<(), Error> {
        if self.funds >= self.cost.peak {
            return Ok(());
        }
        Err(Error::Funds { payer: self.desired.payer, have: self.funds, need: self.cost.peak })
    }
}

fn mint_steps(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) -> Result<(), Error> {
    let mint = desired.mint;
    match (observed.mint, desired.new_mint) {
        (None, Some((decimals, supply))) => steps.push(Step::CreateMint { decimals, supply }),
        (None, None) => {
            let cluster = desired.cluster;
            return Err(Error::Conflict(format!("there is no mint {mint} on {cluster}: check mint.address")));
        }
        (Some(found), Some((decimals, _))) if found != decimals => {
            return Err(Error::Conflict(format!(
                "mint {mint} has {found} decimals, the settings say {decimals}, and that cannot be changed: \
                 correct the settings, or use another state_dir to get another mint"
            )));
        }
        _ => {}
    }
    Ok(())
}

fn program_steps(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) -> Result<(), Error> {
    let Desired { program, upgrade_authority, elf_len, .. } = *desired;
    let conflict = |text: String| Err(Error::Conflict(text));
    let extend = match observed.program {
        Program::Deployed { authority, .. } if authority != Some(upgrade_authority) => {
            let holder = authority.map_or("nobody".to_owned(), |authority| authority.to_string());
            return conflict(format!(
                "program {program} may be upgraded by {holder}, the settings name {upgrade_authority}: check upgrade_authority"
            ));
        }
        Program::Deployed { same: true, .. } => {
            // Left behind when an earlier run ended between uploading and finding out that nothing was to be done.
            return match observed.buffer {
                Buffer::Begun { .. } | Buffer::Misfit { .. } => {
                    steps.push(Step::CloseBuffer { lamports: 0 });
                    Ok(())
                }
                Buffer::Absent | Buffer::Foreign => Ok(()),
            };
        }
        Program::Deployed { capacity, .. } => Some(elf_len.saturating_sub(capacity)),
        Program::Foreign(owner) => {
            return conflict(format!(
                "address {program} is not a program of the upgradeable loader: it belongs to {owner}"
            ));
        }
        Program::Absent if !desired.has_program_key => {
            return conflict(format!(
                "program {program} is not deployed, and program.keypair does not exist: the first deployment needs the key of its address"
            ));
        }
        Program::Absent => None,
    };
    let writes = elf_len.div_ceil(desired.chunk_len);
    match observed.buffer {
        Buffer::Absent => steps.extend([Step::CreateBuffer, Step::Upload { writes }]),
        Buffer::Begun { missing: 0 } => {}
        Buffer::Begun { missing } => steps.push(Step::Upload { writes: missing }),
        Buffer::Misfit { lamports } => {
            steps.extend([Step::CloseBuffer { lamports }, Step::CreateBuffer, Step::Upload { writes }]);
        }
        Buffer::Foreign => {
            let (buffer, authority) = (desired.buffer, upgrade_authority);
            return conflict(format!(
                "buffer {buffer} of an earlier run does not belong to {authority}: use the former upgrade_authority, or another state_dir"
            ));
        }
    }
    match extend {
        None => steps.push(Step::Deploy),
        Some(0) => steps.push(Step::Upgrade),
        Some(by) => {
            let by = u32::try_from(by.next_multiple_of(EXTENSION)).unwrap_or(u32::MAX);
            steps.extend([Step::Extend { by }, Step::Upgrade]);
        }
    }
    Ok(())
}

fn market_steps(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) -> Result<(), Error> {
    let Some(market) = &observed.market else {
        steps.push(Step::CreateMarket);
        return Ok(());
    };
    let address = desired.market;
    if market.mint != desired.mint {
        return Err(Error::Conflict(format!(
            "market {address} pays in {}, the settings say {}, and that cannot be changed: correct mint, or choose another market.id",
            market.mint, desired.mint
        )));
    }
    if market.authority != desired.market_authority {
        return Err(Error::Conflict(format!(
            "market {address} belongs to {}, the settings name {}: check market_authority",
            market.authority, desired.market_authority
        )));
    }
    let changes = market.params.changes(&desired.params);
    if !changes.is_empty() {
        steps.push(Step::UpdateMarket(changes));
    }
    Ok(())
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desired = &self.desired;
        writeln!(f, "cluster  {} at {}", desired.cluster, desired.url)?;
        writeln!(f, "payer    {} ({})", desired.payer, sol(self.balance))?;
        writeln!(
            f,
            "program  {}, {} bytes, upgrades by {}",
            desired.program, desired.elf_len, desired.upgrade_authority
        )?;
        writeln!(f, "mint     {}", desired.mint)?;
        writeln!(f, "market   {}, number {} of {}", desired.market, desired.market_id, desired.market_authority)?;
        if self.is_empty() {
            return write!(f, "\nEverything is as the settings say: nothing to do.");
        }
        writeln!(f)?;
        for (i, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {}", i + 1, self.describe(step))?;
        }
        let Cost { kept, fees, peak } = self.cost;
        write!(
            f,
            "\ncosts {} of rent and about {} of fees; {} are needed in the meantime",
            sol(kept),
            sol(fees),
            sol(peak)
        )
    }
}

impl Plan {
    /// A step in words.
    #[must_use]
    pub fn describe(&self, step: &Step) -> String {
        let Desired { program, buffer, mint, market, elf_len, .. } = &self.desired;
        match step {
            Step::Airdrop(lamports) => format!("ask the localnet for {} for the payer", sol(*lamports)),
            Step::CreateMint { decimals, supply } => {
                format!(
                    "create mint {mint} with {decimals} decimals and mint {} tokens to the payer",
                    tokens(*supply, *decimals)
                )
            }
            Step::CloseBuffer { .. } => format!("close buffer {buffer}, which an earlier run left behind"),
            Step::CreateBuffer => format!("create buffer {buffer} of {elf_len} bytes"),
            Step::Upload { writes } => format!("upload the program to buffer {buffer}, {writes} transactions"),
            Step::Deploy => format!("deploy program {program} from the buffer"),
            Step::Extend { by } => format!("make room for {by} more bytes in program {program}"),
            Step::Upgrade => format!("upgrade program {program} from the buffer"),
            Step::CreateMarket => format!("create market {market}"),
            Step::UpdateMarket(changes) => {
                let change = |(name, now, then): &(&str, u64, u64)| format!("{name} {now} → {then}");
                format!("update market {market}: {}", changes.iter().map(change).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
