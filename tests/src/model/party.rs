//! Market, providers and clients.

use super::{Model, Provider, Refused};
use crate::terms::MarketTerms;

impl Model {
    /// A market with providers that staked `stake` out of wallets of `wallet`, and clients with wallets of `wallet`.
    #[must_use]
    pub fn new(now: i64, market: MarketTerms, providers: usize, clients: usize, wallet: u64, stake: u64) -> Self {
        let provider = Provider { wallet: wallet - stake, stake, vault: stake, ..Provider::default() };
        Self {
            now,
            market,
            paused: false,
            treasury: 0,
            treasury_withdrawn: 0,
            burned: 0,
            providers: vec![provider; providers],
            clients: vec![wallet; clients],
            jobs: Vec::new(),
        }
    }

    /// `pause` and `unpause`.
    pub fn set_paused(&mut self, paused: bool) -> Result<(), Refused> {
        if self.paused == paused {
            return Err("already so");
        }
        self.paused = paused;
        Ok(())
    }

    /// `update_market` with parameters inside their bounds.
    pub fn update_market(&mut self, market: MarketTerms) -> Result<(), Refused> {
        self.market = market;
        Ok(())
    }

    /// `withdraw_treasury`.
    pub fn withdraw_treasury(&mut self, amount: u64) -> Result<(), Refused> {
        if amount == 0 || amount > self.treasury {
            return Err("zero or more than there is");
        }
        self.treasury -= amount;
        self.treasury_withdrawn += amount;
        Ok(())
    }

    /// `add_stake`.
    pub fn add_stake(&mut self, provider: usize, amount: u64) -> Result<(), Refused> {
        let p = &mut self.providers[provider];
        if amount == 0 || amount > p.wallet {
            return Err("zero or more than there is");
        }
        p.wallet -= amount;
        p.vault += amount;
        p.stake += amount;
        Ok(())
    }

    /// `request_unstake`.
    pub fn request_unstake(&mut self, provider: usize, amount: u64) -> Result<(), Refused> {
        let unstake_at = self.now + i64::from(self.market.unstake_seconds);
        let p = &mut self.providers[provider];
        if amount == 0 || amount > p.stake - p.locked {
            return Err("zero, or more than is free");
        }
        p.stake -= amount;
        p.unstaking += amount;
        p.unstake_at = unstake_at;
        Ok(())
    }

    /// `withdraw_stake`.
    pub fn withdraw_stake(&mut self, provider: usize) -> Result<(), Refused> {
        let now = self.now;
        let p = &mut self.providers[provider];
        if p.unstaking == 0 || now < p.unstake_at || p.to_burn > 0 {
            return Err("nothing there, too early, or bonds to burn");
        }
        p.vault -= p.unstaking;
        p.wallet += p.unstaking;
        p.unstaking = 0;
        p.unstake_at = 0;
        Ok(())
    }

    /// `burn_bonds`.
    pub fn burn_bonds(&mut self, provider: usize) -> Result<(), Refused> {
        let p = &mut self.providers[provider];
        if p.to_burn == 0 {
            return Err("nothing there");
        }
        p.vault -= p.to_burn;
        self.burned += p.to_burn;
        p.to_burn = 0;
        Ok(())
    }

    /// `withdraw_earnings`.
    pub fn withdraw_earnings(&mut self, provider: usize) -> Result<(), Refused> {
        let p = &mut self.providers[provider];
        if p.earned == 0 || p.to_burn > 0 {
            return Err("nothing there, or bonds to burn");
        }
        p.vault -= p.earned;
        p.wallet += p.earned;
        p.earned = 0;
        Ok(())
    }

    /// A transfer of tokens from a client to a stake vault: a gift that nobody asked for.
    pub fn give_to_vault(&mut self, client: usize, provider: usize, amount: u64) -> Result<(), Refused> {
        if amount > self.clients[client] {
            return Err("more than there is");
        }
        self.clients[client] -= amount;
        self.providers[provider].vault += amount;
        Ok(())
    }

    /// A transfer of tokens from a client to the escrow of a job.
    pub fn give_to_escrow(&mut self, client: usize, job: usize, amount: u64) -> Result<(), Refused> {
        if amount > self.clients[client] || self.jobs[job].gone {
            return Err("more than there is, or no escrow");
        }
        self.clients[client] -= amount;
        self.jobs[job].escrow += amount;
        Ok(())
    }
}
