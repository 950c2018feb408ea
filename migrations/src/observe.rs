//! What is on the cluster now.

use std::sync::Arc;

use solana_account::Account;
use solana_commitment_config::CommitmentConfig;
use solana_loader_v3_interface::{get_program_data_address, state::UpgradeableLoaderState};
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_sdk_ids::bpf_loader_upgradeable;
use spl_token_interface::state::Mint;
use tessera_sdk::Tessera;

use crate::{Error, buffer, params::Params};

/// What is on the cluster now, as far as a plan depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Balance of the payer.
    pub payer_lamports: u64,
    /// At the program's address.
    pub program: Program,
    /// At the buffer's address.
    pub buffer: Buffer,
    /// Decimals of the mint, if it exists.
    pub mint: Option<u8>,
    /// At the market's address.
    pub market: Option<Market>,
}

/// What is at the program's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Nothing.
    Absent,
    /// A deployed program.
    Deployed {
        /// Who may upgrade it; nobody may if `None`.
        authority: Option<Pubkey>,
        /// Bytes of program that its account holds.
        capacity: usize,
        /// Whether it is the program that is to be deployed.
        same: bool,
    },
    /// An account of another owner.
    Foreign(Pubkey),
}

/// What is at the buffer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Nothing.
    Absent,
    /// A buffer for a program of the right size, with our authority.
    Begun {
        /// Transactions that are still needed to fill it.
        missing: usize,
    },
    /// A buffer that was begun for a program of another size.
    Misfit {
        /// What comes back when it is closed.
        lamports: u64,
    },
    /// Something that our authority cannot write to.
    Foreign,
}

/// A market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// Who may change its parameters.
    pub authority: Pubkey,
    /// The token that is paid with.
    pub mint: Pubkey,
    /// Its parameters.
    pub params: Params,
}

/// Where to look.
pub(crate) struct Addresses {
    pub payer: Pubkey,
    pub upgrade_authority: Pubkey,
    pub program: Pubkey,
    pub buffer: Pubkey,
    pub mint: Pubkey,
    pub market: Pubkey,
}

/// Looks at everything that a plan depends on.
pub(crate) async fn observe(
    rpc: &Arc<RpcClient>,
    tessera: &Tessera,
    at: &Addresses,
    elf: &[u8],
    chunk_len: usize,
) -> Result<Observed, Error> {
    let data_address = get_program_data_address(&at.program);
    let addresses = [at.payer, at.program, data_address, at.buffer, at.mint];
    let found = rpc.get_multiple_accounts_with_commitment(&addresses, CommitmentConfig::confirmed()).await;
    let found = found.map_err(Error::rpc("cannot read the accounts"))?.value;
    let [payer, program, program_data, buffer, mint] = <[Option<Account>; 5]>::try_from(found)
        .map_err(|found| Error::Conflict(format!("asked for 5 accounts, the endpoint answered {}", found.len())))?;
    let market = tessera.market(&at.market).await?;
    Ok(Observed {
        payer_lamports: payer.map_or(0, |account| account.lamports),
        program: program_state(program.as_ref(), program_data.as_ref(), elf),
        buffer: buffer_state(buffer.as_ref(), &at.upgrade_authority, elf, chunk_len),
        mint: mint.map(|account| mint_decimals(&at.mint, &account)).transpose()?,
        market: market.map(|market| Market {
            authority: market.authority,
            mint: market.mint,
            params: Params(market.data.params),
        }),
    })
}

fn loader_state(account: &Account) -> Option<UpgradeableLoaderState> {
    (account.owner == bpf_loader_upgradeable::ID).then(|| bincode::deserialize(&account.data).ok()).flatten()
}

fn program_state(program: Option<&Account>, data: Option<&Account>, elf: &[u8]) -> Program {
    // An account that holds lamports and nothing else can still become the program.
    let blank = |account: &&Account| account.data.is_empty() && account.owner == solana_sdk_ids::system_program::ID;
    let Some(program) = program.filter(|account| !blank(account)) else { return Program::Absent };
    let deployed = matches!(loader_state(program), Some(UpgradeableLoaderState::Program { .. }));
    let state = data.and_then(loader_state);
    let (true, Some(data), Some(UpgradeableLoaderState::ProgramData { upgrade_authority_address, .. })) =
        (deployed, data, state)
    else {
        return Program::Foreign(program.owner);
    };
    let bytes = data.data.get(UpgradeableLoaderState::size_of_programdata_metadata()..).unwrap_or_default();
    let same = bytes.strip_prefix(elf).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    Program::Deployed { authority: upgrade_authority_address, capacity: bytes.len(), same }
}

fn buffer_state(account: Option<&Account>, ours: &Pubkey, elf: &[u8], chunk_len: usize) -> Buffer {
    let Some(account) = account.filter(|account| account.lamports > 0) else { return Buffer::Absent };
    match loader_state(account) {
        Some(UpgradeableLoaderState::Buffer { authority_address: Some(authority) }) if authority == *ours => {
            let bytes = account.data.get(UpgradeableLoaderState::size_of_buffer_metadata()..).unwrap_or_default();
            if bytes.len() == elf.len() {
                Buffer::Begun { missing: buffer::missing(elf, bytes, chunk_len).len() }
            } else {
                Buffer::Misfit { lamports: account.lamports }
            }
        }
        _ => Buffer::Foreign,
    }
}

fn mint_decimals(address: &Pubkey, account: &Account) -> Result<u8, Error> {
    let refuse = |found: String| {
        let expected = "a mint of the classic SPL Token program";
        Error::Conflict(format!("mint {address}: expected {expected}, found {found}; check mint.address"))
    };
    if account.owner != spl_token_interface::ID {
        return Err(refuse(format!("an account of {}", account.owner)));
    }
    Mint::unpack(&account.data).map(|mint| mint.decimals).map_err(|e| refuse(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(state: &UpgradeableLoaderState, metadata_len: usize, content: &[u8]) -> Account {
        let mut data = bincode::serialize(state).unwrap();
        data.resize(metadata_len, 0);
        data.extend_from_slice(content);
        Account { lamports: 7, data, owner: bpf_loader_upgradeable::ID, executable: false, rent_epoch: 0 }
    }

    #[test]
    fn programs_are_told_apart() {
        let authority = Some(Pubkey::new_unique());
        let state = UpgradeableLoaderState::Program { programdata_address: Pubkey::new_unique() };
        let program = loader(&state, UpgradeableLoaderState::size_of_program(), &[]);
        let state = UpgradeableLoaderState::ProgramData { slot: 1, upgrade_authority_address: authority };
        let data = |content: &[u8]| loader(&state, UpgradeableLoaderState::size_of_programdata_metadata(), content);
        let of = |content: &[u8]| program_state(Some(&program), Some(&data(content)), b"elf");
        assert_eq!(of(b"elf"), Program::Deployed { authority, capacity: 3, same: true });
        assert_eq!(of(b"elf\0\0"), Program::Deployed { authority, capacity: 5, same: true });
        assert_eq!(of(b"elf2"), Program::Deployed { authority, capacity: 4, same: false });
        assert_eq!(of(b"el"), Program::Deployed { authority, capacity: 2, same: false });
        assert_eq!(program_state(None, None, b"elf"), Program::Absent);
        assert_eq!(program_state(Some(&Account::new(5, 0, &Pubkey::default())), None, b"elf"), Program::Absent);
        let owner = Pubkey::new_unique();
        assert_eq!(program_state(Some(&Account::new(5, 3, &owner)), None, b"elf"), Program::Foreign(owner));
    }

    #[test]
    fn buffers_are_told_apart() {
        let (ours, theirs) = (Pubkey::new_unique(), Pubkey::new_unique());
        let of = |authority_address, content: &[u8]| {
            let state = UpgradeableLoaderState::Buffer { authority_address };
            let account = loader(&state, UpgradeableLoaderState::size_of_buffer_metadata(), content);
            buffer_state(Some(&account), &ours, b"elfelf", 2)
        };
        assert_eq!(of(Some(ours), b"elfelf"), Buffer::Begun { missing: 0 });
        assert_eq!(of(Some(ours), b"el\0\0el"), Buffer::Begun { missing: 2 });
        assert_eq!(of(Some(ours), b"elf"), Buffer::Misfit { lamports: 7 });
        assert_eq!(of(Some(theirs), b"elfelf"), Buffer::Foreign);
        assert_eq!(of(None, b"elfelf"), Buffer::Foreign);
        assert_eq!(buffer_state(None, &ours, b"elf", 2), Buffer::Absent);
    }

    #[test]
    fn what_is_no_mint_is_refused() {
        let address = Pubkey::new_unique();
        let text = mint_decimals(&address, &Account::new(1, 82, &Pubkey::new_unique())).unwrap_err().to_string();
        assert!(text.contains("expected a mint"), "{text}");
        assert!(mint_decimals(&address, &Account::new(1, 82, &spl_token_interface::ID)).is_err());
    }
}
