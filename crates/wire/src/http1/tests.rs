//! Tests of the request guard.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

const LIMITS: GuardLimits = GuardLimits {
    head_bytes_max: 1024,
    fields_max: 20,
};

/// What became of a whole stream: the bytes that were handed on, and why it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    passed: Vec<u8>,
    held: usize,
    violation: Option<Violation>,
}

/// Gives the stream in pieces that end at these places, as a connection would.
fn drive(limits: GuardLimits, stream: &[u8], cuts: &[usize]) -> Outcome {
    let mut guard = RequestGuard::new(limits);
    let (mut handed_on, mut read) = (0, 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        read = read.max(cut);
        let (bytes, end) = match guard.scan(&stream[handed_on..read]) {
            Scan::Pass => (read - handed_on, None),
            Scan::Hold { from } => (from, None),
            Scan::Reject { from, violation } => (from, Some(violation)),
        };
        handed_on += bytes;
        if end.is_some() {
            let passed = stream[..handed_on].to_vec();
            return Outcome {
                passed,
                held: 0,
                violation: end,
            };
        }
        let held = read - handed_on;
        let bound = limits.head_bytes_max.max(chunk::CHUNK_LINE_BYTES_MAX);
        assert!(held < bound || guard.is_undecided(), "{held} bytes are held");
    }
    Outcome {
        passed: stream[..handed_on].to_vec(),
        held: stream.len() - handed_on,
        violation: None,
    }
}

fn whole(stream: impl AsRef<[u8]>) -> Outcome {
    drive(LIMITS, stream.as_ref(), &[])
}

/// The verdict on one head, given as its request line and its fields.
fn verdict(lines: &[&str]) -> Option<Violation> {
    let head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let outcome = whole(format!("{head}\r\n"));
    assert!(
        outcome.violation.is_none() || outcome.passed.is_empty(),
        "a part of a bad head passed"
    );
    assert_eq!(outcome.held, 0);
    outcome.violation
}

#[test]
fn good_heads_pass() {
    for lines in [
        &["GET / HTTP/1.1", "Host: a"][..],
        &["GET /a?b=c HTTP/1.1", "host:a:80", "x: \t y \t"],
        &["GET http://a/b HTTP/1.1", "Host: a"],
        &["OPTIONS * HTTP/1.1", "Host:"],
        &["OPTIONS /a HTTP/1.1", "Host: a"],
        &["M-SEARCH /{a}|\"b\"^ HTTP/1.1", "Host: [::1]:8080"],
        &["GET /\u{e9} HTTP/1.1", "Host: a", "X: \u{e9}"],
        &["GET / HTTP/1.0"],
        &["POST / HTTP/1.1", "Host: a", "Content-Length: 0"],
        &["POST / HTTP/1.0", "content-length: 00"],
        &["GET / HTTP/1.1", "Host: a", "X:", "!#$%&'*+-.^_`|~0a: b"],
        &["GET / HTTP/1.1", "Host: a", "Cookie: a=\"b,c\"; d", "Cookie: e"],
    ] {
        assert_eq!(verdict(lines), None, "{lines:?}");
    }
}

#[test]
fn bad_request_lines_are_refused() {
    for (line, want) in [
        ("GET", Violation::RequestLine),
        ("GET /", Violation::RequestLine),
        ("GET / ", Violation::RequestLine),
        ("GET / http/1.1", Violation::RequestLine),
        ("GET / HTTP/1.1 ", Violation::RequestLine),
        ("GET / HTTP/11", Violation::RequestLine),
        ("GET / HTTP/1.10", Violation::RequestLine),
        ("GET\t/\tHTTP/1.1", Violation::RequestLine),
        ("GET / HTTP/0.9", Violation::Version),
        ("GET / HTTP/1.2", Violation::Version),
        ("PRI * HTTP/2.0", Violation::Version),
        ("G(T / HTTP/1.1", Violation::Method),
        ("G\rT / HTTP/1.1", Violation::Method),
        (" GET / HTTP/1.1", Violation::Method),
        ("\u{16}\u{3}\u{1}", Violation::Method),
        ("GET  / HTTP/1.1", Violation::Target),
        ("GET  HTTP/1.1", Violation::Target),
        ("GET /  HTTP/1.1", Violation::Target),
        ("GET /a b HTTP/1.1", Violation::Target),
        ("GET /a\tb HTTP/1.1", Violation::Target),
        ("GET /a\rb HTTP/1.1", Violation::Target),
        ("GET /a\0 HTTP/1.1", Violation::Target),
        ("GET /a\u{7f} HTTP/1.1", Violation::Target),
        ("GET a HTTP/1.1", Violation::Target),
        ("GET a:80 HTTP/1.1", Violation::Target),
        ("GET http:// HTTP/1.1", Violation::Target),
        ("GET 1://a HTTP/1.1", Violation::Target),
        ("GET * HTTP/1.1", Violation::Target),
        ("OPTIONS *a HTTP/1.1", Violation::Target),
        ("CONNECT / HTTP/1.1", Violation::Target),
        ("CONNECT a HTTP/1.1", Violation::Target),
        ("CONNECT a@b:1 HTTP/1.1", Violation::Target),
        ("CONNECT http://a:80 HTTP/1.1", Violation::Target),
    ] {
        assert_eq!(verdict(&[line, "Host: a"]), Some(want), "{line:?}");
    }
}

#[test]
fn bad_fields_are_refused() {
    for (line, want) in [
        (" X: folded", Violation::FoldedLine),
        ("\tX: folded", Violation::FoldedLine),
        ("X : y", Violation::SpaceBeforeColon),
        ("X\t: y", Violation::SpaceBeforeColon),
        (": y", Violation::FieldName),
        ("X", Violation::FieldName),
        ("X Y: z", Violation::FieldName),
        ("X(: z", Violation::FieldName),
        ("\u{e9}: z", Violation::FieldName),
        ("X\0: z", Violation::FieldName),
        ("\rX: z", Violation::FieldName),
        ("X: a\0", Violation::FieldValue),
        ("X: a\u{1}b", Violation::FieldValue),
        ("X: \u{7f}", Violation::FieldValue),
        ("X: a\rb", Violation::BareCarriageReturn),
        ("X: a\r", Violation::BareCarriageReturn),
        ("X: a\nY: b", Violation::BareLineFeed),
        ("Host: b", Violation::HostRepeated),
        ("HOST: a", Violation::HostRepeated),
    ] {
        assert_eq!(
            verdict(&["GET / HTTP/1.1", "Host: a", line]),
            Some(want),
            "{line:?}"
        );
        assert_eq!(
            verdict(&["GET / HTTP/1.0", "host: a", line, "X: y"]),
            Some(want),
            "{line:?}"
        );
    }
}

#[test]
fn hosts_are_checked() {
    assert_eq!(verdict(&["GET / HTTP/1.1"]), Some(Violation::HostMissing));
    assert_eq!(
        verdict(&["GET / HTTP/1.1", "X-Host: a"]),
        Some(Violation::HostMissing)
    );
    for host in ["a b", "a@b", "a/b", "a, b", "a:b", "[::1", "http://a"] {
        let field = format!("Host: {host}");
        assert_eq!(
            verdict(&["GET / HTTP/1.1", &field]),
            Some(Violation::HostInvalid),
            "{host}"
        );
        assert_eq!(
            verdict(&["GET / HTTP/1.0", &field]),
            Some(Violation::HostInvalid),
            "{host}"
        );
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    let post = |version, fields: &[&str]| {
        let line = format!("POST / HTTP/{version}");
        verdict(&[&[line.as_str(), "Host: a"], fields].concat())
    };
    for length in [
        "",
        "+1",
        "-1",
        "1,1",
        "1 1",
        "1.0",
        "0x1",
        "1e1",
        "18446744073709551616",
        "9223372036854775808",
        "a",
    ] {
        let field = format!("Content-Length: {length}");
        assert_eq!(post("1.1", &[&field]), Some(Violation::ContentLength), "{length}");
    }
    let repeated = Some(Violation::ContentLengthRepeated);
    assert_eq!(post("1.1", &["Content-Length: 1", "content-length: 1"]), repeated);
    assert_eq!(post("1.0", &["Content-Length: 1", "Content-Length: 2"]), repeated);
    for coding in [
        "",
        "chunk",
        "xchunked",
        "identity",
        "gzip",
        "chunked, chunked",
        "chunked, gzip",
        "chunked;a=b",
        "chunked,",
        ",chunked",
        "gzip;q=1, chunked",
        "\"chunked\"",
        "chunked\u{b}",
    ] {
        let field = format!("Transfer-Encoding: {coding}");
        let want = match coding.ends_with('\u{b}') {
            true => Violation::FieldValue,
            false => Violation::TransferEncoding,
        };
        assert_eq!(post("1.1", &[&field]), Some(want), "{coding}");
    }
    let unknown = Some(Violation::TransferCodingUnknown);
    assert_eq!(post("1.1", &["Transfer-Encoding: gzip, chunked"]), unknown);
    assert_eq!(post("1.1", &["Transfer-Encoding: identity,Chunked"]), unknown);
    let chunked = "Transfer-Encoding: chunked";
    assert_eq!(
        post("1.1", &[chunked, chunked]),
        Some(Violation::TransferEncodingRepeated)
    );
    assert_eq!(
        post("1.1", &[chunked, "Content-Length: 1"]),
        Some(Violation::TwoFramings)
    );
    assert_eq!(
        post("1.1", &["Content-Length: 0", chunked]),
        Some(Violation::TwoFramings)
    );
    assert_eq!(
        post("1.0", &[chunked]),
        Some(Violation::TransferEncodingInOldVersion)
    );
    for content in [chunked, "Content-Length: 1"] {
        let lines = ["CONNECT a:1 HTTP/1.1", "Host: a:1", content];
        assert_eq!(verdict(&lines), Some(Violation::ConnectWithContent));
    }
}

#[test]
fn statuses_say_what_is_wrong() {
    for (violation, status) in [
        (Violation::TwoFramings, 400),
        (Violation::TargetTooLong, 414),
        (Violation::HeadTooLarge, 431),
        (Violation::TransferCodingUnknown, 501),
        (Violation::Version, 505),
    ] {
        assert_eq!(violation.status(), status);
        assert!(violation.to_string().contains("RFC "), "{violation}");
    }
}

#[test]
fn heads_are_bounded_to_the_byte_and_the_field() {
    let head = |path: usize, value: usize| {
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "a".repeat(path),
            "b".repeat(value)
        )
    };
    let room = LIMITS.head_bytes_max - head(0, 0).len();
    assert_eq!(whole(head(0, room)).violation, None);
    assert_eq!(whole(head(room, 0)).violation, None);
    assert_eq!(whole(head(0, room + 1)).violation, Some(Violation::HeadTooLarge));
    assert_eq!(
        whole(head(LIMITS.head_bytes_max, 0)).violation,
        Some(Violation::TargetTooLong)
    );
    let long = head(0, LIMITS.head_bytes_max);
    let unfinished = &long.as_bytes()[..LIMITS.head_bytes_max];
    assert_eq!(whole(unfinished).violation, Some(Violation::HeadTooLarge));
    assert_eq!(whole(&unfinished[1..]).held, LIMITS.head_bytes_max - 1);
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
    };
    assert_eq!(whole(fields(LIMITS.fields_max)).violation, None);
    assert_eq!(
        whole(fields(LIMITS.fields_max + 1)).violation,
        Some(Violation::HeadTooLarge)
    );
}

#[test]
fn one_empty_line_may_stand_before_a_message() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(whole(format!("\r\n{get}\r\n{get}")).violation, None);
    let twice = whole(format!("{get}\r\n\r\n{get}"));
    assert_eq!(
        (twice.passed, twice.violation),
        (get.into(), Some(Violation::EmptyLines))
    );
    assert_eq!(whole(format!("\n{get}")).violation, Some(Violation::BareLineFeed));
    assert_eq!(whole(format!("\r{get}")).violation, Some(Violation::Method));
}

#[test]
fn what_begins_no_message_is_refused_without_waiting_for_its_line() {
    for first in ["\u{16}", " ", "\0", "\n", ":"] {
        let violation = whole(first).violation;
        assert!(violation.is_some(), "{first:?}");
    }
    assert_eq!(whole("\r").violation, None);
}

#[test]
fn pipelined_messages_are_followed_to_the_one_that_is_wrong() {
    let good = concat!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET / HTTP/9.9\r\nnot: a head\n\n\0",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3;a=b\r\n\r\n\0\r\n1d\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nX: \r\n0;c\r\nTrailer: 1\r\nOther:2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    );
    let outcome = whole(good);
    assert_eq!((outcome.violation, outcome.held), (None, 0));
    let outcome = whole(format!(
        "{good}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{good}"
    ));
    assert_eq!(
        (outcome.passed, outcome.violation),
        (good.into(), Some(Violation::HostRepeated))
    );
}

#[test]
fn bad_chunks_are_refused_where_they_stand() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (good, bad, want) in [
        ("", "x\r\n", Violation::ChunkSize),
        ("", "\r\n", Violation::ChunkSize),
        ("", "3\n", Violation::BareLineFeed),
        ("3\r\nabc", "\n", Violation::ChunkEnd),
        ("3\r\nabc", "d\r\n", Violation::ChunkEnd),
        ("3\r\nabc", "\r0\r\n\r\n", Violation::ChunkEnd),
        ("3\r\nabc\r\n", "-1\r\n", Violation::ChunkSize),
        ("0\r\n", "X : y\r\n\r\n", Violation::SpaceBeforeColon),
        ("0\r\n", "X: y\n\r\n", Violation::BareLineFeed),
        ("0\r\n", "\n", Violation::BareLineFeed),
        ("0\r\n", "Y: z\r\n folded\r\n\r\n", Violation::FoldedLine),
        ("0\r\n", "Content-Length: 1\r\n\r\n", Violation::Trailer),
        ("0\r\n", "Transfer-encoding: chunked\r\n\r\n", Violation::Trailer),
        ("0\r\n", "Host: b\r\n\r\n", Violation::Trailer),
    ] {
        let outcome = whole(format!("{head}{good}{bad}"));
        assert_eq!(outcome.violation, Some(want), "{bad:?}");
        assert_eq!(outcome.passed, format!("{head}{good}").into_bytes(), "{bad:?}");
    }
    let trailers = format!("{head}0\r\n{}\r\n", "X: y\r\n".repeat(LIMITS.fields_max + 1));
    assert_eq!(whole(trailers).violation, Some(Violation::HeadTooLarge));
}

#[test]
fn what_is_refused_stays_refused() {
    let mut guard = RequestGuard::new(LIMITS);
    let violation = Violation::RequestLine;
    assert_eq!(guard.scan(b"nonsense\r\n"), Scan::Reject { from: 0, violation });
    assert_eq!(
        guard.scan(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Scan::Reject { from: 0, violation }
    );
}

#[test]
fn another_protocol_waits_for_the_answer() {
    let asks = [
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi",
    ];
    for ask in asks {
        let from = ask.len();
        let with_raw = [ask.as_bytes(), b"\x81\x00raw"].concat();
        let mut guard = RequestGuard::new(LIMITS);
        assert_eq!(guard.scan(&with_raw), Scan::Hold { from }, "{ask}");
        assert!(guard.is_undecided());
        assert_eq!(guard.scan(&with_raw[from..]), Scan::Hold { from: 0 });
        guard.upgraded();
        assert_eq!(guard.scan(&with_raw[from..]), Scan::Pass);
        assert_eq!(guard.scan(b"\0\n\xff"), Scan::Pass);

        let mut guard = RequestGuard::new(LIMITS);
        assert_eq!(guard.scan(ask.as_bytes()), Scan::Pass);
        guard.not_upgraded();
        guard.upgraded(); // there is nothing left to decide
        assert_eq!(guard.scan(b"GET / HTTP/1.0\r\n\r\n"), Scan::Pass);
        assert!(matches!(guard.scan(b"\x81\x00raw"), Scan::Reject { from: 0, .. }));
    }
}

#[test]
fn a_decision_may_come_before_the_body_has_ended() {
    let head =
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let mut guard = RequestGuard::new(LIMITS);
    assert_eq!(guard.scan(head), Scan::Pass);
    guard.not_upgraded();
    assert_eq!(guard.scan(b"some body"), Scan::Pass);
    assert_eq!(guard.scan(b"GET / HTTP/1.0\r\n\r\n"), Scan::Pass);
}

#[test]
fn only_a_whole_upgrade_asks_for_another_protocol() {
    for fields in [
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "Connection: upgraded\r\nUpgrade: websocket\r\n",
    ] {
        let stream = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\nGET / HTTP/1.0\r\n\r\n");
        assert_eq!(whole(stream).held, 0, "{fields}");
    }
    let old = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    assert_eq!(whole(old).held, 0);
}

/// Read again from its start each time, this would take hours.
#[test]
fn a_head_that_comes_byte_by_byte_is_read_once() {
    let limits = GuardLimits {
        head_bytes_max: 8 << 20,
        fields_max: 100_000,
    };
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}X: {}\r\n\r\n",
        "Name: value\r\n".repeat(50_000),
        "b".repeat(3 << 20)
    );
    let mut guard = RequestGuard::new(limits);
    for end in 1..head.len() {
        assert_eq!(guard.scan(&head.as_bytes()[..end]), Scan::Hold { from: 0 });
    }
    assert_eq!(guard.scan(head.as_bytes()), Scan::Pass);
}

/// Pieces of which streams are made: good messages, and what makes them bad.
fn piece() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\r\nc",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n4\r\na\r\nb\r\n2;x=\"y\"\r\n\0\n\r\n0\r\nT: u\r\n\r\n",
            "\r\nGET /b HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: this field is quite long, though not too long\r\nY: z\r\n\r\n",
        ]),
        1 => prop::sample::select(vec![
            "\r\n", "\n", "\r", "\0", " ", ":", "GET / ", "HTTP/1.1\r\n", "Host: a\r\n", "X: y\r\n", "X : y\r\n",
            "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "abc", "fffffffffffffffff",
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "a-word-that-is-quite-long-and-has-no-end-of-line",
        ]),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<Index>(), any::<Option<u8>>()), 0..3);
    (proptest::collection::vec(piece(), 1..8), changes).prop_map(|(pieces, changes)| {
        let mut stream = pieces.concat().into_bytes();
        for (at, byte) in changes {
            let at = at.index(stream.len());
            match byte {
                Some(byte) => stream[at] = byte,
                None => drop(stream.remove(at)),
            }
            if stream.is_empty() {
                stream.push(b'\r');
            }
        }
        stream
    })
}

proptest! {
    #![proptest_config(crate::testing::cases(2_000))]

    #[test]
    fn how_the_stream_is_cut_makes_no_difference(
        stream in stream(), cuts in proptest::collection::vec(any::<Index>(), 0..12), head_bytes_max in 20_usize..200,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        let bytewise: Vec<usize> = (0..stream.len()).collect();
        for limits in [LIMITS, GuardLimits { head_bytes_max, fields_max: 2 }] {
            let want = drive(limits, &stream, &[]);
            prop_assert_eq!(&drive(limits, &stream, &cuts), &want);
            prop_assert_eq!(&drive(limits, &stream, &bytewise), &want);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        let outcome = whole(&stream);
        prop_assert!(outcome.violation.is_some() || outcome.passed.len() + outcome.held == stream.len());
    }

    #[test]
    fn any_bytes_are_a_body(body in proptest::collection::vec(any::<u8>(), 0..300), sizes in proptest::collection::vec(1_usize..50, 1..8)) {
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        let plain = [head.as_bytes(), &body, get].concat();
        let mut chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let (mut left, mut sizes) = (body.as_slice(), sizes.iter().cycle());
        while !left.is_empty() {
            let (data, rest) = left.split_at((*sizes.next().unwrap()).min(left.len()));
            chunked.extend([format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat());
            left = rest;
        }
        chunked.extend([b"0\r\n\r\n".as_slice(), get].concat());
        for stream in [plain, chunked] {
            let outcome = whole(&stream);
            prop_assert_eq!((outcome.violation, outcome.passed), (None, stream));
        }
    }
}
