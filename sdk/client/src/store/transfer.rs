//! Blobs on their way to a store, watched while they move.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, RequestBuilder, Response, header};
use tokio::{sync::watch, time::timeout};

/// Bytes that are handed to the connection at a time.
const PIECE: usize = 64 << 10;
/// How long the answer may take when all was sent, in terms of the longest silence: what the system still holds has to go out, and
/// the store to put it away.
const ANSWER: u32 = 4;

/// Sends a request with a blob. `None` if nothing of it moves for `silence`, or no answer comes after it.
pub async fn send(request: RequestBuilder, blob: Bytes, silence: Duration) -> Option<reqwest::Result<Response>> {
    let len = blob.len();
    let (moved, mut moving) = watch::channel(());
    let pieces = (0..len).step_by(PIECE).map(move |at| {
        moved.send_replace(());
        Ok::<_, Infallible>(blob.slice(at..len.min(at + PIECE)))
    });
    let body = Body::wrap_stream(stream::iter(pieces));
    let mut sending = std::pin::pin!(request.header(header::CONTENT_LENGTH, len).body(body).send());
    loop {
        tokio::select! {
            answer = &mut sending => return Some(answer),
            moved = timeout(silence, moving.changed()) => match moved {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return timeout(silence * ANSWER, sending).await.ok(),
                Err(_) => return None,
            },
        }
    }
}

/// When a response was made, by the clock of whoever made it, in Unix seconds.
pub fn date(response: &Response) -> Option<u64> {
    date_of(response.headers().get(header::DATE)?.to_str().ok()?)
}

fn date_of(text: &str) -> Option<u64> {
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::{Instant, sleep},
    };

    use super::*;

    const SILENCE: Duration = Duration::from_millis(1_500);
    /// More than all buffers between the two sides hold.
    const LEN: usize = 24 << 20;

    /// Puts a blob to somebody who takes `most` bytes of it with a pause before every mebibyte, and answers after `wait`.
    async fn put(most: usize, pause: Duration, wait: Duration) -> (Option<u16>, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let taking = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut buffer, mut taken, mut next) = (vec![0; 64 << 10], 0, 0);
            while taken < most {
                if taken >= next {
                    sleep(pause).await;
                    next += 1 << 20;
                }
                taken += stream.read(&mut buffer).await.unwrap();
            }
            sleep(wait).await;
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
            sleep(Duration::from_secs(60)).await;
        });
        let began = Instant::now();
        let request = reqwest::Client::new().put(url);
        let sent = send(request, Bytes::from(vec![7; LEN]), SILENCE).await;
        taking.abort();
        (sent.map(|answer| answer.unwrap().status().as_u16()), began.elapsed())
    }

    #[tokio::test]
    async fn slow_is_not_silent() {
        let (status, took) = put(LEN, Duration::from_millis(200), Duration::ZERO).await;
        assert_eq!(status, Some(201));
        assert!(took > 3 * SILENCE, "{took:?}");
    }

    #[tokio::test]
    async fn an_answer_takes_its_time() {
        assert_eq!(put(LEN, Duration::ZERO, SILENCE * 2).await.0, Some(201));
    }

    #[tokio::test]
    async fn silence_is_noticed() {
        let [some, all] = [8 << 20, LEN].map(|taken| put(taken, Duration::ZERO, Duration::from_secs(60)));
        let ((some, _), (all, _)) = tokio::join!(some, all);
        assert_eq!(some, None, "in the midst of it");
        assert_eq!(all, None, "after all of it");
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(date_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date_of("yesterday"), None);
    }
}
