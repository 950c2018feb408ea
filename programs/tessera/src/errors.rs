//! Why an instruction refuses. One code per reason; new reasons go to the end, so that codes never change their meaning.

use anchor_lang::prelude::*;
use tessera_protocol::{audit::Bound, routing::Refusal};

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
    #[msg("The provider has a seat in this lease")]
    AlreadySeated,
    #[msg("The provider's stake is below the market's minimum")]
    StakeTooLow,
    #[msg("The provider holds as many leases as the market allows")]
    TooManyOpenLeases,
    #[msg("The provider does not meet the job's requirements")]
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
    #[msg("Not all seats have committed and been drawn: revealing now would let others copy")]
    RevealNotOpen,
    #[msg("What is revealed is not what was committed")]
    CommitmentMismatch,
    #[msg("A key may come along only with the reveal by which the lease is agreed")]
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
    #[msg("The lock multiple is out of bounds, or not above the lead by more than one")]
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

    // Audits and disputes.
    #[msg("The step of routing is out of bounds")]
    StepSecondsOutOfBounds,
    #[msg("The stake of full weight is zero")]
    ZeroStakeCap,
    #[msg("The least chance of an audit is out of bounds")]
    LeastChanceOutOfBounds,
    #[msg("What cheating saves is out of bounds")]
    SavingOutOfBounds,
    #[msg("The colluding share is out of bounds")]
    CollusionOutOfBounds,
    #[msg("The lead of a dispute is out of bounds")]
    LeadOutOfBounds,
    #[msg("The limit of seats is out of bounds, or below twice the lead")]
    SeatLimitOutOfBounds,
    #[msg("The chance that the reserve pays is out of bounds, or below the least chance")]
    ReserveOutOfBounds,
    #[msg("The probation is out of bounds")]
    ProbationOutOfBounds,
    #[msg("With this lock audits would have to be likelier than the reserve pays: raise the lock, or lower the saving or the lead")]
    LockDoesNotDeter,
    #[msg("The job names more providers than the protocol allows")]
    TooManyListed,
    #[msg("The least score is above 100 %")]
    ScoreOutOfBounds,
    #[msg("The slot that decides has not passed, or its hash is not known yet: try again in a moment")]
    SlotTooEarly,
    #[msg("There is a seed already, or nothing waits for one")]
    AlreadySeeded,
    #[msg("The job has no seed yet: send seed_job first")]
    JobNotSeeded,
    #[msg("The seats have no seed yet: send seed_lease first")]
    LeaseNotSeeded,
    #[msg("The job's lists do not let this provider claim")]
    NotListed,
    #[msg("The provider's stake or score is below what the job asks")]
    BelowThreshold,
    #[msg("The stake was added too late for a seat that votes")]
    FreshStake,
    #[msg("It is not the provider's turn yet: wait until the seat has opened further")]
    NotYourTurn,
    #[msg("The slot that decides about an audit has not passed: try again in a moment")]
    DrawTooEarly,
    #[msg("The draw of this seat was read already, or the seat has none")]
    AlreadyDrawn,
    #[msg("The lease is void: its dispute has ended without a decision")]
    LeaseVoid,
    #[msg("The seat is not convicted")]
    SeatNotConvicted,
    #[msg("The seat is convicted: send slash_seat")]
    SeatConvicted,
    #[msg("The losers of the dispute have to be slashed first: they pay this seat")]
    AwardsMissing,
    #[msg("A lease of the job is being audited or disputed")]
    LeaseContested,
    #[msg("The memory is above what this market lets a job ask for")]
    MemoryOutOfBounds,
    #[msg("The job is over: nothing of it is audited any more")]
    JobIsOver,
    #[msg("The seat was silent when others were judged, and may not speak any more")]
    SeatSilent,
    #[msg("The bond of a demand is zero")]
    ZeroDemandBond,
    #[msg("The time for demands is above the protocol's maximum")]
    ChallengeSecondsOutOfBounds,
    #[msg("The client may still demand chunks of the outputs: wait until the seat is payable")]
    ChallengeOpen,
    #[msg("The time for demands is over, or the job has none")]
    ChallengeOver,
    #[msg("A demand waits for its answer")]
    DemandPending,
    #[msg("The module was found to be void: there are no outputs")]
    NothingToDemand,
    #[msg("Nothing is demanded of the seat")]
    NothingDemanded,
    #[msg("The client has demanded as many chunks of the seat as the protocol allows")]
    TooManyDemands,
    #[msg("The answer is longer than any can be, or empty")]
    AnswerOutOfBounds,
    #[msg("The answer is not what was committed to: wrong chunk, path, key or root")]
    WrongAnswer,

    // Proofs of capability.
    #[msg("The time for which a proof of capability counts is outside the protocol's bounds")]
    ProofSecondsOutOfBounds,
    #[msg("The memory of a proof is outside the protocol's bounds of 1 MiB to 256 GiB")]
    ProofMemoryOutOfBounds,
    #[msg("No proof of capability has begun: send begin_proof")]
    NoProof,
    #[msg("The hash of the proof's seed can no longer be read: begin again, with less memory if it takes so long")]
    ProofMissed,
    #[msg(
        "A place that is shown is no hit, or they do not ascend: the device computes wrong, or it is another proof's"
    )]
    WrongProof,
    #[msg("A private job has one replica: nobody could decide between two")]
    PrivateReplicas,
    #[msg("A private job must name the providers that may take it")]
    PrivateForAll,
}

impl From<Bound> for TesseraError {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::LeastChance => Self::LeastChanceOutOfBounds,
            Bound::Saving => Self::SavingOutOfBounds,
            Bound::Collusion => Self::CollusionOutOfBounds,
            Bound::LockMultiple => Self::LockMultipleOutOfBounds,
            Bound::Lead => Self::LeadOutOfBounds,
            Bound::SeatLimit => Self::SeatLimitOutOfBounds,
            Bound::Reserve => Self::ReserveOutOfBounds,
            Bound::ExpiryBond => Self::ExpiryBondOutOfBounds,
            Bound::Probation => Self::ProbationOutOfBounds,
            Bound::Deterrence => Self::LockDoesNotDeter,
        }
    }
}

impl From<Refusal> for TesseraError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Capabilities => Self::MayNotClaim,
            Refusal::Threshold => Self::BelowThreshold,
            Refusal::FreshStake => Self::FreshStake,
            Refusal::NotYet => Self::NotYourTurn,
        }
    }
}
