//! `tokenizer.json`: from text to tokens and back.

use std::{panic::catch_unwind, path::Path};

use tokenizers::Tokenizer;

use crate::{
    error::{NnError, Result},
    files,
};

/// Longest text that is read, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// The tokenizer of a model.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    vocabulary: usize,
}

impl Tokens {
    /// Reads the tokenizer of a model whose table of embeddings has `vocabulary` rows.
    pub fn read(folder: &Path, vocabulary: usize) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let bytes = files::text(&path)?;
        let damaged = |reason: String| NnError::Content { path: path.clone(), reason };
        // The library panics on some damaged files.
        let read = catch_unwind(|| Tokenizer::from_bytes(&bytes));
        let mut tokenizer = match read {
            Ok(Ok(tokenizer)) => tokenizer,
            Ok(Err(error)) => return Err(damaged(format!("not a tokenizer: {error}"))),
            Err(_) => return Err(damaged("not a tokenizer that can be read".into())),
        };
        // Rows are packed, and what is too long is said rather than cut.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { tokenizer, vocabulary })
    }

    /// The tokens of text `number` of a job.
    pub fn encode(&self, text: &str, number: usize) -> Result<Vec<u32>> {
        self.of(text).map_err(|reason| NnError::Setting(format!("text {number}: {reason}")))
    }

    /// The tokens of a text, with those that the model wants around it; else why it has none.
    pub fn of(&self, text: &str) -> std::result::Result<Vec<u32>, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("expected at most {MAX_TEXT} bytes, found {}", text.len()));
        }
        let encoded = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        let tokens = encoded.get_ids().to_vec();
        if let Some(token) = tokens.iter().find(|token| **token as usize >= self.vocabulary) {
            return Err(format!("its token {token} is none of the model's {}", self.vocabulary));
        }
        Ok(tokens)
    }

    /// The text of some tokens, without those that are not text.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        let failed = |error| NnError::Merge(format!("the tokens of an answer make no text: {error}"));
        self.tokenizer.decode(tokens, true).map_err(failed)
    }
}
