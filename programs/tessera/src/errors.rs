//! Why an instruction refuses. One code per reason; new reasons go to the end, so that codes never change their meaning.

use anchor_lang::prelude::*;

/// Why an instruction refuses.
#[error_code]
pub enum TesseraError {
    // Relations between accounts.
    #[msg("The account belongs to another market")]
    WrongMarket,
    #[msg("The lease belongs to another job")]
    WrongJob,
    #[msg("The signer is not the authority of the account")]
    WrongAuthority,
    #[msg("The signer is not the operator of the provider")]
    WrongOperator,
    #[msg("The signer is neither the authority nor the operator of the provider")]
    NeitherAuthorityNorOperator,
    #[msg("The wallet is not the one the account names")]
    WrongWallet,
    #[msg("The mint is not that of the market")]
    WrongMint,
    #[msg("Rent must go back to whoever paid it: expected the payer that the lease or seat names")]
    WrongRentPayer,
    #[msg("Expected the job account that the lease names")]
    NotTheJobOfTheLease,

    // Markets.
    #[msg("The fee is above the protocol's maximum of 10 %")]
    FeeTooHigh,
    #[msg("The treasury's share of the fee is above 100 %")]
    TreasuryShareTooHigh,
    #[msg("The limit of open leases is outside the protocol's bounds")]
    OpenLeaseLimitOutOfBounds,
    #[msg("The wait for unstaking is outside the protocol's bounds")]
    UnstakeSecondsOutOfBounds,
    #[msg("The window for revealing is outside the protocol's bounds")]
    RevealSecondsOutOfBounds,
    #[msg("The grace after the deadline is outside the protocol's bounds")]
    GraceSecondsOutOfBounds,
    #[msg("Wrapped SOL cannot be burned and cannot be the mint of a market")]
    NativeMint,
    #[msg("The market is paused: it takes no new jobs and claims")]
    MarketPaused,
    #[msg("The market is paused already")]
    AlreadyPaused,
    #[msg("The market is not paused")]
    NotPaused,
    #[msg("The amount is zero")]
    ZeroAmount,
    #[msg("The treasury holds less than that")]
    MoreThanTreasury,
    #[msg("An amount or counter would overflow")]
    Overflow,

    // Providers.
    #[msg("A region is a number from 0 to 63")]
    RegionOutOfBounds,
    #[msg("The provider has less stake than that")]
    MoreThanStake,
    #[msg("No stake has been asked back: send request_unstake first")]
    NothingUnstaking,
    #[msg("The wait after request_unstake is not over")]
    UnstakeTooEarly,
    #[msg("There are no earnings to withdraw")]
    NothingEarned,

    // Jobs.
    #[msg("A job needs at least one unit")]
    NoUnits,
    #[msg("Units per lease are outside the protocol's bounds")]
    LeaseSizeOutOfBounds,
    #[msg("The job has too many leases: make leases larger")]
    TooManyLeases,
    #[msg("Replicas are outside the protocol's bounds")]
    ReplicasOutOfBounds,
    #[msg("The price is zero")]
    ZeroPrice,
    #[msg("The time for a lease is outside the protocol's bounds")]
    LeaseSecondsOutOfBounds,
    #[msg("The deadline leaves no room for the windows of a single claim")]
    DeadlineTooNear,
    #[msg("The deadline is too far from the posting")]
    DeadlineTooFar,
    #[msg("The store URL is too long")]
    StoreUrlTooLong,
    #[msg("The deposit is above the limit that the client set: the market's fee has changed")]
    DepositAboveLimit,
    #[msg("Neither time nor price is added")]
    NothingToTopUp,
    #[msg("The job is cancelled")]
    JobCancelled,
    #[msg("The deadline has passed")]
    DeadlinePassed,
    #[msg("Seats of settled leases are still to be paid: send settle_lease or expire_lease for them first")]
    PayStillOwed,
    #[msg("The job is neither complete, nor over with its grace, nor cancelled")]
    JobNotOver,
    #[msg("Expected the addresses of all unsettled leases, in order")]
    LeaseNotShown,
    #[msg("A lease of the cancelled job is still being worked on")]
    LeaseNotVacant,
    #[msg("A part of the fee is to be burned: pass the mint")]
    MintMissing,
    #[msg("The wallet has no associated token account for the refund: create it first")]
    RefundAccountMissing,

    // Leases.
    #[msg("The job has no lease of this number")]
    NoSuchLease,
    #[msg("The lease has settled")]
    LeaseSettled,
    #[msg("The replicas of the lease have agreed")]
    LeaseAgreed,
    #[msg("The lease takes no more seats now")]
    LeaseFull,
    #[msg("The provider has, or had in a round that disagreed, a seat in this lease")]
    AlreadySeated,
    #[msg("The provider's stake is below the market's minimum")]
    StakeTooLow,
    #[msg("The provider holds as many leases as the market allows")]
    TooManyOpenLeases,
    #[msg("The provider does not meet the job's requirements, or it is not its turn")]
    MayNotClaim,
    #[msg("The windows of a claim do not fit before the deadline any more")]
    WindowsDoNotFit,
    #[msg("The provider has no seat in this lease")]
    SeatNotFound,
    #[msg("The seat is not waiting for a commitment")]
    SeatNotLeased,
    #[msg("The time to commit has passed")]
    CommitTooLate,
    #[msg("The seat is not waiting for a reveal")]
    SeatNotCommitted,
    #[msg("Not all replicas have committed: revealing now would let others copy")]
    RevealNotOpen,
    #[msg("What is revealed is not what was committed")]
    CommitmentMismatch,
    #[msg("A key may come along with the reveal only where there is one replica")]
    KeyTooEarly,
    #[msg("The replicas of the lease have not agreed")]
    LeaseNotAgreed,
    #[msg("The seat is not waiting for its key")]
    SeatNotRevealed,
    #[msg("The key is not the one that was committed")]
    KeyMismatch,
    #[msg("The seat is not opened")]
    SeatNotOpened,
    #[msg("The seat can no longer be given up without loss")]
    SeatNotReturnable,
    #[msg("The window of the seat is still open")]
    WindowStillOpen,
    #[msg("The lease still has seats")]
    LeaseHasSeats,
    #[msg("The lease has not settled and its job is not over")]
    LeaseStillNeeded,
    #[msg("Not the token account that holds these tokens")]
    WrongVault,
    #[msg("Not the address of this lease")]
    WrongLease,
    #[msg("The lock multiple is out of bounds")]
    LockMultipleOutOfBounds,
    #[msg("The expiry bond is out of bounds")]
    ExpiryBondOutOfBounds,
    #[msg("The time in which free returns come back is out of bounds")]
    ReturnsSecondsOutOfBounds,
    #[msg("Seats lock too much of the stake for this: wait until they are settled, or stake more")]
    StakeLocked,
    #[msg("Lost bonds lie in the stake vault: burn them first, with burn_bonds")]
    BondsNotBurned,
    #[msg("No lost bond is left to burn")]
    NothingToBurn,
}
