//! Market, providers and clients.

use super::{Client, Model, Provider, Refused};
use crate::{terms::MarketTerms, world::World};

impl Model {
    /// The market of a world in which nothing has happened but that every provider staked `stake` out of `tokens`, which
    /// everybody had in the wallet.
    #[must_use]
    pub fn of(world: &World, tokens: u64, stake: u64) -> Self {
        let provider = |address: [u8; 32]| Provider {
            key: address,
            wallet: tokens - stake,
            stake,
            staked_slot: world.slot(),
            vault: stake,
            ..Provider::default()
        };
        let client = |address: [u8; 32]| Client { key: address, tokens, jobs: 0 };
        Self {
            now: world.now(),
            halted: 0,
            hashes: world.hashes.clone(),
            market: world.terms,
            paused: false,
            total_stake: stake * world.providers.len() as u64,
            treasury: 0,
            treasury_withdrawn: 0,
            burned: 0,
            slashed: (0, 0),
            providers: world.providers.iter().map(|p| provider(p.address.to_bytes())).collect(),
            clients: world.clients.iter().map(|c| client(c.address.to_bytes())).collect(),
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
        let slot = self.slot();
        let p = &mut self.providers[provider];
        if amount == 0 || amount > p.wallet {
            return Err("zero or more than there is");
        }
        p.wallet -= amount;
        p.vault += amount;
        p.stake += amount;
        p.staked_slot = slot;
        self.total_stake += amount;
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
        self.total_stake -= amount;
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
        self.total_stake -= p.to_burn;
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
        if amount > self.clients[client].tokens {
            return Err("more than there is");
        }
        self.clients[client].tokens -= amount;
        self.providers[provider].vault += amount;
        Ok(())
    }

    /// A transfer of tokens from a client to the escrow of a job.
    pub fn give_to_escrow(&mut self, client: usize, job: usize, amount: u64) -> Result<(), Refused> {
        if amount > self.clients[client].tokens || self.jobs[job].gone {
            return Err("more than there is, or no escrow");
        }
        self.clients[client].tokens -= amount;
        self.jobs[job].escrow += amount;
        Ok(())
    }
}
