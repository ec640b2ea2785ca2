//! Closes a connection so that its client can read the last answer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Ends the connection, and discards what the client still sends. Closing a socket with unread data resets
/// it, and the client would lose the answer. The caller limits the time.
pub(crate) async fn close_gracefully(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
