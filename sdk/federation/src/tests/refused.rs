//! Requests that are refused.

use std::net::SocketAddr;

use ed25519_dalek::SigningKey;
use reqwest::{Method, StatusCode};
use tessera_secure_sum::message::{MAX_MESSAGE_LEN, Said, Signed, to_bytes};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Crowd, LONG, Puppet, TRAINING, any, base, keys, round, start, times};
use crate::{
    Times,
    auth::{self, Signable, unix_now},
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_as_they_should_be_are_refused() {
    let keys = keys(3);
    let coordinator = start(any(), &keys).await;
    let address = coordinator.address();
    // A connection of its own for each request: a kept one may be closed, being silent, just when it is used again.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let ask = |method: Method, path: String, value: Option<String>, body: Vec<u8>| {
        let mut request = http.request(method, format!("http://{address}{path}")).body(body);
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        async move {
            let response = request.send().await.unwrap();
            (response.status(), response.text().await.unwrap())
        }
    };
    let training = hex::encode(TRAINING);
    let letters = format!("/v1/trainings/{training}/letters?epoch=0&after=0");
    let signed = |method: &str, path: &str, body: &[u8], at: u64| {
        Some(auth::header(&keys[0], Signable { method, path, body }, at))
    };
    let now = unix_now();
    let get = |value| ask(Method::GET, letters.clone(), value, vec![]);
    assert_eq!(get(None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(Some("Tessera x".into())).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(signed("GET", &letters, b"", now - 1000)).await.0, StatusCode::UNAUTHORIZED, "played back later");
    assert_eq!(get(signed("POST", &letters, b"", now)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(signed("GET", &letters, b"", now)).await.0, StatusCode::NO_CONTENT);
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let value = auth::header(&stranger, Signable { method: "GET", path: &letters, body: b"" }, now);
    assert_eq!(get(Some(value)).await.0, StatusCode::FORBIDDEN);
    let path = format!("/v1/trainings/{training}/letters?epoch=x&after=0");
    let answer = ask(Method::GET, path.clone(), signed("GET", &path, b"", now), vec![]).await;
    assert_eq!(answer.0, StatusCode::BAD_REQUEST, "{}", answer.1);
    let path = format!("/v1/trainings/{}/letters?epoch=0&after=0", "00".repeat(32));
    assert_eq!(ask(Method::GET, path.clone(), signed("GET", &path, b"", now), vec![]).await.0, StatusCode::NOT_FOUND);

    // A round in which member 0 sends all sorts of things.
    let mut crowd = Crowd::new(&base(&coordinator), &keys, &[1, 2]);
    let task = tokio::spawn({
        let (base, keys) = (base(&coordinator), keys.clone());
        async move { Puppet::invited(&base, &keys, 0).await }
    });
    let gathering = tokio::spawn({
        let round = round(1, &keys, 3, 1);
        let long = Times { adverts: LONG, ..times() };
        async move {
            let result = coordinator.gather(round, long).await.map(drop);
            (coordinator, result)
        }
    });
    let mut puppet = timeout(LONG, task).await.unwrap().unwrap();
    let path = format!("/v1/trainings/{training}/rounds/{}/messages", hex::encode(puppet.id));
    let post =
        |body: Vec<u8>, covered: &[u8]| ask(Method::POST, path.clone(), signed("POST", &path, covered, now), body);
    let advert = to_bytes(puppet.member.advert());
    assert_eq!(post(advert.clone(), b"other").await.0, StatusCode::UNAUTHORIZED, "altered on its way");
    assert_eq!(post(vec![1, 2, 3], &[1, 2, 3]).await.0, StatusCode::BAD_REQUEST);
    let mut forged = advert.clone();
    forged[0] = 1;
    let (status, text) = post(forged.clone(), &forged).await;
    assert_eq!((status, text.contains("member 1's message")), (StatusCode::FORBIDDEN, true), "{text}");
    let other = Signed::new(&keys[1], &puppet.id, 1, puppet.member.advert().said.clone());
    let others = to_bytes(&other);
    assert_eq!(
        post(others.clone(), &others).await.0,
        StatusCode::FORBIDDEN,
        "another's, well signed, under one's own key"
    );
    let early = to_bytes(&puppet.sign(Said::Open(vec![])));
    assert_eq!(post(early.clone(), &early).await.0, StatusCode::GONE);
    let long = vec![0; MAX_MESSAGE_LEN + 1];
    assert_eq!(post(long.clone(), &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(slow(address, &path, signed("POST", &path, b"12345", now).unwrap()).await, "HTTP/1.1 408");
    assert_eq!(post(advert.clone(), &advert).await.0, StatusCode::NO_CONTENT);
    let old = format!("/v1/trainings/{training}/rounds/{}/messages", "11".repeat(32));
    let answer = ask(Method::POST, old.clone(), signed("POST", &old, &advert, now), advert.clone()).await;
    assert_eq!(answer.0, StatusCode::GONE, "of another round");
    let keys_told = puppet.told().await;
    let deal = puppet.member.keys(&keys_told).unwrap();
    puppet.say(&deal).await.unwrap();
    let (coordinator, result) = timeout(LONG, gathering).await.unwrap().unwrap();
    result.unwrap();
    assert!(timeout(LONG, crowd.vectors.recv()).await.unwrap().is_some());

    // Somebody who opens connections and says nothing is let go of.
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(timeout(LONG, silent.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    drop(coordinator);
}

/// Sends the head of a request and no body; the first words of the answer.
async fn slow(address: SocketAddr, path: &str, value: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {value}\r\ncontent-length: 5\r\n\r\n12");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
