//! How texts are cut into units and jobs, and what they take.

use std::ops::Range;

use anyhow::Result;
use tessera_nn::{MODULE, Model, PreparedJob};

use super::{
    super::estimate::{spread, try_units},
    Front, Text,
};

/// Most tokens of the texts of one job, as they are packed: every provider gets all of them, at 16 bytes each, and each unit has
/// room for as many as the largest one has.
const MOST_TOKENS: u64 = 4 << 20;

/// Texts, cut into units and jobs.
pub struct Plan {
    model: Model,
    /// Texts of a unit; the last one may have fewer.
    batch: usize,
    /// Number of texts.
    texts: usize,
    /// Tokens of all texts.
    tokens: u64,
    /// Units of each job.
    parts: Vec<Range<u64>>,
}

/// What the texts that were tried say of all.
pub struct Trial {
    pub gas: f64,
    pub seconds: f64,
    pub device: String,
}

impl Plan {
    /// Cuts texts with so many tokens each into units of `batch` texts, and these into jobs.
    pub fn new(model: Model, batch: usize, texts_per_job: Option<u32>, tokens: &[u64]) -> Self {
        let parts = parts(batch, texts_per_job, tokens);
        Self { model, batch, texts: tokens.len(), tokens: tokens.iter().sum(), parts }
    }

    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Number of all units.
    pub fn units(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// Tokens of all texts.
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Units of each job.
    pub fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// The texts of a unit, by their places.
    pub fn texts(&self, unit: u64) -> Range<usize> {
        let place = |unit: u64| usize::try_from(unit).unwrap_or(usize::MAX).saturating_mul(self.batch).min(self.texts);
        place(unit)..place(unit.saturating_add(1))
    }

    /// The job of some units.
    pub fn job<F: Front>(&self, front: &F, texts: &[Text], units: &[u64]) -> Result<PreparedJob> {
        let of_job: Vec<&str> =
            units.iter().flat_map(|unit| &texts[self.texts(*unit)]).map(|text| text.text.as_str()).collect();
        let first = units.first().map_or(0, |unit| self.texts(*unit).start as u64);
        front.job(&self.model, &of_job, self.batch, first, front.made())
    }

    /// Has some texts read on this machine, one by one and with little made for them, and says what all take.
    pub async fn try_texts<F: Front>(&self, front: &F, texts: &[Text], tries: u64) -> Result<Option<Trial>> {
        if tries == 0 {
            return Ok(None);
        }
        let tried: Vec<&str> = spread(tries, texts.len() as u64)
            .into_iter()
            .filter_map(|place| texts.get(usize::try_from(place).ok()?))
            .map(|text| text.text.as_str())
            .collect();
        let mut tokens = 0;
        for text in &tried {
            tokens += self.model.tokens(text)?.len();
        }
        // What the texts take, and what one token more does.
        let made = front.made();
        let mut sums = vec![];
        let mut device = String::new();
        for most in 1..=made.clamp(1, 2) {
            let job = front.job(&self.model, &tried, 1, 0, most)?;
            // The first one also compiles, which is done once: it is run again.
            let units: Vec<u64> = std::iter::once(0).chain(0..job.spec.units).collect();
            let (units, on) = try_units(&job.spec, MODULE, &job.inputs(), &units).await?;
            let sum = units[1..].iter().fold((0.0, 0.0), |sum, unit| (sum.0 + unit.gas as f64, sum.1 + unit.seconds));
            sums.push(sum);
            device = on;
        }
        let tokens = tokens.max(1) as f64;
        let all = |of: fn(&(f64, f64)) -> f64| {
            let read = sums.first().map_or(0.0, of);
            let more = sums.get(1).map_or(0.0, |sum| (of(sum) - read).max(0.0));
            let count = self.texts as f64 * f64::from(made.saturating_sub(1));
            read / tokens * self.tokens as f64 + more / tried.len() as f64 * count
        };
        Ok(Some(Trial { gas: all(|sum| sum.0), seconds: all(|sum| sum.1), device }))
    }
}

/// Units of the job in which those of a part are computed that are `missing`. Where answers depend on the places of texts in
/// their job, all before them are among it.
pub fn posted(part: &Range<u64>, is_drawn: bool, missing: impl Fn(u64) -> bool) -> Vec<u64> {
    let units: Vec<u64> = part.clone().filter(|unit| missing(*unit)).collect();
    match units.last() {
        Some(last) if is_drawn => (part.start..last + 1).collect(),
        _ => units,
    }
}

/// Jobs of as many units as are allowed, and of one at least.
fn parts(batch: usize, texts_per_job: Option<u32>, tokens: &[u64]) -> Vec<Range<u64>> {
    let units = tokens.chunks(batch).map(|unit| (unit.len(), unit.iter().sum::<u64>()));
    let most = texts_per_job.map_or(usize::MAX, |count| count as usize);
    let mut parts: Vec<Range<u64>> = vec![];
    // Texts of the part at hand, and tokens of its largest unit.
    let mut inside = (0, 0);
    for (unit, (texts, tokens)) in (0..).zip(units) {
        let largest = tokens.max(inside.1);
        let packed = |part: &Range<u64>| largest.saturating_mul(part.end - part.start + 1);
        let is_full =
            |part: &Range<u64>| inside.0 + texts > most || (texts_per_job.is_none() && packed(part) > MOST_TOKENS);
        match parts.last_mut().filter(|part| !is_full(part)) {
            Some(part) => {
                part.end = unit + 1;
                inside = (inside.0 + texts, largest);
            }
            None => {
                parts.push(unit..unit + 1);
                inside = (texts, tokens);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_have_as_many_texts_as_are_allowed() {
        assert_eq!(parts(2, None, &[5; 5]), vec![Range { start: 0, end: 3 }]);
        assert_eq!(parts(2, Some(4), &[5; 5]), [0..2, 2..3]);
        // At least one unit each.
        assert_eq!(parts(2, Some(1), &[5; 5]), [0..1, 1..2, 2..3]);
        assert_eq!(parts(1, None, &[MOST_TOKENS - 1, 1, 1, MOST_TOKENS, 3]), [0..1, 1..3, 3..4, 4..5]);
        // A long text makes room for as much in each unit beside it.
        let long = MOST_TOKENS / 4;
        assert_eq!(parts(1, None, &[1, 1, 1, long, 1, 1]), [0..4, 4..6]);
        assert_eq!(parts(1, None, &[1, 1, 1, 1, long, 1]), [0..4, 4..6]);
    }

    #[test]
    fn only_what_is_missing_is_posted() {
        let missing = |unit| [4, 6].contains(&unit);
        assert_eq!(posted(&(3..9), false, missing), [4, 6]);
        assert_eq!(posted(&(3..9), true, missing), [3, 4, 5, 6]);
        assert!(posted(&(7..9), true, missing).is_empty());
    }
}
