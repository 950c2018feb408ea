//! A hardware wallet. It is spoken to by a thread of its own, for nobody knows how long somebody takes to press a button.

mod ledger;

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use solana_derivation_path::DerivationPath;
use solana_pubkey::Pubkey;
use solana_remote_wallet::locator::Locator;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};

/// How long somebody has to choose a device, or to look at what is shown and press a button. A transaction that waits longer
/// would not land any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// The byte with which off-chain messages begin, and no transaction.
const TEXT: u8 = 0xff;

/// Threads that wait for somebody.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody is asked at this moment to press a button.
#[must_use]
pub fn is_waiting() -> bool {
    WAITING.load(Ordering::SeqCst) > 0
}

type Answer = Result<Signature, SignerError>;

/// Something to sign.
struct Request {
    message: Vec<u8>,
    answer: SyncSender<Answer>,
    /// Is gone when nobody waits for the answer any more.
    asker: Weak<()>,
}

/// A device that is connected.
pub(crate) struct Device {
    address: Pubkey,
    requests: Mutex<Sender<Request>>,
    patience: Duration,
}

impl Device {
    /// Finds the device and asks for its address, for which nobody has to press anything.
    pub(crate) fn connect(locator: Locator, path: DerivationPath) -> Result<Self> {
        Self::start(move || ledger::open(locator, path), PATIENCE)
    }

    /// Opens a signer in a thread of its own, which it never leaves.
    fn start(open: impl FnOnce() -> Result<Box<dyn Signer>> + Send + 'static, patience: Duration) -> Result<Self> {
        let (requests, inbox) = channel();
        let (opened, address) = sync_channel(1);
        let run = move || match open() {
            Ok(signer) => {
                let _ = opened.send(Ok(signer.pubkey()));
                serve(&*signer, &inbox);
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        thread::Builder::new().name("device".into()).spawn(run).context("cannot start a thread for the device")?;
        let silent = |error| match error {
            RecvTimeoutError::Timeout => anyhow!(
                "the device has not answered within {} s; unlock it, open its Solana app and run the same command again",
                patience.as_secs()
            ),
            RecvTimeoutError::Disconnected => anyhow!("the connection to the device broke; connect it again"),
        };
        let address = address.recv_timeout(patience).map_err(silent)??;
        Ok(Self { address, requests: Mutex::new(requests), patience })
    }
}

/// Signs what is asked for, until nobody can ask any more. Who has given up is not signed for.
fn serve(signer: &dyn Signer, inbox: &Receiver<Request>) {
    while let Ok(Request { message, answer, asker }) = inbox.recv() {
        if asker.strong_count() > 0 {
            let _ = answer.send(signer.try_sign_message(&message));
        }
    }
}

impl Signer for Device {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        Ok(self.address)
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        // One after the other: a device shows one thing at a time.
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || SignerError::Connection("the connection to the device broke".into());
        let (answer, signed) = sync_channel(1);
        let asker = Arc::new(());
        let request = Request { message: message.to_vec(), answer, asker: Arc::downgrade(&asker) };
        requests.send(request).map_err(|_| gone())?;
        eprintln!("{}", notice(message));
        let _waiting = Waiting::begin();
        match signed.recv_timeout(self.patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => Err(SignerError::UserCancel(format!(
                "nobody has confirmed it on the device within {} s; refuse what it still shows",
                self.patience.as_secs()
            ))),
        }
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

/// What stands on the screen while the device waits.
fn notice(message: &[u8]) -> String {
    let text = message.rsplit(|byte| !(0x20..0x7f).contains(byte)).next().unwrap_or_default();
    match message.first() {
        Some(&TEXT) => format!(
            "Confirm this on the device: it allows uploads, and moves no money.\n  {}",
            String::from_utf8_lossy(text)
        ),
        _ => "Confirm the transaction on the device. It does not know this program, so that it shows no more than a hash, and needs \
              \"blind signing\" in the settings of its Solana app."
            .into(),
    }
}

/// Counts while it lives.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
