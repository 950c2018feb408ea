//! Faults that are switched from another process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_switched_over_http() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-proxy"));
    // Nobody listens there.
    command.args(["--upstream", "127.0.0.1:1", "--protocol", "http", "--seed", "7"]).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ports: Value = serde_json::from_str(&line).unwrap();
    let url = |name: &str, path: &str| format!("http://{}{path}", ports[name].as_str().unwrap());
    let client = reqwest::Client::new();

    assert!(client.get(url("address", "/")).send().await.is_err_and(|e| !e.is_connect()), "there is nothing behind it");
    let rules = json!([{ "fault": "limit", "retry_after": 5, "percent": 100, "methods": [] }]);
    let rules_url = url("control", "/faults");
    let set: Value = client.put(&rules_url).json(&rules).send().await.unwrap().json().await.unwrap();
    assert_eq!(set[0]["retry_after"], 5);
    let refused = client.get(url("address", "/")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    let wrong = client.put(&rules_url).json(&json!([{ "fault": "boredom" }])).send().await.unwrap();
    assert!(wrong.status().is_client_error() && wrong.text().await.unwrap().contains("boredom"));
    let none: Value = client.delete(&rules_url).send().await.unwrap().json().await.unwrap();
    assert_eq!(none, json!([]));
    let counts: Value = client.get(url("control", "/counts")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&counts["requests"], &counts["faulty"]), (&json!(2), &json!(1)));
}
