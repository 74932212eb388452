//! Encodings of the wire: Base64 for binary values and receipt handles, MD5 digests that SDKs verify.

use std::collections::BTreeMap;

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use md5::{Digest, Md5};

use crate::message_attribute::MessageAttribute;

/// Base64 with padding, RFC 4648 section 4. Bits after the last byte may be anything, as most readers take them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// These bytes as Base64.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The bytes of padded Base64; none if the text isn't that.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// The MD5 digest of a message body, in lower-case hexadecimal.
pub(crate) fn md5_of_body(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

/// The MD5 digest of message attributes; none if there are none. For each attribute, by ascending
/// name: name and data type with their lengths in front, a byte for the transport type, and the value
/// with its length in front. Lengths are four bytes, big-endian.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation>
pub(crate) fn md5_of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        with_length(&mut digest, name.as_bytes());
        with_length(&mut digest, attribute.data_type.as_bytes());
        digest.update([if attribute.is_binary() { 2 } else { 1 }]);
        with_length(&mut digest, attribute.value_bytes());
    }
    Some(hexadecimal(&digest.finalize()))
}

fn with_length(digest: &mut Md5, bytes: &[u8]) {
    // Values are at most 1 MiB here, so the length always fits; a longer one would only spoil the digest.
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_test_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(to_base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(to_base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn text_that_is_not_base64_is_refused() {
        for text in ["Zg=", "Z", "Zm9v!A==", "====", "Zg==Zg==", "Z==="] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }

    #[test]
    fn the_digest_of_a_body_is_its_md5() {
        assert_eq!(md5_of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    /// The value was made with coreutils, byte by byte as AWS's documentation describes it:
    /// `printf '\0\0\0\003bin\0\0\0\006Binary\002\0\0\0\003\001\002\003\0\0\0\005count\0\0\0\012Number.int\001\0\0\0\00242\0\0\0\006tenant\0\0\0\006String\001\0\0\0\004acme' | md5sum`
    #[test]
    fn the_digest_of_attributes_is_the_one_computed_by_hand() {
        let attributes = BTreeMap::from([
            ("tenant".to_owned(), MessageAttribute::string("acme")),
            (
                "count".to_owned(),
                MessageAttribute {
                    data_type: "Number.int".to_owned(),
                    string_value: Some("42".to_owned()),
                    binary_value: None,
                },
            ),
            ("bin".to_owned(), MessageAttribute::binary([1, 2, 3])),
        ]);
        assert_eq!(
            md5_of_attributes(&attributes).as_deref(),
            Some("5c871d214c6342f872147685b198aa23")
        );
    }

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
    }
}
