//! Data: files of samples or of text, what is held out, and the blobs that units read.

mod files;
mod shape;

use bytes::Bytes;

use crate::{
    error::{Result, setting},
    philox::Draws,
    plan::{Data, Division, Plan},
};

pub use shape::Shape;

/// Words before the table of shards in a blob, as in `kernels/steps.cuh`.
const HEAD: usize = 4;
/// Text is held out at the end of every stretch of so many bytes.
const STRETCH: usize = 4096;
/// Most samples or bytes of text: kernels count them in 32 bits.
const MAX_COUNT: usize = 1 << 30;

/// What a plan's files hold, divided.
#[derive(Clone, Debug)]
pub(crate) struct Divided {
    /// What the shards hold.
    pub shards: Vec<Content>,
    /// What is held out; without samples where nothing is.
    pub held_out: Content,
    /// Values of a sample; 1 for text.
    pub width: usize,
    /// Number of classes; 256 for text.
    pub classes: usize,
}

/// Samples, or text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Rows of features, and a label for each.
    Samples { features: Vec<f32>, labels: Vec<u32> },
    /// Bytes.
    Text(Vec<u8>),
}

impl Content {
    /// How many samples, or bytes.
    pub fn count(&self) -> usize {
        match self {
            Self::Samples { labels, .. } => labels.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Some of the samples.
    fn pick(&self, width: usize, which: &[usize]) -> Self {
        match self {
            Self::Samples { features, labels } => Self::Samples {
                features: which.iter().flat_map(|i| &features[i * width..][..width]).copied().collect(),
                labels: which.iter().map(|i| labels[*i]).collect(),
            },
            Self::Text(text) => Self::Text(which.iter().map(|i| text[*i]).collect()),
        }
    }
}

/// Bytes before the records of a blob with so many shards.
pub(crate) fn records_at(shards: usize) -> u64 {
    ((HEAD + 2 * shards).next_multiple_of(4) * 4) as u64
}

/// The blob of several contents; records begin at [`records_at`]. `secret` is the owner's seed, 0 where the data is public.
pub(crate) fn blob(contents: &[&Content], width: usize, secret: u64) -> Bytes {
    let mut words = vec![contents.len() as u32, width as u32, secret as u32, (secret >> 32) as u32];
    let mut first = 0u32;
    for content in contents {
        words.extend([first, content.count() as u32]);
        first += content.count() as u32;
    }
    words.resize(words.len().next_multiple_of(4), 0);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for content in contents {
        match content {
            Content::Samples { features, labels } => {
                for (row, label) in features.chunks_exact(width).zip(labels) {
                    bytes.extend(label.to_le_bytes());
                    bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
                }
            }
            Content::Text(text) => bytes.extend(text),
        }
    }
    bytes.into()
}

impl Divided {
    /// Reads and divides what a plan names.
    pub fn read(plan: &Plan) -> Result<Self> {
        let sources = files::read(&plan.data)?;
        let mut draws = Draws::new(plan.seed, 0);
        let (parts, width, classes) = match &plan.data {
            Data::Samples { held_out, test, scale, .. } => {
                let tests = files::samples(test, &[], *scale)?;
                let (width, classes) = files::shape(sources.iter().chain(&tests))?;
                let held_out = if tests.is_empty() { *held_out } else { 0.0 };
                let parts: Vec<_> = (sources.iter())
                    .map(|source| {
                        let mut order = draws.order(source.count());
                        let out = (source.count() as f64 * held_out) as usize;
                        // Which ones is drawn; their order stays.
                        order[..out].sort_unstable();
                        order[out..].sort_unstable();
                        (source.pick(width, &order[out..]), source.pick(width, &order[..out]))
                    })
                    .chain(tests.iter().map(|test| (test.pick(width, &[]), test.clone())))
                    .collect();
                (parts, width, classes)
            }
            Data::Text { held_out, .. } => {
                let kept = STRETCH - (STRETCH as f64 * held_out) as usize;
                let split = |source: &Content| {
                    let (train, out): (Vec<usize>, _) = (0..source.count()).partition(|i| i % STRETCH < kept);
                    (source.pick(1, &train), source.pick(1, &out))
                };
                (sources.iter().map(split).collect(), 1, 256)
            }
        };
        let (mut train, out): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        train.truncate(sources.len());
        let held_out = joined(out);
        let count = plan.shards.count;
        let shards = match plan.shards.by {
            Division::Files if train.len() == count => train,
            Division::Files => {
                return setting(format!("shards.by = \"files\": {count} shards, and {} files", train.len()));
            }
            by => {
                let whole = joined(train);
                let places = divide(&whole, by, count, plan.shards.alpha, classes, &mut draws)?;
                places.iter().map(|which| whole.pick(width, which)).collect()
            }
        };
        Ok(Self { shards, held_out, width, classes })
    }

    /// Whether every shard has what a step needs: `least` samples or bytes.
    pub fn check(&self, least: usize) -> Result<()> {
        for (shard, content) in self.shards.iter().enumerate() {
            let found = content.count();
            if found < least {
                let reason = format!("shard {shard} has {found} samples or bytes, expected at least {least}");
                return setting(format!("{reason}: take fewer shards, or divide the data otherwise"));
            }
        }
        match self.shards.iter().map(Content::count).sum::<usize>() {
            found if found > MAX_COUNT => setting(format!("{found} samples or bytes of text, at most {MAX_COUNT}")),
            _ => Ok(()),
        }
    }
}

/// Which samples go to which shard.
fn divide(
    whole: &Content,
    by: Division,
    count: usize,
    alpha: f64,
    classes: usize,
    draws: &mut Draws,
) -> Result<Vec<Vec<usize>>> {
    let total = whole.count();
    let cut = |order: &[usize]| -> Vec<Vec<usize>> {
        (0..count).map(|shard| order[shard * total / count..(shard + 1) * total / count].to_vec()).collect()
    };
    match (whole, by) {
        (Content::Text(_), Division::Iid) => Ok(cut(&(0..total).collect::<Vec<_>>())),
        (Content::Text(_), _) => setting("shards.by: text has no labels; take \"iid\" or \"files\""),
        (Content::Samples { labels, .. }, Division::Labels) => {
            let mut order = draws.order(total);
            order.sort_by_key(|i| labels[*i]);
            Ok(cut(&order))
        }
        (Content::Samples { labels, .. }, Division::Dirichlet) => {
            let order = draws.order(total);
            let mut shards = vec![vec![]; count];
            for class in 0..classes as u32 {
                let of_class: Vec<usize> = order.iter().copied().filter(|i| labels[*i] == class).collect();
                let parts: Vec<f64> = (0..count).map(|_| draws.gamma(alpha)).collect();
                let sum: f64 = parts.iter().sum();
                let (mut up_to, mut first) = (0.0, 0);
                for (shard, part) in shards.iter_mut().zip(&parts) {
                    up_to += part / sum;
                    let end = ((up_to * of_class.len() as f64).round() as usize).clamp(first, of_class.len());
                    shard.extend(&of_class[first..end]);
                    first = end;
                }
            }
            Ok(shards)
        }
        (Content::Samples { .. }, _) => Ok(cut(&draws.order(total))),
    }
}

/// Contents of the same kind, one behind the other.
pub(crate) fn joined(contents: Vec<Content>) -> Content {
    let mut contents = contents.into_iter();
    let mut all = contents.next().unwrap_or(Content::Text(vec![]));
    for content in contents {
        match (&mut all, content) {
            (Content::Samples { features, labels }, Content::Samples { features: more, labels: of_more }) => {
                features.extend(more);
                labels.extend(of_more);
            }
            (Content::Text(text), Content::Text(more)) => text.extend(more),
            // All files of a plan are of one kind.
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Content {
        let labels: Vec<u32> = (0..count as u32).map(|i| i % 5).collect();
        Content::Samples { features: (0..count * 2).map(|i| i as f32).collect(), labels }
    }

    #[test]
    fn every_sample_goes_to_one_shard() {
        for by in [Division::Iid, Division::Labels, Division::Dirichlet] {
            let shards = divide(&samples(103), by, 4, 0.5, 5, &mut Draws::new(1, 0)).unwrap();
            let mut all: Vec<usize> = shards.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..103), "{by:?}");
        }
        let shards = divide(&samples(100), Division::Labels, 5, 0.5, 5, &mut Draws::new(1, 0)).unwrap();
        assert!(shards.iter().enumerate().all(|(label, shard)| shard.iter().all(|i| i % 5 == label)));
        assert!(divide(&Content::Text(vec![0; 9]), Division::Labels, 2, 0.5, 256, &mut Draws::new(1, 0)).is_err());
    }

    #[test]
    fn blobs_hold_shards_one_behind_the_other() {
        let (one, two) = (samples(1), samples(2));
        let blob = blob(&[&one, &two], 2, 7 << 32);
        let words: Vec<u32> = blob.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!(words[..8], [2, 2, 0, 7, 0, 1, 1, 2]);
        assert_eq!((records_at(2), words[8..].len()), (32, 9));
        assert_eq!(words[11..14], [0, 0.0f32.to_bits(), 1.0f32.to_bits()]);
    }
}
