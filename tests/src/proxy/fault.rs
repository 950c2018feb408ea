//! What can go wrong on the way.

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// What goes wrong. The first ones happen to connections and bytes, whatever is spoken; the others to HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// New connections are reset; those that are open go on.
    Refuse,
    /// Open connections are reset now, new ones somewhere within so many bytes of answers.
    Cut {
        /// Bytes.
        #[serde(default)]
        within: u64,
    },
    /// Everything comes later.
    Delay {
        /// Milliseconds, at least.
        ms: u64,
        /// Milliseconds, at most, on top.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// Nothing passes, and nobody is told. What was under way arrives when the fault ends.
    Stall,
    /// Pieces are lost, and come again after the time that it takes a sender to notice.
    Lossy {
        /// How many of a hundred.
        percent: u8,
    },
    /// Bytes pass slowly, in each direction of each connection.
    Throttle {
        /// How many in a second.
        bytes_per_second: u64,
    },
    /// 429, too many requests.
    Limit {
        /// What the answer says when to come again, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// Whether it says so as a date.
        #[serde(default)]
        date: bool,
    },
    /// An answer without content.
    Status {
        /// Its status.
        code: u16,
    },
    /// Answers of JSON-RPC are those that were given before the fault began; what was not asked before is answered for the slot of
    /// that time.
    Stale,
    /// Answers are cut off JSON, no JSON, or JSON that says nothing.
    Garble,
    /// Requests are not passed on and never answered. When the fault ends, their connections do.
    Silent,
    /// Requests are passed on, and the connection breaks instead of the answer.
    LoseAnswer,
}

impl Fault {
    /// Whether it happens to HTTP requests.
    #[must_use]
    pub const fn is_of_requests(&self) -> bool {
        matches!(
            self,
            Self::Limit { .. } | Self::Status { .. } | Self::Stale | Self::Garble | Self::Silent | Self::LoseAnswer
        )
    }
}

/// A fault, and whom it hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many requests of a hundred; faults of connections hit all.
    #[serde(default = "all")]
    pub percent: u8,
    /// Only requests for these methods: names of JSON-RPC, or of HTTP where that is not spoken. Empty: all.
    #[serde(default)]
    pub methods: Vec<String>,
}

const fn all() -> u8 {
    100
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self { fault, percent: all(), methods: vec![] }
    }
}

impl Rule {
    /// The same for these methods only.
    #[must_use]
    pub fn of(mut self, methods: &[&str]) -> Self {
        self.methods = methods.iter().map(ToString::to_string).collect();
        self
    }

    /// The same for so many requests of a hundred.
    #[must_use]
    pub const fn percent(mut self, percent: u8) -> Self {
        self.percent = percent;
        self
    }

    /// Whether a request for this method meets it.
    pub(super) fn hits(&self, method: &str, rng: &mut Rng) -> bool {
        let chosen = self.methods.is_empty() || self.methods.iter().any(|name| name == method);
        self.fault.is_of_requests() && chosen && rng.below(100) < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_json() {
        let text = r#"[{"fault":"limit","retry_after":3,"percent":20},{"fault":"cut"},{"fault":"stale","methods":["getSlot"]}]"#;
        let rules: Vec<Rule> = serde_json::from_str(text).unwrap();
        let limit = Rule::from(Fault::Limit { retry_after: Some(3), date: false }).percent(20);
        assert_eq!(rules, [limit, Fault::Cut { within: 0 }.into(), Rule::from(Fault::Stale).of(&["getSlot"])]);
        let again: Vec<Rule> = serde_json::from_str(&serde_json::to_string(&rules).unwrap()).unwrap();
        assert_eq!(again, rules);
    }

    #[test]
    fn rules_hit_whom_they_name() {
        let rule = Rule::from(Fault::Garble).of(&["getSlot"]).percent(50);
        let hits = |method, seed| rule.hits(method, &mut Rng::new(seed));
        let hit = (0..1000).filter(|seed| hits("getSlot", *seed)).count();
        assert!((400..600).contains(&hit), "{hit}");
        assert!((0..1000).all(|seed| !hits("getBalance", seed)));
        assert!(!Rule::from(Fault::Stall).hits("getSlot", &mut Rng::new(1)));
    }
}
