//! Instructions of the market, of providers and of clients.

use anchor_lang::{Discriminator, prelude::Pubkey, system_program};
use solana_account::Account;
use tessera::{instruction, state};
use tessera_protocol::seeds;

use super::{Client, MARKET_ID, Provider, World, pda};
use crate::{
    call::{Call, call},
    terms::MarketTerms,
};

/// The classic token program.
const TOKEN: Pubkey = spl_token_interface::ID;

/// Terms as the program takes them.
#[must_use]
pub fn params(terms: &MarketTerms) -> state::MarketParams {
    state::MarketParams {
        fee_bps: terms.fee_bps,
        treasury_bps: terms.treasury_bps,
        min_stake: terms.min_stake,
        max_open_leases: terms.max_open_leases,
        unstake_seconds: terms.unstake_seconds,
        reveal_seconds: terms.reveal_seconds,
        grace_seconds: terms.grace_seconds,
        free_returns: terms.free_returns,
        returns_seconds: terms.returns_seconds,
        step_seconds: terms.step_seconds,
        stake_cap: terms.stake_cap,
        credit_fee: terms.credit_fee,
        demand_bond: terms.demand_bond,
        max_memory_mib: terms.max_memory_mib,
        audit: state::AuditParams {
            p_min_bps: terms.p_min_bps,
            saving_bps: terms.saving_bps,
            collusion_bps: terms.collusion_bps,
            lock_multiple: terms.lock_multiple,
            reserve_bps: terms.reserve_bps,
            expiry_bond_bps: terms.expiry_bond_bps,
            probation: terms.probation,
            lead: terms.lead,
            seat_limit: terms.seat_limit,
        },
        proof_seconds: terms.proof_seconds,
    }
}

/// What every provider of a world says of itself.
pub const CAPABILITIES: state::Capabilities = state::Capabilities { memory_mib: 8_192, class: 80, region: 3 };

impl World {
    /// `create_market`.
    pub fn create_market(&mut self, id: u16, terms: MarketTerms) -> Call<'_> {
        let market = pda(&[seeds::MARKET, self.authority.as_ref(), &id.to_le_bytes()]);
        let treasury = pda(&[seeds::TREASURY, market.as_ref()]);
        call!(
            self,
            "create_market",
            CreateMarket {
                creator: self.authority,
                mint: self.mint,
                market: market,
                treasury: treasury,
                token_program: TOKEN,
                system_program: system_program::ID,
            },
            instruction::CreateMarket { id, params: params(&terms) }
        )
    }

    /// Another market of the same authority, in another mint, with a provider and a client of its own; the world's
    /// market stays what it is.
    #[must_use]
    pub fn other_market(&self) -> Self {
        let mut other = self.clone();
        other.mint = other.new_mint("other mint", 6);
        let id = MARKET_ID + 1;
        other.market = pda(&[seeds::MARKET, other.authority.as_ref(), &id.to_le_bytes()]);
        other.treasury = pda(&[seeds::TREASURY, other.market.as_ref()]);
        other.create_market(id, self.terms).ok();
        (other.providers, other.clients) = (Vec::new(), Vec::new());
        let provider = other.new_provider(100, 10_000);
        other.register_provider(provider).ok();
        other.add_stake(provider, 5_000).ok();
        let client = other.new_client(100, 10_000);
        other.register_client(client).ok();
        other.providers.push(provider);
        other.clients.push(client);
        other
    }

    /// `update_market`.
    pub fn update_market(&mut self, terms: MarketTerms) -> Call<'_> {
        let arguments = instruction::UpdateMarket { params: params(&terms) };
        call!(self, "update_market", UpdateMarket { authority: self.authority, market: self.market }, arguments)
    }

    /// `pause`.
    pub fn pause(&mut self) -> Call<'_> {
        call!(self, "pause", Pause { authority: self.authority, market: self.market }, instruction::Pause {})
    }

    /// `unpause`.
    pub fn unpause(&mut self) -> Call<'_> {
        call!(self, "unpause", Pause { authority: self.authority, market: self.market }, instruction::Unpause {})
    }

    /// Where the market's authority takes its fees.
    #[must_use]
    pub fn fees(&self) -> Pubkey {
        spl_associated_token_account_interface::address::get_associated_token_address(&self.authority, &self.mint)
    }

    /// `withdraw_treasury` to the authority's token account.
    pub fn withdraw_treasury(&mut self, amount: u64) -> Call<'_> {
        let to = self.fees();
        call!(
            self,
            "withdraw_treasury",
            WithdrawTreasury {
                authority: self.authority,
                market: self.market,
                treasury: self.treasury,
                to: to,
                token_program: TOKEN,
            },
            instruction::WithdrawTreasury { amount }
        )
    }

    /// Keys and tokens of a provider that is not registered yet.
    pub fn new_provider(&mut self, number: usize, tokens: u64) -> Provider {
        let (authority, account) = self.new_wallet_with_tokens(&format!("authority of provider {number}"), tokens);
        let operator = self.new_wallet(&format!("operator of provider {number}"));
        let address = pda(&[seeds::PROVIDER, self.market.as_ref(), authority.as_ref()]);
        let vault = pda(&[seeds::STAKE, address.as_ref()]);
        Provider { authority, operator, address, vault, tokens: account }
    }

    /// `register_provider`.
    pub fn register_provider(&mut self, provider: Provider) -> Call<'_> {
        call!(
            self,
            "register_provider",
            RegisterProvider {
                authority: provider.authority,
                market: self.market,
                mint: self.mint,
                provider: provider.address,
                stake_vault: provider.vault,
                token_program: TOKEN,
                system_program: system_program::ID,
            },
            instruction::RegisterProvider { operator: provider.operator, capabilities: CAPABILITIES }
        )
    }

    /// The account of a provider as it is on chain.
    ///
    /// # Panics
    /// If it is not registered.
    #[must_use]
    #[track_caller]
    pub fn provider(&self, provider: Provider) -> state::Provider {
        self.load(provider.address).expect("the provider is registered")
    }

    /// Changes what the account of a provider says, as nothing but a past that no test plays could.
    ///
    /// # Panics
    /// If it is not registered.
    #[track_caller]
    pub fn change_provider(&mut self, provider: Provider, change: impl FnOnce(&mut state::Provider)) {
        let mut account: Account = self.account(provider.address).expect("the provider is registered").clone().into();
        let (_, fields) = account.data.split_at_mut(state::Provider::DISCRIMINATOR.len());
        change(bytemuck::from_bytes_mut(fields));
        self.set_account(provider.address, account);
    }

    /// `update_provider`.
    pub fn update_provider(
        &mut self,
        provider: Provider,
        operator: Option<Pubkey>,
        capabilities: Option<state::Capabilities>,
    ) -> Call<'_> {
        call!(
            self,
            "update_provider",
            UpdateProvider { authority: provider.authority, provider: provider.address },
            instruction::UpdateProvider { operator, capabilities }
        )
    }

    /// `burn_bonds`.
    pub fn burn_bonds(&mut self, provider: Provider) -> Call<'_> {
        call!(
            self,
            "burn_bonds",
            BurnBonds {
                market: self.market,
                provider: provider.address,
                stake_vault: provider.vault,
                mint: self.mint,
                token_program: TOKEN,
            },
            instruction::BurnBonds {}
        )
    }

    /// `add_stake`.
    pub fn add_stake(&mut self, provider: Provider, amount: u64) -> Call<'_> {
        call!(
            self,
            "add_stake",
            AddStake {
                authority: provider.authority,
                market: self.market,
                provider: provider.address,
                stake_vault: provider.vault,
                from: provider.tokens,
                token_program: TOKEN,
            },
            instruction::AddStake { amount }
        )
    }

    /// `request_unstake`.
    pub fn request_unstake(&mut self, provider: Provider, amount: u64) -> Call<'_> {
        call!(
            self,
            "request_unstake",
            RequestUnstake { authority: provider.authority, market: self.market, provider: provider.address },
            instruction::RequestUnstake { amount }
        )
    }

    /// `withdraw_stake`.
    pub fn withdraw_stake(&mut self, provider: Provider) -> Call<'_> {
        call!(
            self,
            "withdraw_stake",
            WithdrawStake {
                authority: provider.authority,
                provider: provider.address,
                stake_vault: provider.vault,
                to: provider.tokens,
                token_program: TOKEN,
            },
            instruction::WithdrawStake {}
        )
    }

    /// `withdraw_earnings`, sent by the operator.
    pub fn withdraw_earnings(&mut self, provider: Provider) -> Call<'_> {
        call!(
            self,
            "withdraw_earnings",
            WithdrawEarnings {
                signer: provider.operator,
                provider: provider.address,
                stake_vault: provider.vault,
                to: provider.tokens,
                token_program: TOKEN,
            },
            instruction::WithdrawEarnings {}
        )
    }

    /// Keys and tokens of a client that is not registered yet.
    pub fn new_client(&mut self, number: usize, tokens: u64) -> Client {
        let (wallet, account) = self.new_wallet_with_tokens(&format!("client {number}"), tokens);
        let address = pda(&[seeds::CLIENT, self.market.as_ref(), wallet.as_ref()]);
        Client { wallet, address, tokens: account }
    }

    /// `register_client`.
    pub fn register_client(&mut self, client: Client) -> Call<'_> {
        call!(
            self,
            "register_client",
            RegisterClient {
                wallet: client.wallet,
                market: self.market,
                client: client.address,
                system_program: system_program::ID,
            },
            instruction::RegisterClient {}
        )
    }
}
