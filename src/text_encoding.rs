//! The encoding that a text probably has, for errors about text that is not UTF-8.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// The likeliest encoding of bytes that are not UTF-8. `None` if that is UTF-8 with a few broken bytes.
pub(crate) fn likely(bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Some(encoding).filter(|it| [UTF_16LE, UTF_16BE].contains(it));
    }
    if is_damaged_utf8(bytes) {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(|_| encoding)
}

/// Whether there are more characters of UTF-8 beyond ASCII than invalid bytes. Text in another encoding
/// hardly ever has any.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += chunk.invalid().len();
    }
    valid > invalid
}

#[cfg(test)]
mod tests {
    use encoding_rs::{EUC_KR, SHIFT_JIS, WINDOWS_1250, WINDOWS_1252};

    use super::*;

    #[test]
    fn likely_encodings() {
        for (encoding, text) in [
            (WINDOWS_1252, "<p>Grüße aus München, schöne Tage</p>"),
            (
                WINDOWS_1250,
                "<p>Zażółć gęślą jaźń, Łukasz i Świętosława</p>",
            ),
            (SHIFT_JIS, "<p>山田太郎さん、こんにちは。</p>"),
            (EUC_KR, "<p>안녕하세요, 김철수님</p>"),
        ] {
            assert_eq!(likely(&encoding.encode(text).0), Some(encoding), "{text}");
        }
        assert_eq!(likely(b"\xff\xfea\0"), Some(UTF_16LE));
        assert_eq!(likely(&["Zażółć".as_bytes(), b"\xff"].concat()), None);
    }
}
