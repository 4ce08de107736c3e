//! A strict reader of RFC 9112, written for this program so that the daemon does not judge itself.

/// How a request's body is framed.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Sized(usize),
    Chunked,
}

/// Whether there is a whole request.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some((head, behind)) = split(bytes) else {
        return false;
    };
    match framing(head) {
        Some(Framing::Sized(length)) => behind.len() >= length,
        Some(Framing::Chunked) => behind == b"0\r\n\r\n" || chunks_end(behind).is_some(),
        None => true, // it is objected to
    }
}

/// What a strict reader objects to in what came on a connection that should carry one request.
#[must_use]
pub fn objection(bytes: &[u8]) -> Option<&'static str> {
    let Some((head, behind)) = split(bytes) else {
        return Some("no end of the head");
    };
    objection_to_head(head).or_else(|| match framing(head) {
        Some(Framing::Sized(length)) => (behind.len() != length).then_some("bytes behind the message"),
        Some(Framing::Chunked) => match chunks_end(behind) {
            Some(end) => (end != behind.len()).then_some("bytes behind the last chunk"),
            None => Some("the chunks"),
        },
        None => Some("the framing"),
    })
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((bytes.get(..end + 2)?, bytes.get(end + 4..)?))
}

/// Names and values of the fields; `None` if a line is none.
fn fields(head: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.next()?;
    lines
        .map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
        })
        .collect()
}

fn all<'a>(fields: &[(&'a [u8], &'a [u8])], name: &[u8]) -> Vec<&'a [u8]> {
    let same = fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
    same.map(|field| field.1).collect()
}

fn framing(head: &[u8]) -> Option<Framing> {
    let fields = fields(head)?;
    let (lengths, codings) = (
        all(&fields, b"content-length"),
        all(&fields, b"transfer-encoding"),
    );
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(Framing::Sized(0)),
        ([length], []) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(length).ok()?.parse().ok()?;
            digits.then_some(Framing::Sized(number))
        }
        ([], [coding]) => coding
            .eq_ignore_ascii_case(b"chunked")
            .then_some(Framing::Chunked),
        _ => None,
    }
}

fn objection_to_head(head: &[u8]) -> Option<&'static str> {
    let is_token = |text: &[u8]| {
        !text.is_empty()
            && text
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
    };
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    if lines
        .clone()
        .any(|line| line.iter().position(|byte| *byte == b'\r') != Some(line.len() - 1))
    {
        return Some("a bare CR or LF");
    }
    let line = lines.next().unwrap_or_default().trim_ascii_end();
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return Some("the request line");
    };
    if !is_token(method) || *version != b"HTTP/1.1" {
        return Some("the request line");
    }
    if !target.starts_with(b"/") && *target != b"*"
        || target.iter().any(|b| b.is_ascii_control() || *b == b'#')
    {
        return Some("the target");
    }
    let Some(fields) = fields(head) else {
        return Some("a line without a colon");
    };
    if fields.iter().any(|(name, _)| !is_token(name)) {
        return Some("a field name");
    }
    if fields
        .iter()
        .any(|(_, value)| value.iter().any(|b| (*b < 32 && *b != 9) || *b == 127))
    {
        return Some("a field value");
    }
    (all(&fields, b"host").len() != 1).then_some("Host")
}

/// Where a chunked body ends, its trailers included.
fn chunks_end(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = body.get(at..)?;
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = rest.get(..line)?.split(|byte| *byte == b';').next()?;
        let hex = !size.is_empty() && size.len() < 16 && size.iter().all(u8::is_ascii_hexdigit);
        let size = hex.then(|| usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok())??;
        at += line + 2;
        if size == 0 {
            break;
        }
        let end = at.checked_add(size)?;
        if body.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        at = end + 2;
    }
    loop {
        let line = body.get(at..)?.windows(2).position(|window| window == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_formed_passes() {
        for good in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a?b HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: 1\r\n\r\n",
        ] {
            assert_eq!(objection(good.as_bytes()), None, "{good:?}");
            assert!(is_whole(good.as_bytes()));
        }
    }

    #[test]
    fn each_objection_is_raised() {
        for (bad, why) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n", "no end of the head"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /",
                "bytes behind the message",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nok",
                "bytes behind the message",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx",
                "bytes behind the last chunk",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
                "the chunks",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nok",
                "the framing",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
                "the framing",
            ),
            ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "a bare CR or LF"),
            ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "the request line"),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "the request line"),
            ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "the target"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "a field name"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \x0b1\r\n\r\n", "a field value"),
            ("GET / HTTP/1.1\r\nX: a\r\n\r\n", "Host"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "Host"),
        ] {
            assert_eq!(objection(bad.as_bytes()), Some(why), "{bad:?}");
        }
    }
}
