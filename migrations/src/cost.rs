//! What a plan costs its payer.

use solana_loader_v3_interface::state::UpgradeableLoaderState;
use solana_program_pack::Pack;
use spl_token_interface::state::{Account as TokenAccount, Mint};

use crate::plan::{Desired, Step};

/// Bytes of a market account (docs/protocol.md).
pub(crate) const MARKET_LEN: usize = 266;
pub(crate) const SIGNATURE_LAMPORTS: u64 = 5_000;
/// Compute units that an ordinary step is reckoned with, for the estimate of its priority fee.
const STEP_UNITS: u64 = 200_000;

/// What accounts cost on this cluster: linear in their size.
#[derive(Clone, Copy, Debug)]
pub struct Rent {
    /// Of an account without data.
    pub base: u64,
    /// Of each byte.
    pub per_byte: u64,
}

impl Rent {
    pub(crate) const fn of(self, len: usize) -> u64 {
        self.base + self.per_byte * len as u64
    }
}

/// What the steps cost, in lamports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Stays in accounts as rent.
    pub kept: u64,
    /// Fees, estimated.
    pub fees: u64,
    /// What the payer must hold at the most expensive moment.
    pub peak: u64,
}

/// Adds up what `steps` cost.
pub(crate) fn cost(desired: &Desired, steps: &[Step], rent: Rent) -> Cost {
    let (mut balance, mut lowest, mut fees) = (0i128, 0i128, 0u64);
    for step in steps {
        let fee = step.fees(desired);
        fees = fees.saturating_add(fee);
        balance -= i128::from(fee);
        lowest = lowest.min(balance);
        for flow in step.flows(desired.elf_len, rent) {
            balance += flow;
            lowest = lowest.min(balance);
        }
    }
    let positive = |value: i128| u64::try_from(value.max(0)).unwrap_or(u64::MAX);
    // The payer must not end below the rent of its own account.
    let floor = if steps.is_empty() { 0 } else { i128::from(rent.of(0)) };
    Cost { kept: positive(-balance - i128::from(fees)), fees, peak: positive(floor - lowest) }
}

impl Step {
    /// What the payer gives (negative) and gets, one after the other, without fees.
    fn flows(&self, elf_len: usize, rent: Rent) -> Vec<i128> {
        let of = |len| i128::from(rent.of(len));
        match self {
            Self::Airdrop(_) | Self::Upload { .. } | Self::UpdateMarket(_) => vec![],
            Self::CreateMint { .. } => vec![-of(Mint::LEN), -of(TokenAccount::LEN)],
            Self::CloseBuffer { lamports } => vec![i128::from(*lamports)],
            Self::CreateBuffer => vec![-of(UpgradeableLoaderState::size_of_buffer(elf_len))],
            // The loader gives the buffer's rent back before it takes that of the program.
            Self::Deploy => vec![
                -of(UpgradeableLoaderState::size_of_program()),
                of(UpgradeableLoaderState::size_of_buffer(elf_len)),
                -of(UpgradeableLoaderState::size_of_programdata(elf_len)),
            ],
            Self::Extend { by } => vec![-i128::from(rent.per_byte) * i128::from(*by)],
            Self::Upgrade => vec![of(UpgradeableLoaderState::size_of_buffer(elf_len))],
            Self::CreateMarket => vec![-of(MARKET_LEN), -of(TokenAccount::LEN)],
        }
    }

    fn fees(&self, desired: &Desired) -> u64 {
        let two = u64::from(desired.payer != desired.upgrade_authority) + 1;
        let price = |units: u64| desired.priority_fee.saturating_mul(units).div_ceil(1_000_000);
        match self {
            Self::Airdrop(_) => 0,
            Self::Upload { writes } => {
                (*writes as u64).saturating_mul(two * SIGNATURE_LAMPORTS + price(u64::from(crate::buffer::WRITE_UNITS)))
            }
            Self::CreateMint { .. } => 3 * SIGNATURE_LAMPORTS + 2 * price(STEP_UNITS),
            _ => 3 * SIGNATURE_LAMPORTS + price(STEP_UNITS),
        }
    }
}
