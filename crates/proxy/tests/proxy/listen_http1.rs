//! HTTP/1.1 requests, right and wrong, as a raw client sends them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use murphy_proxy::listen::{Conn, ListenOptions};
use murphy_testkit::raw::{End, RawClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{echo, respond, serve};

async fn exchange(request: &str) -> (u16, String, End) {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(request).await.unwrap();
    let response = client.response("GET").await;
    let text = response.body.text().to_owned();
    let status = response.status();
    let (rest, end) = client.read_to_end().await;
    assert_eq!(rest, b"", "one response, then the end");
    (status, text, end)
}

#[tokio::test]
async fn what_rfc_9112_forbids_is_answered_and_the_connection_ends_in_order() {
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "more than one Host",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "both Content-Length",
        ),
        ("GET / HTTP/1.1\nHost: a\n\n", 400, "carriage return"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, "colon"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
            400,
            "white space",
        ),
        ("GET / HTTP/2.7\r\nHost: a\r\n\r\n", 505, "version"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            400,
            "Content-Length",
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "HTTP/1.0",
        ),
    ];
    for (request, status, says) in cases {
        let (found, text, end) = exchange(request).await;
        assert_eq!((found, end), (status, End::Fin), "{request:?}");
        assert!(text.contains(says), "{request:?}: {text}");
    }
}

#[tokio::test]
async fn a_head_over_the_limits_is_431() {
    let fields: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let (status, _, _) = exchange(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    assert_eq!(status, 431);
    let long = "y".repeat(70_000);
    let (status, _, end) = exchange(&format!("GET / HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n")).await;
    assert_eq!(
        (status, end),
        (431, End::Fin),
        "the unread rest must not reset the connection"
    );
}

#[tokio::test]
async fn a_hundred_fields_are_within_the_limits_and_more_if_configured() {
    let fields = |count| (1..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    let (head, tail) = ("GET / HTTP/1.1\r\nHost: a\r\n", "Connection: close\r\n\r\n");
    let (status, _, _) = exchange(&format!("{head}{}{tail}", fields(99))).await;
    assert_eq!(status, 200);
    let options = ListenOptions {
        fields_max: 300,
        ..ListenOptions::default()
    };
    let served = serve(options, echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(format!("{head}{}{tail}", fields(299))).await.unwrap();
    assert_eq!(client.response("GET").await.status(), 200);
}

#[tokio::test]
async fn a_good_request_before_a_bad_one_is_answered_first() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET /bad HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response("POST").await.body.text(), "POST /good ok");
    assert_eq!(client.response("GET").await.status(), 400);
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn a_body_that_goes_wrong_is_an_error_of_that_body() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, says) in [
        ("3\r\nabc\r\nzz\r\n", "chunk size"),
        ("3\r\nabcX", "chunk data"),
        ("0\r\nHost: b\r\n\r\n", "trailer field"),
        ("0\r\nx y: b\r\n\r\n", "field name"),
    ] {
        let (status, text, end) = exchange(&format!("{head}{body}")).await;
        assert_eq!((status, end), (400, End::Fin), "{body:?}");
        assert!(text.contains(says), "{body:?}: {text}");
    }
    // The same, cut into single bytes.
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    for byte in format!("{head}0\r\nx y: b\r\n\r\n").bytes() {
        client.send([byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let response = client.response("POST").await;
    assert!(
        response.body.text().contains("field name"),
        "{}",
        response.body.text()
    );
}

#[tokio::test]
async fn the_stand_in_cannot_be_sent_by_a_client() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("GET /0 HTTP/1.1\r\nhost: murphy.invalid\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response("GET").await.body.text(), "GET /0 ");
}

#[tokio::test]
async fn heads_and_chunks_come_in_any_pieces() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    let requests = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: v\r\n\r\n\
                    PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwxyz";
    for byte in requests.bytes() {
        client.send([byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response("POST").await.body.text(), "POST /a abcde");
    assert_eq!(client.response("PUT").await.body.text(), "PUT /b wxyz");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    let requests: String = (0..40)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(requests).await.unwrap();
    for n in 0..40 {
        assert_eq!(client.response("GET").await.body.text(), format!("GET /{n} "));
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_unless_kept_alive() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await
        .unwrap();
    let response = client.response("GET").await;
    assert_eq!(response.head.header("connection"), Some("keep-alive"));
    client.send("GET /older HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(client.response("GET").await.body.text(), "GET /older ");
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn no_field_is_added_to_an_answer() {
    let served = serve(ListenOptions::default(), echo);
    let response = RawClient::connect(served.addr).await.unwrap().get("/").await;
    assert_eq!(
        response.head.headers,
        [("content-length".to_owned(), "6".to_owned())]
    );
}

#[tokio::test]
async fn a_large_upload_passes_whole() {
    let service = async |request: Request<Incoming>, _conn: Arc<Conn>| {
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        let sum = bytes
            .iter()
            .fold(0_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(*byte));
        Ok::<_, Infallible>(respond(200, format!("{} {sum}", bytes.len())))
    };
    let served = serve(ListenOptions::default(), move |request, conn| {
        service(request, conn)
    });
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sum = body
        .iter()
        .fold(0_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(*byte));
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
        .await
        .unwrap();
    client.send(&body).await.unwrap();
    assert_eq!(
        client.response("POST").await.body.text(),
        format!("3000000 {sum}")
    );
}

#[tokio::test]
async fn expect_100_continue_is_answered_when_the_body_is_wanted() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_head().await.unwrap().status(), 100);
    client.send("ok").await.unwrap();
    assert_eq!(client.response("POST").await.body.text(), "POST / ok");
}

async fn switching(request: Request<Incoming>, conn: Arc<Conn>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !request.uri().path().starts_with("/switch") {
        return echo(request, conn).await;
    }
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut tunnel = TokioIo::new(upgraded);
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = tunnel.read(&mut bytes).await {
            tunnel.write_all(&bytes[..count]).await.unwrap();
        }
    });
    let mut response = respond(101, "");
    response
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "echo".parse().unwrap());
    Ok(response)
}

#[tokio::test]
async fn after_a_switch_the_bytes_are_the_tunnels() {
    let served = serve(ListenOptions::default(), switching);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    // Bytes of the tunnel come with the request, and look like no HTTP.
    client
        .send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /switch HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n\x00early\n")
        .await
        .unwrap();
    assert_eq!(client.response("GET").await.body.text(), "GET /first ");
    assert_eq!(client.read_head().await.unwrap().status(), 101);
    assert_eq!(client.read_exact(7).await.unwrap(), b"\x00early\n");
    client.send("\x01\x02").await.unwrap();
    assert_eq!(client.read_exact(2).await.unwrap(), b"\x01\x02");
    assert_eq!(served.listening.connections(), 1, "a tunnel is a connection");
    client.close().await;
    while served.listening.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_a_refused_switch_http_goes_on() {
    let served = serve(ListenOptions::default(), switching);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("GET /stay HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response("GET").await.body.text(), "GET /stay ");
    assert_eq!(client.response("GET").await.body.text(), "GET /next ");
}

#[tokio::test]
async fn a_service_that_panics_costs_its_connection_only() {
    let served = serve(
        ListenOptions::default(),
        |request: Request<Incoming>, conn| async move {
            assert_ne!(request.uri().path(), "/panic", "on purpose");
            echo(request, conn).await
        },
    );
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let (bytes, _) = client.read_to_end().await;
    assert_eq!(bytes, b"");
    let response = RawClient::connect(served.addr).await.unwrap().get("/next").await;
    assert_eq!(response.body.text(), "GET /next ");
    while served.listening.connections() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
