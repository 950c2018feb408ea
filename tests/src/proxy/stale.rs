//! What a node answered, so that it can be answered again when it is not true any more.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Most answers remembered.
const MOST: usize = 10_000;

/// A request of JSON-RPC.
pub(super) struct Call {
    pub id: Value,
    pub method: String,
    params: String,
}

impl Call {
    /// `None` if it is something else.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let method = body.get("method")?.as_str()?.to_owned();
        Some(Self { id: body["id"].clone(), method, params: body["params"].to_string() })
    }
}

/// Answers remembered.
#[derive(Default)]
pub(super) struct Memory {
    results: HashMap<(String, String), Value>,
    slot: u64,
}

impl Memory {
    /// Remembers an answer to a call.
    pub fn keep(&mut self, call: &Call, answer: &[u8]) {
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(answer) else { return };
        let Some(result) = answer.remove("result") else { return };
        let slot = if call.method == "getSlot" { result.as_u64() } else { result["context"]["slot"].as_u64() };
        self.slot = self.slot.max(slot.unwrap_or(0));
        if self.results.len() >= MOST {
            self.results.clear();
        }
        self.results.insert((call.method.clone(), call.params.clone()), result);
    }

    /// The answer that was given before.
    pub fn answer(&self, call: &Call) -> Option<Value> {
        let result = self.results.get(&(call.method.clone(), call.params.clone()))?;
        Some(json!({ "jsonrpc": "2.0", "id": call.id, "result": result }))
    }

    /// Makes an answer one of the time that is remembered, as far as that is possible.
    pub fn age(&self, call: &Call, answer: &mut Value) {
        let result = &mut answer["result"];
        let older = |slot: &mut Value| {
            if let Some(number) = slot.as_u64() {
                *slot = number.min(self.slot).into();
            }
        };
        match call.method.as_str() {
            "getSlot" => older(result),
            "getEpochInfo" => {
                let since = result["absoluteSlot"].as_u64().unwrap_or(0).saturating_sub(self.slot);
                for field in ["absoluteSlot", "blockHeight"] {
                    let aged = result[field].as_u64().unwrap_or(0).saturating_sub(since);
                    result[field] = aged.into();
                }
            }
            _ if result["context"].is_object() => {
                older(&mut result["context"]["slot"]);
                if let (true, Value::Array(statuses)) = (call.method == "getSignatureStatuses", &mut result["value"]) {
                    statuses.fill(Value::Null);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str) -> Call {
        Call::parse(format!(r#"{{"id":7,"method":"{method}","params":["x"]}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn answers_come_again() {
        let mut memory = Memory::default();
        assert!(memory.answer(&call("getBalance")).is_none());
        memory.keep(&call("getBalance"), br#"{"id":1,"result":{"context":{"slot":5},"value":1}}"#);
        assert_eq!(memory.answer(&call("getBalance")).unwrap()["id"], 7);
        let mut statuses = json!({ "result": { "context": { "slot": 9 }, "value": [{ "slot": 8 }] } });
        memory.age(&call("getSignatureStatuses"), &mut statuses);
        assert_eq!(statuses, json!({ "result": { "context": { "slot": 5 }, "value": [null] } }));
        let mut epoch = json!({ "result": { "absoluteSlot": 9, "blockHeight": 7 } });
        memory.age(&call("getEpochInfo"), &mut epoch);
        assert_eq!(epoch, json!({ "result": { "absoluteSlot": 5, "blockHeight": 3 } }));
        assert!(Call::parse(b"[]").is_none());
    }
}
