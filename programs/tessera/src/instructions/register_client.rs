//! `register_client`: the account that numbers a wallet's jobs.

use anchor_lang::prelude::*;
use tessera_protocol::{constants::ACCOUNT_VERSION, seeds};

use crate::{
    events::ClientRegistered,
    state::{Client, Market},
};

/// Accounts of `register_client`.
#[derive(Accounts)]
pub struct RegisterClient<'info> {
    /// The client's wallet; pays.
    #[account(mut)]
    pub wallet: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The client account.
    #[account(init, payer = wallet, space = Client::SPACE,
        seeds = [seeds::CLIENT, market.key().as_ref(), wallet.key().as_ref()], bump)]
    pub client: Box<Account<'info, Client>>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl RegisterClient<'_> {
    /// Creates the client.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let (market, wallet) = (accounts.market.key(), accounts.wallet.key());
        accounts.client.set_inner(Client {
            version: ACCOUNT_VERSION,
            bump: ctx.bumps.client,
            market,
            wallet,
            next_job: 0,
            reserved: [0; 64],
        });
        emit!(ClientRegistered { market, client: accounts.client.key(), wallet });
        Ok(())
    }
}
