//! Frames that are written, changed and cut.

use super::*;

fn styles() -> impl Strategy<Value = Style> {
    let ends = prop::sample::select(vec![LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr]);
    (ends, any::<bool>()).prop_map(|(end, space)| Style { end, space })
}

/// Text with what is special in a stream.
fn text() -> impl Strategy<Value = String> {
    "[a-c: é☃\r\n\0]{0,12}"
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n', '\0'], "")
}

fn lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[test]
fn frames_are_written_in_the_style_of_the_stream() {
    let style = Style {
        end: LineEnd::CrLf,
        space: false,
    };
    let frame = Frame::event(style, Some("e"), b"a\nb\r\nc", Some("9"));
    assert_eq!(
        frame.bytes(),
        &b"id:9\r\nevent:e\r\ndata:a\r\ndata:b\r\ndata:c\r\n\r\n"[..]
    );
    assert_eq!(frame.style(), Some(style));
    let frame = Frame::event(Style::default(), None, b"[DONE]", None);
    assert_eq!(frame.bytes(), &b"data: [DONE]\n\n"[..]);
    let frame = Frame::comment(Style::default(), "ping");
    assert_eq!(
        (frame.bytes(), frame.kind()),
        (&Bytes::from_static(b": ping\n\n"), Kind::Comment)
    );
    assert_eq!(frame.style(), Some(Style::default()));
    assert_eq!(frames(&[b"half"], CAP)[0].style(), None);
}

#[test]
fn other_data_leaves_the_other_lines() {
    let found = frames(
        &[
            b": c\r\nevent:e\r\ndata:1\r\nid: 5\r\ndata: 2\r\nx\r\n\r\n",
            b"id: 6\n\n",
            b"data",
        ],
        CAP,
    );
    let changed: Vec<Frame> = found
        .iter()
        .map(|frame| frame.with_data(b"n\nm").unwrap())
        .collect();
    assert_eq!(
        texts(&changed),
        [
            &b": c\r\nevent:e\r\ndata:n\r\ndata:m\r\nid: 5\r\nx\r\n\r\n"[..],
            b"id: 6\ndata: n\ndata: m\n\n",
            b"data: n\ndata: m\n",
        ]
    );
    assert_eq!(frames(&[b"id: 6\n"], CAP)[0].with_data(b"n"), None);
}

#[test]
fn what_belongs_to_no_line_stays_at_the_start() {
    // The LF is the rest of a CR LF, no empty line.
    let found = frames(&[b"data: a\r\r\nid:b\n\n"], CAP);
    assert_eq!(texts(&found), [&b"data: a\r\r"[..], b"\nid:b\n\n"]);
    let (end, space) = (LineEnd::Lf, false);
    assert_eq!(found[1].style(), Some(Style { end, space }));
    assert_eq!(
        found[1].with_data(b"c").unwrap().bytes(),
        &b"\nid:b\ndata:c\n\n"[..]
    );
    let found = frames(&[b"\xEF\xBB\xBFdata: a\r\n\r\n"], CAP);
    assert_eq!(
        found[0].with_data(b"c").unwrap().bytes(),
        &b"\xEF\xBB\xBFdata: c\r\n\r\n"[..]
    );
}

#[test]
fn a_string_is_found_in_the_bytes() {
    let found = frames(
        &[b"event: d\ndata: {\"a\":[\"x\\ny\"]}\n\ndata: {\"a\":\ndata:  \"zz\",\ndata: \"b\":\"\"}\n\n"],
        CAP,
    );
    let at = |frame: &Frame, pointer: &str| {
        let range = frame.string_range(pointer)?;
        Some(String::from_utf8(frame.bytes()[range].to_vec()).unwrap())
    };
    assert_eq!(at(&found[0], "/a/0").as_deref(), Some("x\\ny"));
    assert_eq!(found[0].string_range("/a/0"), Some(22..26));
    assert_eq!(at(&found[0], "/a"), None);
    assert_eq!(at(&found[1], "/a").as_deref(), Some("zz"));
    assert_eq!(at(&found[1], "/b").as_deref(), Some(""));
    assert_eq!(at(&frames(&[b"id: 1\n\n"], CAP)[0], ""), None);
}

#[test]
fn places_are_chosen_by_the_bits() {
    let bytes = "data: é☃\r\n\r\n".as_bytes();
    let places = |kind| -> Vec<usize> { (0..3).filter_map(|bits| place(bytes, kind, bits)).collect() };
    assert_eq!(places(Place::InCharacter), [7, 9, 10]);
    assert_eq!(places(Place::InLineEnd), [12, 14, 12]);
    assert_eq!(places(Place::InLine), [1, 2, 3]);
    assert_eq!(place(bytes, Place::InLine, 6), Some(8)); // between the two characters, not in one
    assert_eq!(place(b"a\n\n", Place::InLineEnd, 0), None);
}

proptest! {
    #![proptest_config(crate::testing::cases(1000))]

    #[test]
    fn what_is_written_is_read(style in styles(), event in prop::option::of(text()), data in text(), id in prop::option::of(text())) {
        let frame = Frame::event(style, event.as_deref(), data.as_bytes(), id.as_deref());
        let stream = [frame.bytes().to_vec(), b"data: next\n\n".to_vec()].concat();
        let found = frames(&[&stream], CAP);
        prop_assert_eq!(found.len(), 2);
        prop_assert_eq!(&found[0], &frame);
        let view = frame.view().unwrap();
        prop_assert_eq!(view.event.as_deref().map(str::to_owned), event.map(|event| one_line(&event)).filter(|event| !event.is_empty()));
        prop_assert_eq!(view.id.as_deref().map(str::to_owned), id.map(|id| one_line(&id)));
        prop_assert_eq!(view.text(), lf(&data));
        prop_assert_eq!(frame.style().unwrap().end, style.end);
    }

    #[test]
    fn a_comment_is_a_comment(style in styles(), text in text()) {
        let frame = Frame::comment(style, &text);
        let found = frames(&[frame.bytes()], CAP);
        prop_assert_eq!((found.len(), &found[0], frame.kind()), (1, &frame, Kind::Comment));
    }

    #[test]
    fn other_data_is_all_that_changes(stream in stream(), data in text()) {
        let found: Vec<Frame> =
            frames(&[&stream], CAP).into_iter().filter(|frame| frame.kind() != Kind::Unfinished).collect();
        let changed: Vec<Frame> = found.iter().map(|frame| frame.with_data(data.as_bytes()).unwrap()).collect();
        // Read by itself, and in the stream that they are together.
        let again = frames(&[&joined(&changed)], CAP);
        let again = again.iter().filter(|frame| frame.kind() != Kind::Unfinished);
        let views = |frames: &[Frame]| frames.iter().map(|frame| format!("{:?}", frame.view())).collect::<Vec<_>>();
        prop_assert_eq!(views(&again.cloned().collect::<Vec<_>>()), views(&changed));
        for (frame, changed) in found.iter().zip(&changed) {
            let (before, after) = (frame.view().unwrap(), changed.view().unwrap());
            prop_assert_eq!(after.text(), lf(&data));
            prop_assert_eq!(View { data: None, ..after }, View { data: None, ..before });
        }
    }

    #[test]
    fn a_string_is_where_serde_json_sees_it(value in crate::corrupt::tests::json(), style in styles(), pretty: bool) {
        let value = serde_json::json!({ "in": [value, "the text"] });
        let data = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let frame = Frame::event(style, Some("e"), &data, None);
        let range = frame.string_range("/in/1").unwrap();
        prop_assert_eq!(&frame.bytes()[range], b"the text");
        let inner = frame.string_range("/in/0").map(|range| frame.bytes()[range].to_vec());
        let inner = inner.map(|inner| serde_json::from_slice::<String>(&[b"\"", &inner[..], b"\""].concat()).unwrap());
        prop_assert_eq!(inner.as_deref(), value["in"][0].as_str());
    }
}
