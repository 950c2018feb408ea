//! The thread of a device, with signers in place of devices: what one answers, and what it does not.

use std::sync::MutexGuard;

use solana_keypair::{Keypair, keypair_from_seed};
use solana_remote_wallet::{ledger_error::LedgerError, remote_wallet::RemoteWalletError};
use tessera_sdk::AnySigner;

use super::*;

/// A device that does what it is told with each message.
struct Toy {
    key: Keypair,
    answers: Receiver<Press>,
    asked: Arc<AtomicUsize>,
}

/// What somebody does with a device.
enum Press {
    Yes,
    No,
    /// Pulls the plug.
    Crash,
}

impl Signer for Toy {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        self.key.try_pubkey()
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answers.recv() {
            Ok(Press::Yes) => self.key.try_sign_message(message),
            Ok(Press::No) => Err(SignerError::UserCancel("no".into())),
            Ok(Press::Crash) => panic!("the device is gone, as this test wants it"),
            Err(_) => Err(SignerError::Connection("nobody is there any more".into())),
        }
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

fn key() -> Keypair {
    keypair_from_seed(&[7; 32]).unwrap()
}

/// A device, the hand that presses its buttons, and how often it was asked.
fn toy() -> (Device, SyncSender<Press>, Arc<AtomicUsize>) {
    let (hand, answers) = sync_channel(8);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let open = move || Ok(Box::new(Toy { key: key(), answers, asked: counted }) as Box<dyn Signer>);
    (Device::start(open, LONG).unwrap(), hand, asked)
}

const LONG: Duration = Duration::from_secs(60);

/// Held by whoever asks a device: [`is_waiting`] is about all of this process.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_device_signs_what_is_confirmed_and_says_what_is_refused() {
    let _alone = alone();
    let (device, hand, _) = toy();
    let signer: &AnySigner = &device;
    assert!(signer.is_interactive());
    assert_eq!(signer.pubkey(), key().pubkey());
    for press in [Press::Yes, Press::No, Press::Yes] {
        hand.send(press).unwrap();
    }
    assert_eq!(signer.try_sign_message(b"one").unwrap(), key().sign_message(b"one"));
    assert!(matches!(signer.try_sign_message(b"two"), Err(SignerError::UserCancel(_))));
    assert_eq!(signer.try_sign_message(b"three").unwrap(), key().sign_message(b"three"), "it may be asked again");
    assert!(!is_waiting());
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let _alone = alone();
    // Opened at leisure, for its thread has to start first.
    let (mut device, _hand, _) = toy();
    device.patience = Duration::from_millis(1);
    let error = device.try_sign_message(b"one").unwrap_err();
    assert!(matches!(&error, SignerError::UserCancel(text) if text.contains("nobody has confirmed")), "{error}");
    assert!(!is_waiting());
}

#[test]
fn what_was_given_up_is_not_shown_later() {
    let (hand, answers) = sync_channel(8);
    let signer = Toy { key: key(), answers, asked: Arc::default() };
    let (requests, inbox) = channel();
    let asker = Arc::new(());
    let mut signed = vec![];
    for (message, waits) in [(b"one", true), (b"two", false), (b"six", true)] {
        let (answer, taken) = sync_channel(1);
        let asker = if waits { Arc::downgrade(&asker) } else { Weak::new() };
        requests.send(Request { message: message.to_vec(), answer, asker }).unwrap();
        signed.push(taken);
        hand.send(Press::Yes).unwrap();
    }
    drop(requests);
    serve(&signer, &inbox);
    assert_eq!(signer.asked.load(Ordering::SeqCst), 2);
    let answers: Vec<_> = signed.into_iter().map(|taken| taken.recv().ok().and_then(Result::ok)).collect();
    assert_eq!(answers, [Some(key().sign_message(b"one")), None, Some(key().sign_message(b"six"))]);
}

#[test]
fn a_device_that_is_pulled_out_is_an_error_and_no_panic() {
    let _alone = alone();
    let (device, hand, _) = toy();
    hand.send(Press::Crash).unwrap();
    assert!(matches!(device.try_sign_message(b"one"), Err(SignerError::Connection(_))));
    assert!(matches!(device.try_sign_message(b"two"), Err(SignerError::Connection(_))));
}

#[test]
fn a_device_that_cannot_be_opened_says_why() {
    let error = Device::start(|| Err(anyhow!("locked")), LONG).err().unwrap();
    assert_eq!(error.to_string(), "locked");
    let error = Device::start(|| panic!("as this test wants it"), LONG).err().unwrap();
    assert!(error.to_string().contains("connect it again"), "{error}");
}

#[test]
fn texts_are_shown_before_they_are_signed() {
    let shown = notice(b"\xffsolana offchain\0\x01\x02\x03Tessera: until then");
    assert!(shown.ends_with("\n  Tessera: until then") && shown.contains("no money"), "{shown}");
    assert!(notice(&[1, 0, 2, 4]).contains("blind signing"));
}

#[test]
fn errors_say_what_helps() {
    let of = |error: LedgerError| ledger::in_words(RemoteWalletError::LedgerError(error));
    assert!(matches!(of(LedgerError::UserCancel), SignerError::UserCancel(_)));
    for (error, says) in [
        (of(LedgerError::SdkNotSupported), "blind signing"),
        (of(LedgerError::SolanaInvalidMessageHeader), "update"),
        (of(LedgerError::NoAppResponse), "app is not open"),
        (ledger::in_words(RemoteWalletError::Protocol("Unknown error")), "locked"),
    ] {
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(ledger::in_words(RemoteWalletError::NoDeviceFound), SignerError::NoDeviceFound);
}
