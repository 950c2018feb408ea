//! What was paid, by day.

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::{Span, civil::date};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use tessera_protocol::verdict::Kind;

use super::{
    Entry, Journal, JournalError,
    database::{OPEN, OrJournal, encode, name},
};

/// Day since 1970 in UTC, big endian → what was paid. Never pruned: a row is a few bytes.
const EARNINGS: TableDefinition<u32, &[u8]> = TableDefinition::new("earnings-1");

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What was paid on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Sum {
    leases: u64,
    audits: u64,
    disputes: u64,
    pay: u64,
}

/// A day on which something was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Such as `2026-11-26`, in UTC.
    pub date: String,
    /// Paid leases.
    pub leases: u64,
    /// Those among them that were audits.
    pub audits: u64,
    /// Those among them that decided disputes.
    pub disputes: u64,
    /// What they paid, in base units.
    pub pay: u64,
}

impl Journal {
    /// Writes the entry of a lease that was paid at Unix time `now`, and its pay to those of the day, both or nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub fn paid(&self, entry: &Entry, now: i64) -> Result<(), JournalError> {
        let day = u32::try_from(now.div_euclid(SECONDS_OF_A_DAY)).unwrap_or_default();
        let write = self.database.begin_write().or_journal()?;
        {
            write.open_table(OPEN).or_journal()?.insert(&*name(&entry.id)?, &*encode(entry)?).or_journal()?;
            let mut table = write.open_table(EARNINGS).or_journal()?;
            let before = table.get(day).or_journal()?.map(|row| decode(row.value())).transpose()?;
            let mut sum = before.unwrap_or_default();
            sum.leases += 1;
            sum.audits += u64::from(entry.kind == Kind::Audit);
            sum.disputes += u64::from(entry.kind == Kind::Dispute);
            sum.pay = sum.pay.saturating_add(entry.pay);
            table.insert(day, &*encode(&sum)?).or_journal()?;
        }
        write.commit().or_journal()
    }

    /// What was paid on each day on which anything was, the first one first.
    ///
    /// # Errors
    /// If the database fails.
    pub fn earnings(&self) -> Result<Vec<Day>, JournalError> {
        let read = self.database.begin_read().or_journal()?;
        let table = match read.open_table(EARNINGS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(vec![]),
            table => table.or_journal()?,
        };
        let day = |number: u32| date(1970, 1, 1).saturating_add(Span::new().days(i64::from(number)));
        table
            .iter()
            .or_journal()?
            .map(|row| {
                let (number, sum) = row.or_journal()?;
                let Sum { leases, audits, disputes, pay } = decode(sum.value())?;
                Ok(Day { date: day(number.value()).to_string(), leases, audits, disputes, pay })
            })
            .collect()
    }
}

fn decode(bytes: &[u8]) -> Result<Sum, JournalError> {
    borsh::from_slice(bytes).map_err(|e| JournalError::Unreadable(std::io::Error::other(e.to_string())))
}

#[cfg(test)]
mod tests {
    use solana_pubkey::Pubkey;

    use super::*;
    use crate::journal::LeaseId;

    #[test]
    fn pay_adds_up_by_day() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.earnings().unwrap(), []);
        let key = Pubkey::new_from_array([1; 32]);
        // The last second of a day, and the next day.
        let midnight = 1_795_651_200;
        for (index, kind, pay, at) in
            [(0, Kind::Base, 5, midnight - 1), (1, Kind::Audit, 7, midnight - 80_000), (2, Kind::Base, 1, midnight)]
        {
            let entry = Entry { kind, pay, paid: true, ..Entry::claiming(LeaseId::new(&key, index), &key, 0) };
            journal.paid(&entry, at).unwrap();
        }
        assert_eq!(journal.entries().unwrap().len(), 3);
        let day = |date: &str, leases, audits, pay| Day { date: date.into(), leases, audits, disputes: 0, pay };
        assert_eq!(journal.earnings().unwrap(), [day("2026-11-25", 2, 1, 12), day("2026-11-26", 1, 0, 1)]);
    }
}
