//! Bounds that the program enforces and that front ends check before they spend anything.

/// Highest fee a market may take, in basis points of what providers earn.
pub const MAX_FEE_BPS: u16 = 1_000;
/// Denominator of basis points.
pub const BPS: u64 = 10_000;
/// Most replicas a job may ask for.
pub const MAX_REPLICAS: u8 = 8;
/// Most seats a lease account may hold, lost ones included.
pub const MAX_SEATS: usize = 96;
/// Longest time in which a client may demand chunks of opened outputs before they are paid, in seconds.
pub const MAX_CHALLENGE_SECONDS: u32 = 604_800;
/// Longest part of that for auditors and jurors, whom the client does not choose, in seconds.
pub const MAX_JUROR_CHALLENGE_SECONDS: u32 = 3_600;
/// Shortest time for an answer to a demand, in seconds.
pub const MIN_ANSWER_SECONDS: u32 = 120;
/// Most chunks that a client may demand of one seat.
pub const MAX_DEMANDS: u8 = 4;
/// Most bytes of an answer to a demand.
pub const MAX_ANSWER: usize = 8_192;
/// Most groups of audit and dispute seats that a lease may open.
pub const MAX_GROUPS: u32 = 64;
/// Most providers that a job may name, as allowed or denied.
pub const MAX_LISTED: usize = 16;
/// Most leases of a job: its bitmap of settled leases (one bit each) must fit the account.
pub const MAX_LEASES: u32 = 65_536;
/// Most units in one lease.
pub const MAX_UNITS_PER_LEASE: u32 = 65_536;
/// Longest store URL that a job may name, in bytes.
pub const MAX_STORE_URL: usize = 128;
/// Shortest and longest time a provider may be given from claim to commit, in seconds.
pub const LEASE_SECONDS: (u32, u32) = (10, 86_400);
/// Shortest and longest window for revealing, and for opening, in seconds.
pub const REVEAL_SECONDS: (u32, u32) = (10, 86_400);
/// Shortest and longest time after a job's end during which only settlement happens, in seconds.
pub const GRACE_SECONDS: (u32, u32) = (10, 604_800);
/// Shortest and longest wait between asking for stake back and taking it, in seconds.
pub const UNSTAKE_SECONDS: (u32, u32) = (10, 7_776_000);
/// Longest time from posting to deadline, in seconds (one year).
pub const MAX_JOB_SECONDS: u64 = 31_536_000;
/// Most leases a provider may hold at once that a market may allow.
pub const MAX_OPEN_LEASES: u32 = 4_096;
/// Shortest and longest time in which a provider's free returns come back, in seconds.
pub const RETURNS_SECONDS: (u32, u32) = (10, 2_592_000);
/// Shortest and longest time after which the opening of a group of seats doubles, in seconds.
pub const STEP_SECONDS: (u32, u32) = (1, 3_600);
/// Slots between a post or a commit, or the opening of a group of seats, and the slot whose hash will decide.
pub const AUDIT_SLOTS: u64 = 8;
/// Version byte of every account of this layout.
pub const ACCOUNT_VERSION: u8 = 1;
