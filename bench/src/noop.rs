//! A server that answers 200 and does nothing else: what the generator reaches against it is the generator's own limit.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves until the process is ended; writes a ready file as the gateway does.
pub(crate) async fn serve(ready_file: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    super::contestants::write_ready(ready_file, listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    let (mut buffer, mut held) = (vec![0; 64 * 1024], 0);
    loop {
        match stream.read(&mut buffer[held..]).await {
            Ok(0) | Err(_) => return,
            Ok(length) => held += length,
        }
        let Some(length) = request_length(&buffer[..held]) else { continue };
        buffer.copy_within(length..held, 0);
        held -= length;
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// Bytes of the complete request at the beginning, if there is one.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).ok()? else { return None };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize =
        length.map_or(Some(0), |header| std::str::from_utf8(header.value).ok()?.parse().ok())?;
    (bytes.len() >= head + body).then_some(head + body)
}
