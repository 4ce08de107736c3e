//! Content codings (RFC 9110 §8.4.1): undone and done again around an edit, with bounds against bombs.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use murphy_core::plan::Skip;

/// So much may be unpacked before the ratio is looked at, in bytes.
pub const RATIO_FREE_BYTES: usize = 1 << 20;

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB (RFC 9659 §3).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const ZSTD_LEVEL: i32 = 3;
const BROTLI_BUFFER_BYTES: usize = 4096;
/// Quick enough for a proxy; the best quality takes a hundred times as long.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_LOG: u32 = 22;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950); when read, also the raw deflate (RFC 1951) that some servers send under this name.
    Deflate,
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// Reads a `content-encoding` field.
    ///
    /// # Errors
    /// [`Skip::UnknownCoding`] if it names a coding that is not known, or more than one.
    pub fn parse(header: Option<&str>) -> Result<Self, Skip> {
        let name = header.unwrap_or_default().trim();
        let known = [
            ("", Self::Identity),
            ("identity", Self::Identity),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        known
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, coding)| *coding)
            .ok_or(Skip::UnknownCoding)
    }
}

/// Bounds on what a body may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// At most so many bytes.
    pub bytes_max: usize,
    /// At most so many times the packed size, once there are more than [`RATIO_FREE_BYTES`].
    pub ratio_max: usize,
}

impl Caps {
    /// How much a packed body of this size may become.
    fn allowed(&self, packed: usize) -> usize {
        let by_ratio = packed.saturating_mul(self.ratio_max).max(RATIO_FREE_BYTES);
        self.bytes_max.min(by_ratio)
    }
}

/// Undoes a coding. Stops as soon as a bound is crossed, so that a bomb costs no more than the bound.
///
/// An empty body stands for itself in every coding, as it is often sent.
///
/// # Errors
/// [`Skip::TooLarge`] if a bound is crossed; [`Skip::UnknownCoding`] if the body is not in this coding, is cut
/// short, or needs a larger window than the coding's registration allows.
pub fn decode(coding: Coding, body: &[u8], caps: Caps) -> Result<Vec<u8>, Skip> {
    let allowed = caps.allowed(body.len());
    if body.is_empty() {
        return Ok(Vec::new());
    }
    match coding {
        Coding::Identity if body.len() > caps.bytes_max => Err(Skip::TooLarge),
        Coding::Identity => Ok(body.to_vec()),
        Coding::Gzip => unpack(MultiGzDecoder::new(body), allowed),
        Coding::Deflate => match unpack(ZlibDecoder::new(body), allowed) {
            Err(Skip::UnknownCoding) => unpack(DeflateDecoder::new(body), allowed),
            done => done,
        },
        Coding::Brotli => unpack(brotli::Decompressor::new(body, BROTLI_BUFFER_BYTES), allowed),
        Coding::Zstd => unpack(zstd_decoder(body).map_err(|_| Skip::Internal)?, allowed),
    }
}

fn zstd_decoder(body: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn unpack(packed: impl Read, allowed: usize) -> Result<Vec<u8>, Skip> {
    let mut body = Vec::new();
    packed
        .take((allowed as u64).saturating_add(1))
        .read_to_end(&mut body)
        .map_err(|_| Skip::UnknownCoding)?;
    if body.len() > allowed {
        return Err(Skip::TooLarge);
    }
    Ok(body)
}

/// Does a coding.
///
/// # Errors
/// [`Skip::Internal`] if the encoder fails, which it does not for a body in memory.
pub fn encode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, Skip> {
    pack(coding, body).map_err(|_| Skip::Internal)
}

fn pack(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Identity => Ok(body.to_vec()),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut packed = Vec::new();
            brotli::CompressorReader::new(body, BROTLI_BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_LOG)
                .read_to_end(&mut packed)?;
            Ok(packed)
        }
        Coding::Zstd => zstd::stream::encode_all(body, ZSTD_LEVEL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODINGS: [Coding; 5] = [
        Coding::Identity,
        Coding::Gzip,
        Coding::Deflate,
        Coding::Brotli,
        Coding::Zstd,
    ];
    const CAPS: Caps = Caps {
        bytes_max: 8 << 20,
        ratio_max: 100,
    };

    #[test]
    fn names_are_read() {
        for (name, want) in [
            (None, Ok(Coding::Identity)),
            (Some(""), Ok(Coding::Identity)),
            (Some("Identity"), Ok(Coding::Identity)),
            (Some(" GZIP "), Ok(Coding::Gzip)),
            (Some("x-gzip"), Ok(Coding::Gzip)),
            (Some("deflate"), Ok(Coding::Deflate)),
            (Some("br"), Ok(Coding::Brotli)),
            (Some("zstd"), Ok(Coding::Zstd)),
            (Some("gzip, br"), Err(Skip::UnknownCoding)),
            (Some("compress"), Err(Skip::UnknownCoding)),
            (Some("dcb"), Err(Skip::UnknownCoding)),
        ] {
            assert_eq!(Coding::parse(name), want, "{name:?}");
        }
    }

    #[test]
    fn raw_deflate_is_read_too() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"hello hello hello").unwrap();
        let raw = encoder.finish().unwrap();
        assert_eq!(decode(Coding::Deflate, &raw, CAPS).unwrap(), b"hello hello hello");
    }

    #[test]
    fn gzip_members_follow_one_another() {
        let packed = [
            encode(Coding::Gzip, b"one ").unwrap(),
            encode(Coding::Gzip, b"two").unwrap(),
        ]
        .concat();
        assert_eq!(decode(Coding::Gzip, &packed, CAPS).unwrap(), b"one two");
    }

    #[test]
    fn both_bounds_hold_to_the_byte() {
        let body: Vec<u8> = (0..2000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        for coding in CODINGS {
            let packed = encode(coding, &body).unwrap();
            let caps = |bytes_max| Caps { bytes_max, ..CAPS };
            assert_eq!(
                decode(coding, &packed, caps(body.len())).unwrap(),
                body,
                "{coding:?}"
            );
            assert_eq!(
                decode(coding, &packed, caps(body.len() - 1)),
                Err(Skip::TooLarge),
                "{coding:?}"
            );
        }
        let zeros = |bytes: usize| encode(Coding::Zstd, &vec![0; bytes]).unwrap();
        assert!(decode(Coding::Zstd, &zeros(RATIO_FREE_BYTES), CAPS).is_ok());
        assert_eq!(
            decode(Coding::Zstd, &zeros(RATIO_FREE_BYTES + 1), CAPS),
            Err(Skip::TooLarge)
        );
    }

    #[test]
    fn a_body_in_two_layers_is_undone_by_one() {
        let inner = encode(Coding::Gzip, &vec![0; RATIO_FREE_BYTES * 4]).unwrap();
        let outer = encode(Coding::Gzip, &inner).unwrap();
        assert_eq!(decode(Coding::Gzip, &outer, CAPS).unwrap(), inner);
    }

    #[test]
    fn a_zstd_window_beyond_the_registered_one_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"small").unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(decode(Coding::Zstd, &packed, CAPS), Err(Skip::UnknownCoding));
    }

    proptest! {
        #![proptest_config(crate::testing::cases(500))]

        #[test]
        fn what_is_packed_unpacks(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
            for coding in CODINGS {
                prop_assert_eq!(&decode(coding, &encode(coding, &body).unwrap(), CAPS).unwrap(), &body);
            }
        }

        #[test]
        fn what_is_cut_short_is_refused(body in proptest::collection::vec(any::<u8>(), 1..300), cut: prop::sample::Index) {
            for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
                let packed = encode(coding, &body).unwrap();
                let cut = 1 + cut.index(packed.len() - 1);
                prop_assert_eq!(decode(coding, &packed[..cut], CAPS), Err(Skip::UnknownCoding), "{:?}", coding);
            }
        }

        #[test]
        fn no_bytes_make_the_decoders_panic_or_cross_a_bound(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            for coding in CODINGS {
                let caps = Caps { bytes_max: 64, ratio_max: 2 };
                if let Ok(body) = decode(coding, &body, caps) {
                    prop_assert!(body.len() <= 64);
                }
            }
        }
    }
}
