//! Bounds that the program enforces and that front ends check before they spend anything.

/// Highest fee a market may take, in basis points of what providers earn.
pub const MAX_FEE_BPS: u16 = 1_000;
/// Denominator of basis points.
pub const BPS: u64 = 10_000;
/// Most replicas a job may ask for.
pub const MAX_REPLICAS: u8 = 8;
/// Most seats a lease account may hold, rejected ones included.
pub const MAX_SEATS: usize = 24;
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
/// Least and most stake that a seat may lock, in multiples of its pay.
pub const LOCK_MULTIPLE: (u16, u16) = (1, 10_000);
/// Least and most bond of a seat, in basis points of its pay.
pub const EXPIRY_BOND_BPS: (u16, u16) = (1, 10_000);
/// Shortest and longest time in which a provider's free returns come back, in seconds.
pub const RETURNS_SECONDS: (u32, u32) = (10, 2_592_000);
/// Slots between a commit and the slot whose hash will decide about an audit.
pub const AUDIT_SLOTS: u64 = 8;
/// Version byte of every account of this layout.
pub const ACCOUNT_VERSION: u8 = 1;
