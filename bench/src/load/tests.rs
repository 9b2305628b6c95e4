//! The generator against servers with a planted fault.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Generator, Measured};
use crate::events::{Make, Requests};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

/// A server that hands each request's number, from 0, to `answer`, one at a time; an empty answer ends the connection.
fn serve(answer: impl Fn(usize) -> &'static str + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, number) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, number) = (stream.unwrap(), Arc::clone(&answer), Arc::clone(&number));
            thread::spawn(move || {
                while read_request(&mut stream) {
                    let answer = answer.lock().unwrap();
                    let text = answer(number.fetch_add(1, Ordering::Relaxed));
                    if text.is_empty() || stream.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Every request of a set ends with the same text.
fn read_request(stream: &mut TcpStream) -> bool {
    let (mut held, mut buffer) = (Vec::new(), [0; 4096]);
    while !held.ends_with(b"texts.example.com/webhooks\"\n  }\n}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(length) => held.extend_from_slice(&buffer[..length]),
        }
    }
    true
}

fn generator(address: SocketAddr, requests: usize) -> Generator {
    let requests = Arc::new(Requests::sign(Make::unique(requests, 1)).unwrap());
    Generator { connections: 4, ..Generator::new(address, requests, 0) }
}

async fn slow(load: Generator) -> (usize, Measured) {
    let measured = load.run().await.unwrap();
    let slow = measured.samples.iter().filter(|sample| sample.latency_ns > 50_000_000).count();
    (slow, measured)
}

/// Answers at once but for 300 ms at the hundredth request.
fn stalling() -> SocketAddr {
    serve(|number| {
        if number == 100 {
            // The stall is the planted fault.
            thread::sleep(Duration::from_millis(300));
        }
        OK
    })
}

#[tokio::test]
async fn a_stall_shows_in_every_request_that_was_due_in_it() {
    let load = generator(stalling(), 600);
    let (late, measured) = slow(Generator { connections: 4, ..load.at_rate(1_000.0) }).await;
    assert_eq!(measured.samples.len(), 600);
    assert!(late >= 200, "{late} requests waited; about 250 were due more than 50 ms before the stall's end");
    assert!(measured.latencies().at(0.99) > 200.0, "{:?}", measured.latencies().percentiles());
    // The closed loop waits with the server and hides it: no better check of the schedule than the difference.
    let (late, _) = slow(generator(stalling(), 600)).await;
    assert!(late < 100, "{late} requests waited in the closed loop, which has four connections");
}

#[tokio::test]
async fn every_answer_that_is_not_200_is_counted_by_its_status() {
    let address = serve(|number| match number % 4 {
        0 => "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        1 => "HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nNo\r\n0\r\n\r\n",
        2 => "",
        _ => OK,
    });
    let measured = generator(address, 400).run().await.unwrap();
    assert_eq!(measured.samples.len(), 100);
    assert_eq!(measured.refused.into_iter().collect::<Vec<_>>(), [(0, 100), (400, 100), (503, 100)]);
    assert_eq!((measured.unanswered, measured.next), (0, 400));
}

#[tokio::test]
async fn what_is_never_answered_is_counted_and_ends_with_patience() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let address = serve(move |number| {
        if number == 10 {
            // Until the test is over.
            let _ = held.lock().unwrap().recv();
        }
        OK
    });
    let load = generator(address, 100);
    let measured =
        Generator { patience: Duration::from_millis(50), ..load.at_rate(1e6) }.run().await.unwrap();
    assert_eq!(measured.samples.len() + measured.unanswered, 100);
    assert_eq!(measured.samples.len(), 10);
    assert!(measured.latencies().at(1.0) >= 50.0);
    drop(hold);
}
