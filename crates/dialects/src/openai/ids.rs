//! What the OpenAI family makes up for each answer, made of the bits that were drawn for it: the same bits, the
//! same ids.

pub(crate) use crate::rendering::uuid;
use crate::rendering::{letters, number};

const HEX: &[u8] = b"0123456789abcdef";

/// 32 hexadecimal digits.
pub(crate) fn hex32(bits: u64) -> String {
    letters(bits, HEX, 32)
}

/// A request id of OpenAI: `req_` and 32 hexadecimal digits.
pub(crate) fn openai_request(bits: u64) -> String {
    format!("req_{}", hex32(bits))
}

/// How long OpenAI says that it worked on a call that it then refused: some milliseconds.
pub(crate) fn processing_ms(bits: u64) -> u64 {
    number(bits, &(4..=93))
}

/// The `cf-ray` of Cloudflare: 16 hexadecimal digits and the data centre. Other bits than those of the request id,
/// which it stands beside.
pub(crate) fn ray(bits: u64) -> String {
    format!("{}-FRA", letters(!bits, HEX, 16))
}

/// The last four characters of a key, as a provider shows them when it refuses the key.
pub(crate) fn key_end(bits: u64) -> String {
    letters(bits.rotate_left(32), HEX, 4)
}

/// A second UUID of the same answer.
pub(crate) fn other_uuid(bits: u64) -> String {
    uuid(!bits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_have_the_providers_form_and_follow_from_the_bits_alone() {
        let mut seen = BTreeSet::new();
        for bits in [0, 1, 2, 0x8000_0000_0000_0000, u64::MAX] {
            let id = openai_request(bits);
            let digits = id.strip_prefix("req_").unwrap();
            assert!(
                digits.len() == 32 && digits.bytes().all(|digit| HEX.contains(&digit)),
                "{id}"
            );
            assert_eq!(id, openai_request(bits));
            assert!(!digits.starts_with(ray(bits).split('-').next().unwrap()), "{id}");
            assert!(seen.insert(id));
            assert_ne!(uuid(bits), other_uuid(bits));
            assert!((4..94).contains(&processing_ms(bits)));
            assert_eq!((ray(bits).len(), key_end(bits).len()), (20, 4));
        }
    }
}
