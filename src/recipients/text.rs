//! A file as text: decoded as it is read, never with a replacement character.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

/// Octets read at a time.
const CHUNK: usize = 64 * 1024;

/// A source that is decoded chunk by chunk.
pub(crate) struct Text<R> {
    source: R,
    decoder: Decoder,
    chunk: Vec<u8>,
    /// What of `chunk` is not decoded yet.
    from: usize,
    to: usize,
    /// Octets decoded so far.
    offset: u64,
    ended: bool,
}

/// Why there is no more text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Octets that mean nothing in the encoding; the offset of the first, from 0.
    #[error("undecodable bytes at offset {0}")]
    Undecodable(u64),
}

impl<R: Read> Text<R> {
    /// Decodes `source`; a byte order mark of this encoding is dropped.
    pub(crate) fn new(source: R, encoding: &'static Encoding) -> Self {
        Self {
            source,
            decoder: encoding.new_decoder_with_bom_removal(),
            chunk: vec![0; CHUNK],
            from: 0,
            to: 0,
            offset: 0,
            ended: false,
        }
    }

    /// Appends the next chunk of text to `out`; false when there is none left.
    ///
    /// Before an error, what could be decoded has been appended.
    pub(crate) fn read_into(&mut self, out: &mut String) -> Result<bool, TextError> {
        if self.ended {
            return Ok(false);
        }
        self.fill()?;
        let last = self.from == self.to;
        loop {
            let octets = &self.chunk[self.from..self.to];
            out.reserve(octets.len().max(16));
            let (result, read) = self
                .decoder
                .decode_to_string_without_replacement(octets, out, last);
            self.from += read;
            self.offset += read as u64;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, behind) => {
                    self.ended = true;
                    let back = u64::from(length) + u64::from(behind);
                    return Err(TextError::Undecodable(self.offset.saturating_sub(back)));
                }
            }
        }
        self.ended = last;
        Ok(!last)
    }

    /// Reads a chunk when the one before is used up; leaves none at the end of the source.
    fn fill(&mut self) -> io::Result<()> {
        if self.from < self.to {
            return Ok(());
        }
        self.from = 0;
        self.to = 0;
        self.to = loop {
            match self.source.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        Ok(())
    }
}
