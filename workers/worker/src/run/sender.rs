//! Sends what the steps of several leases have to send at about the same time in as few transactions as it fits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use solana_instruction::Instruction;
use solana_keypair::Keypair;
use tessera_sdk::{Error, Tessera, batch::Outcome};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

/// How long the first who has something to send waits for others: a small part of a slot.
const GATHER: Duration = Duration::from_millis(50);

type Request = (Vec<Instruction>, oneshot::Sender<Outcome>);

/// Takes what is to be sent. Cheap to clone.
#[derive(Clone)]
pub struct Sender(mpsc::UnboundedSender<Request>);

impl Sender {
    /// Sends with `payer`'s key from now on, until the last clone is gone.
    #[must_use]
    pub fn start(tessera: Tessera, payer: Arc<Keypair>) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(gather(inbox, tessera, payer));
        Self(requests)
    }

    /// Sends instructions that have their effect together or not at all, beside those of others.
    ///
    /// # Errors
    /// As [`Tessera::send`].
    pub async fn send(&self, instructions: Vec<Instruction>) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let stopped = || Arc::new(Error::Invalid("the task that sends transactions has ended".into()));
        self.0.send((instructions, answer)).map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

async fn gather(mut inbox: mpsc::UnboundedReceiver<Request>, tessera: Tessera, payer: Arc<Keypair>) {
    while let Some(first) = inbox.recv().await {
        sleep(GATHER).await;
        let mut requests = vec![first];
        while let Ok(request) = inbox.try_recv() {
            requests.push(request);
        }
        let (tessera, payer) = (tessera.clone(), Arc::clone(&payer));
        // Those who come later need not wait until these have landed.
        tokio::spawn(async move {
            let (groups, answers): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            let answers: Vec<_> = answers.into_iter().map(|answer| Mutex::new(Some(answer))).collect();
            let done = |group: usize, outcome: Outcome| {
                let answer = answers[group].lock().unwrap_or_else(PoisonError::into_inner).take();
                // Whoever does not wait any more will look at the chain.
                let _ = answer.map(|answer| answer.send(outcome));
            };
            tessera.send_each(&groups, &payer, &done).await;
        });
    }
}
