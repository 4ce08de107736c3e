//! Damage to a body, at drawn places: the result is never what it was, and for the JSON kinds never JSON.

use murphy_core::draw::DrawKey;
use murphy_core::effect::Corrupt;
use murphy_core::plan::Skip;

use crate::json::{Kind, Token, Tokens, is_json};

/// A body that was damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The damaged body.
    pub body: Vec<u8>,
    /// Where the (first) damage is, in bytes.
    pub at: usize,
    /// What was done, for events.
    pub what: String,
}

/// Damages a body; `bits` choose the place.
///
/// # Errors
/// [`Skip::NotJson`] if the kind needs JSON and the body is none; [`Skip::DoesNotApply`] if there is nothing to
/// damage: an empty body, or JSON without the part that the kind damages.
pub fn corrupt(body: &[u8], how: Corrupt, bits: u64) -> Result<Damaged, Skip> {
    if body.is_empty() {
        return Err(Skip::DoesNotApply);
    }
    match how {
        Corrupt::FlipBytes(count) => flip_bytes(body, count, bits),
        Corrupt::InvalidUtf8 => Ok(invalid_utf8(body, bits)),
        Corrupt::UnclosedString => damage_json(body, bits, is_string, |token| {
            let quote = token.end.saturating_sub(1);
            (
                vec![(quote..token.end, "")],
                "removed the quote that ends a string",
            )
        }),
        Corrupt::TrailingComma => damage_json(
            body,
            bits,
            |kind| kind == Kind::Close,
            |token| {
                let at = token.start..token.start;
                (vec![(at, ",")], "put a comma before a closing bracket")
            },
        ),
        Corrupt::WrongQuote => damage_json(body, bits, is_string, |token| {
            let (first, last) = (
                token.start..token.start + 1,
                token.end.saturating_sub(1)..token.end,
            );
            (
                vec![(first, "'"), (last, "'")],
                "wrote single quotes around a string",
            )
        }),
        Corrupt::Nan => damage_json(
            body,
            bits,
            |kind| matches!(kind, Kind::Plain | Kind::Text),
            |token| {
                (
                    vec![(token.start..token.end, "NaN")],
                    "put NaN where a value stood",
                )
            },
        ),
    }
}

fn is_string(kind: Kind) -> bool {
    matches!(kind, Kind::Key | Kind::Text)
}

/// Ranges, in order, and what takes their place; and what that does.
type Edits = (Vec<(std::ops::Range<usize>, &'static str)>, &'static str);

/// Edits the text at one drawn token of those that are wanted.
fn damage_json(
    body: &[u8],
    bits: u64,
    wanted: fn(Kind) -> bool,
    edits: fn(Token) -> Edits,
) -> Result<Damaged, Skip> {
    if !is_json(body) {
        return Err(Skip::NotJson);
    }
    let token = draw(body, bits, wanted).ok_or(Skip::DoesNotApply)?;
    let (edits, what) = edits(token);
    let mut damaged = Vec::with_capacity(body.len() + 2);
    let mut copied = 0;
    for (range, new) in &edits {
        damaged.extend_from_slice(body.get(copied..range.start).unwrap_or_default());
        damaged.extend_from_slice(new.as_bytes());
        copied = range.end;
    }
    damaged.extend_from_slice(body.get(copied..).unwrap_or_default());
    if is_json(&damaged) {
        return Err(Skip::DoesNotApply); // cannot be, and must not be reported as damage if it is
    }
    let at = edits.first().map_or(0, |(range, _)| range.start);
    Ok(Damaged {
        body: damaged,
        at,
        what: format!("{what} at byte {at}"),
    })
}

/// One of the tokens that are wanted. Walks twice instead of keeping a list as long as the body.
fn draw(body: &[u8], bits: u64, wanted: fn(Kind) -> bool) -> Option<Token> {
    let tokens = || Tokens::of(body).filter(|token| wanted(token.kind));
    let nth = bits.checked_rem(tokens().count() as u64)?;
    tokens().nth(nth as usize)
}

/// Puts the byte 0xFF, which UTF-8 never contains, into a drawn string of the JSON text, or at a drawn place of
/// other text.
fn invalid_utf8(body: &[u8], bits: u64) -> Damaged {
    let string = is_json(body).then(|| draw(body, bits, is_string)).flatten();
    let at = match string {
        Some(Token { start, end, .. }) => {
            start + 1 + (bits.rotate_left(32) % (end - start - 1) as u64) as usize
        }
        None => (bits % body.len() as u64) as usize,
    };
    let (before, after) = body.split_at(at.min(body.len()));
    Damaged {
        body: [before, b"\xff", after].concat(),
        at,
        what: format!("put the byte 0xFF at byte {at}"),
    }
}

/// Changes `count` bytes (all, if there are fewer) to other values.
fn flip_bytes(body: &[u8], count: u32, bits: u64) -> Result<Damaged, Skip> {
    let key = DrawKey {
        seed: bits,
        rule: 0,
        call: 0,
        occurrence: 0,
    };
    let count = (count as usize).min(body.len());
    let mut damaged = body.to_vec();
    let mut flipped = vec![false; body.len()];
    // Floyd's sampling: distinct places, each equally likely, with one draw for each.
    for (lane, last) in (0_u32..).zip(body.len() - count..body.len()) {
        let word = key.word(lane);
        let drawn = (word % (last as u64 + 1)) as usize;
        let at = if flipped.get(drawn) == Some(&false) {
            drawn
        } else {
            last
        };
        if let (Some(mark), Some(byte)) = (flipped.get_mut(at), damaged.get_mut(at)) {
            *mark = true;
            *byte ^= 1 + ((word >> 32) % 255) as u8; // never zero: the value changes
        }
    }
    let at = flipped.iter().position(|mark| *mark).ok_or(Skip::DoesNotApply)?;
    Ok(Damaged {
        body: damaged,
        at,
        what: format!("changed {count} bytes, the first at byte {at}"),
    })
}

#[cfg(test)]
pub(crate) mod tests;
