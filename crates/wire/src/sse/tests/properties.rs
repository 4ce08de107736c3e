//! What holds for any stream, however it is cut.

use super::*;

/// A block of a stream by the reference: event, data, id, retry, comments.
type Block = (Option<String>, Option<String>, Option<String>, Option<u64>, usize);

/// The whole stream at once, as the standard's text reads: decode, split into lines, take line by line. Shares no
/// code with what it judges.
fn reference(stream: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(stream).into_owned();
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // what no line end ends
    let mut blocks = Vec::new();
    let mut block = Block::default();
    let mut data: Vec<&str> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            _ if line.is_empty() => {
                block.1 = (!data.is_empty()).then(|| data.join("\n"));
                data.clear();
                blocks.push(std::mem::take(&mut block));
            }
            "" => block.4 += 1,
            "event" => block.0 = Some(value.to_owned()).filter(|name| !name.is_empty()),
            "data" => data.push(value),
            "id" if !value.contains('\0') => block.2 = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                block.3 = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    blocks
}

fn block(view: &View<'_>) -> Block {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let data = view.data.is_some().then(|| view.text().into_owned());
    (text(&view.event), data, text(&view.id), view.retry, view.comments)
}

/// The frames with the pieces of an event put together.
fn whole_events(frames: &[Frame]) -> Vec<(Kind, Vec<u8>)> {
    let mut whole: Vec<(Kind, Vec<u8>)> = Vec::new();
    for frame in frames {
        match (frame.kind(), whole.last_mut()) {
            (Kind::Opaque { first: false }, Some((Kind::Opaque { .. }, bytes))) => {
                bytes.extend(frame.bytes())
            }
            (kind, _) => whole.push((kind, frame.bytes().to_vec())),
        }
    }
    whole
}

/// Whether some bytes before the place and some after it are together one character.
fn is_in_character(stream: &[u8], at: usize) -> bool {
    let is_one = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1);
    let ends = at + 1..=stream.len().min(at + 3);
    (at.saturating_sub(3)..at).any(|start| ends.clone().any(|end| is_one(&stream[start..end])))
}

#[test]
fn the_reference_reads_the_examples_of_the_standard() {
    let stream =
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
    assert_eq!(
        reference(stream),
        [
            (None, None, None, None, 1),
            (
                None,
                Some("first event".to_owned()),
                Some("1".to_owned()),
                None,
                0
            ),
            (
                None,
                Some("second event".to_owned()),
                Some(String::new()),
                None,
                0
            ),
        ]
    );
    let stream = b"data\n\ndata\ndata\n\ndata:";
    let data: Vec<Option<String>> = reference(stream).into_iter().map(|block| block.1).collect();
    assert_eq!(data, [Some(String::new()), Some("\n".to_owned())]);
}

proptest! {
    #![proptest_config(crate::testing::cases(3000))]

    #[test]
    fn frames_are_the_stream_and_do_not_depend_on_its_chunks(stream in stream(), lengths in lengths()) {
        let whole = frames(&[&stream], CAP);
        let cut = frames(&pieces(&stream, &lengths), CAP);
        prop_assert_eq!(joined(&whole), stream);
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn any_bytes_are_the_stream(stream in prop::collection::vec(any::<u8>(), 0..200), lengths in lengths(), cap in 0_usize..50) {
        let found = frames(&pieces(&stream, &lengths), cap);
        prop_assert_eq!(joined(&found), stream);
    }

    #[test]
    fn what_is_too_large_does_not_depend_on_the_chunks(stream in stream(), lengths in lengths(), cap in 0_usize..40) {
        let whole = frames(&[&stream], cap);
        let cut = frames(&pieces(&stream, &lengths), cap);
        prop_assert_eq!(joined(&cut), &stream[..]);
        prop_assert!(cut.iter().chain(&whole).all(|frame| !frame.bytes().is_empty()));
        prop_assert_eq!(whole_events(&cut), whole_events(&whole));
        // Those that are not too large are the same as without a cap.
        let mut free = frames(&[&stream], CAP);
        free.retain(|frame| frame.bytes().len() <= cap);
        let kept: Vec<Frame> = whole.into_iter().filter(|frame| !matches!(frame.kind(), Kind::Opaque { .. })).collect();
        prop_assert_eq!(kept, free);
    }

    #[test]
    fn the_reference_reads_the_same(stream in stream(), lengths in lengths()) {
        let found = frames(&pieces(&stream, &lengths), CAP);
        let complete = found.iter().filter(|frame| frame.kind() != Kind::Unfinished);
        let read: Vec<Block> = complete.map(|frame| block(&frame.view().unwrap())).collect();
        prop_assert_eq!(read, reference(&stream));
    }

    #[test]
    fn the_kind_agrees_with_the_view(stream in stream()) {
        for frame in frames(&[&stream], CAP) {
            let view = frame.view().unwrap();
            match frame.kind() {
                Kind::Event => prop_assert!(view.data.is_some()),
                Kind::Comment => prop_assert_eq!(&View { comments: view.comments.max(1), ..View::default() }, &view),
                Kind::Silent => prop_assert!(view.data.is_none()),
                Kind::Unfinished => {}
                Kind::Opaque { .. } => prop_assert!(false, "nothing here is too large"),
            }
        }
    }

    #[test]
    fn places_are_what_they_are_called(stream in stream(), bits: u64) {
        if let Some(at) = place(&stream, Place::InLineEnd, bits) {
            prop_assert_eq!(&stream[at - 1..=at], b"\r\n");
        }
        if let Some(at) = place(&stream, Place::InLine, bits) {
            prop_assert!(!b"\r\n".contains(&stream[at - 1]) && !b"\r\n".contains(&stream[at]));
        }
        if let Some(at) = place(&stream, Place::InCharacter, bits) {
            prop_assert!(is_in_character(&stream, at));
        }
        let has_pair = stream.windows(2).any(|pair| pair == b"\r\n");
        prop_assert_eq!(place(&stream, Place::InLineEnd, bits).is_some(), has_pair);
    }
}
