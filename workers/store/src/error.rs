use tessera_protocol::cid::Cid;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL of the object store is not usable.
    #[error(
        "cannot use {url:?} as a blob store: {reason}; expected a directory, file://, s3://, gs://, az:// or http(s):// URL"
    )]
    Location {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The object store failed.
    #[error("the object store failed: {0}")]
    Backend(#[from] object_store::Error),
    /// Writing a blob failed before it was complete.
    #[error("cannot write a blob: {0}")]
    Write(#[from] std::io::Error),
    /// The bytes have another content id than the one they were sent under.
    #[error("the body has content id {found}, expected {expected}: send the blob that the address names")]
    WrongContent {
        /// The id of the address.
        expected: Cid,
        /// The id of the bytes.
        found: Cid,
    },
    /// The body has another length than announced.
    #[error("the body has {found} bytes, expected the {expected} announced in Content-Length")]
    WrongLength {
        /// Announced.
        expected: u64,
        /// Arrived.
        found: u64,
    },
    /// The sender stopped sending, or the connection broke.
    #[error("the body broke off after {received} bytes: {reason}")]
    BrokenBody {
        /// Bytes that had arrived.
        received: u64,
        /// What happened.
        reason: String,
    },
    /// Nothing arrived for too long.
    #[error("no byte of the body arrived for {seconds} s, after {received} bytes")]
    Stalled {
        /// Bytes that had arrived.
        received: u64,
        /// How long the store waited.
        seconds: u64,
    },
    /// The body took too long.
    #[error("the body did not arrive within {seconds} s, the time that a blob of its length is given")]
    TooSlow {
        /// How long the store waited.
        seconds: u64,
    },
    /// Membership in the market could not be looked up.
    #[error("cannot look up {key} in the market: {reason}")]
    Membership {
        /// The key in question.
        key: String,
        /// What the look-up met.
        reason: String,
    },
    /// The service could not listen.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Config(String),
}
