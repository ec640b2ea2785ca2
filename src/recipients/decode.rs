//! Decodes a file to UTF-8 while it is read. Invalid bytes are an error, never replaced.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

const CHUNK: usize = 64 * 1024;

pub(super) struct TextDecoder<R> {
    source: BufReader<R>,
    decoder: Decoder,
    /// Bytes decoded so far.
    offset: u64,
    ended: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("bytes at offset {offset} are not valid {}", encoding.name())]
    Undecodable {
        encoding: &'static Encoding,
        /// In bytes, from 0.
        offset: u64,
    },
}

impl<R: Read> TextDecoder<R> {
    /// A byte order mark of this encoding is dropped.
    pub(super) fn new(source: R, encoding: &'static Encoding) -> Self {
        Self {
            source: BufReader::with_capacity(CHUNK, source),
            decoder: encoding.new_decoder_with_bom_removal(),
            offset: 0,
            ended: false,
        }
    }

    /// Appends the next chunk of text to `out`, also before an error. Returns false at the end.
    pub(super) fn read_into(&mut self, out: &mut String) -> Result<bool, TextError> {
        if self.ended {
            return Ok(false);
        }
        let mut bytes = loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let length = bytes.len();
        let last = bytes.is_empty();
        loop {
            out.reserve(bytes.len().max(16));
            let (result, read) = self
                .decoder
                .decode_to_string_without_replacement(bytes, out, last);
            bytes = &bytes[read..];
            self.offset += read as u64;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, behind) => {
                    self.ended = true;
                    let back = u64::from(length) + u64::from(behind);
                    return Err(TextError::Undecodable {
                        encoding: self.decoder.encoding(),
                        offset: self.offset.saturating_sub(back),
                    });
                }
            }
        }
        self.source.consume(length);
        self.ended = last;
        Ok(!last)
    }
}
