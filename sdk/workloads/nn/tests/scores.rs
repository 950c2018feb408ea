//! How likely tokens are: through the interpreter with all checks, as compiled code, in any batch, and against double precision.

mod support;

use support::{TEXTS, decoder, encoder, reference, run, the_same, tokens};
use tessera_executor::Checks;
use tessera_nn::{Likelihood, Logits, Model, Precision, Scores, Scoring, TokenScore};

fn scores(model: &Model, texts: &[&str], batch: usize, checks: Checks) -> Scores {
    let job = Scoring::job(model, texts, batch).unwrap();
    let mut scores = Scores::new(&job.spec).unwrap();
    for (unit, output) in run(&job, checks).iter().enumerate().rev() {
        assert!(scores.add(unit as u64, output).unwrap());
        assert!(!scores.add(unit as u64, output).unwrap());
    }
    scores
}

/// Both words of each token, as floats.
fn words(model: &Model, texts: &[&str], batch: usize, checks: Checks) -> Vec<Vec<f32>> {
    let word = |score: &TokenScore| [score.log_likelihood, f32::from_bits(score.most_likely)];
    let texts = scores(model, texts, batch, checks).texts().unwrap();
    texts.iter().map(|text| text.iter().flat_map(word).collect()).collect()
}

/// What the tokens' scores are in double precision, with the most likely token.
fn expected(folder: &support::Folder, tokens: &[u32]) -> Vec<(f64, u32)> {
    (1..tokens.len())
        .map(|at| {
            let logits = reference::logits(folder, &tokens[..at]);
            let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
            let total: f64 = logits.iter().map(|logit| (logit - logits[best]).exp()).sum();
            (logits[tokens[at] as usize] - logits[best] - total.ln(), best as u32)
        })
        .collect()
}

#[test]
fn scores_are_exact_and_right() {
    let folder = decoder();
    let model = folder.load(Precision::F32);
    the_same(|texts, batch, checks| words(&model, texts, batch, checks));
    let scores = scores(&model, &TEXTS, 3, Checks::NONE);
    let (mut sum, mut count) = (0.0, 0);
    for (text, found) in TEXTS.iter().zip(scores.texts().unwrap()) {
        let expected = expected(&folder, &tokens(&text.to_lowercase(), &[1], &[]));
        assert_eq!(found.len(), expected.len());
        for (found, (likelihood, best)) in found.iter().zip(&expected) {
            let error = (f64::from(found.log_likelihood) - likelihood).abs();
            assert!(error < 1e-5 * likelihood.abs().max(1.0), "{text}: {found:?}, expected {likelihood}");
            assert_eq!(found.most_likely, *best, "{text}");
            assert!(found.log_likelihood <= 0.0);
        }
        let of_text: Likelihood = found.iter().collect();
        assert_eq!(of_text.count, expected.len() as u64);
        sum += expected.iter().map(|(likelihood, _)| likelihood).sum::<f64>();
        count += of_text.count;
    }
    let total = scores.total().unwrap();
    assert_eq!(total.count, count);
    assert!((total.sum - sum).abs() < 1e-5 * sum.abs(), "{total:?}, expected {sum}");
    assert!((total.perplexity() / (-sum / count as f64).exp() - 1.0).abs() < 1e-5);
}

/// More rows than are scored together: the same as alone.
#[test]
fn long_units_are_scored_in_runs() {
    let model = decoder().load(Precision::F32);
    let one = words(&model, &TEXTS, 1, Checks::NONE);
    let many: Vec<&str> = (0..20).flat_map(|_| TEXTS).collect();
    let job = Scoring::job(&model, &many, many.len()).unwrap();
    let repeats = &job.spec.plan.repeats;
    assert!(repeats.len() == 1 && repeats[0].times >= 2, "{repeats:?}");
    for (number, found) in words(&model, &many, many.len(), Checks::NONE).iter().enumerate() {
        assert_eq!(found, &one[number % TEXTS.len()]);
    }
}

/// The largest logit of each place is that of [`Logits`] for the text up to there.
#[test]
fn scores_agree_with_logits() {
    let model = decoder().load(Precision::F32);
    let text = "the cat sees the dog";
    let words: Vec<&str> = text.split(' ').collect();
    let prefixes: Vec<String> = (0..words.len()).map(|count| words[..count].join(" ")).collect();
    let job = Logits::job(&model, &prefixes, 2).unwrap();
    let mut logits = Logits::merge(&job.spec).unwrap();
    for (unit, output) in run(&job, Checks::NONE).iter().enumerate() {
        logits.add(unit as u64, output).unwrap();
    }
    let found = &scores(&model, &[text], 1, Checks::NONE).texts().unwrap()[0];
    for (logits, score) in logits.rows().unwrap().iter().zip(found) {
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(logits[score.most_likely as usize].to_bits(), most.to_bits());
    }
}

#[test]
fn bytes_score_nearly_as_floats() {
    let folder = decoder();
    let model = folder.load(Precision::Int8);
    the_same(|texts, batch, checks| words(&model, texts, batch, checks));
    let perplexity = |precision| {
        let model = folder.load(precision);
        scores(&model, &TEXTS, 4, Checks::NONE).total().unwrap().perplexity()
    };
    let (exact, found) = (perplexity(Precision::F32), perplexity(Precision::Int8));
    // Of random weights, whose predictions are worse than those of chance.
    assert!(exact != found && (found / exact - 1.0).abs() < 0.05, "{exact}, {found}");
}

#[test]
fn a_single_token_has_no_score() {
    let model = decoder().load(Precision::F32);
    for (texts, counts) in [(vec![""], vec![0]), (vec!["cat dog", "", "sun"], vec![2, 0, 1])] {
        for checks in [Checks::NONE, Checks::ALL] {
            let scores = scores(&model, &texts, 2, checks);
            let found: Vec<usize> = scores.texts().unwrap().iter().map(Vec::len).collect();
            assert_eq!(found, counts);
            assert_eq!(scores.total().unwrap().perplexity().is_nan(), counts == [0]);
        }
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let encoder = encoder().load(Precision::F32);
    assert!(Scoring::job(&encoder, &["cat"], 1).unwrap_err().to_string().contains("encoder"));
    let model = decoder().load(Precision::F32);
    let long = "cat ".repeat(64);
    assert!(Scoring::job(&model, &[&long], 1).unwrap_err().to_string().contains("at most 64 tokens, found 65"));
    let job = Scoring::job(&model, &["cat dog", "sun"], 2).unwrap();
    assert!(Logits::merge(&job.spec).unwrap_err().to_string().contains("\"score\", expected \"logits\""));
    let mut scores = Scores::new(&job.spec).unwrap();
    assert!(scores.total().unwrap_err().to_string().contains("1 of 1 units are missing"));
    assert!(scores.add(0, &[0; 39]).unwrap_err().to_string().contains("expected 40 bytes, found 39"));
    scores.add(0, &[3, 0, 0, 0].repeat(10)).unwrap();
    assert!(scores.texts().unwrap_err().to_string().contains("3 scores, expected at most 2"));
}
