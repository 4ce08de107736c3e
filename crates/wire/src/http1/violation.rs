//! What is wrong with a request, and which rule says so.

/// Why a request is refused. The text names the rule and holds nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// More than one empty line, or something that is no line, before the request line.
    #[error("more than one empty line before the request line (RFC 9112 §2.2)")]
    EmptyLines,
    /// A line that ends with LF alone.
    #[error("a line that ends without a carriage return (RFC 9112 §2.2)")]
    BareLineFeed,
    /// A carriage return inside a line.
    #[error("a carriage return inside a line (RFC 9112 §2.2)")]
    BareCarriageReturn,
    /// The request line does not have three parts, or the third is no HTTP version.
    #[error("the request line is not a method, a target and a version with one space between (RFC 9112 §3)")]
    RequestLine,
    /// The method is no token.
    #[error("the method is not a token (RFC 9112 §3.1)")]
    Method,
    /// The request target has a space or control character, or none of the four forms.
    #[error("the request target is not in a form that the method allows (RFC 9112 §3.2)")]
    Target,
    /// The request line is longer than a head may be.
    #[error("the request line is too long (RFC 9112 §3)")]
    TargetTooLong,
    /// Another version than 1.0 and 1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1 (RFC 9110 §15.6.6)")]
    Version,
    /// The head, or the trailer section, is too long or has too many fields.
    #[error("the header or trailer section is too large (RFC 6585 §5)")]
    HeadTooLarge,
    /// A line that begins with white space.
    #[error("a field line that begins with white space (RFC 9112 §5.2)")]
    FoldedLine,
    /// White space between a field's name and its colon.
    #[error("white space between a field name and its colon (RFC 9112 §5.1)")]
    SpaceBeforeColon,
    /// A field line without a name that is a token.
    #[error("a field name that is not a token (RFC 9110 §5.1)")]
    FieldName,
    /// A control character in a field's value.
    #[error("a control character in a field value (RFC 9110 §5.5)")]
    FieldValue,
    /// HTTP/1.1 without a Host field.
    #[error("no Host field in an HTTP/1.1 request (RFC 9112 §3.2)")]
    HostMissing,
    /// More than one Host field.
    #[error("more than one Host field (RFC 9112 §3.2)")]
    HostRepeated,
    /// A Host field that is no host with an optional port.
    #[error("the Host field is not a host with an optional port (RFC 9112 §3.2)")]
    HostInvalid,
    /// A content length that is no decimal number below 2^63.
    #[error("the Content-Length is not one decimal number (RFC 9112 §6.3)")]
    ContentLength,
    /// More than one content length.
    #[error("more than one Content-Length field (RFC 9112 §6.3)")]
    ContentLengthRepeated,
    /// Both framings at once.
    #[error("both Content-Length and Transfer-Encoding (RFC 9112 §6.3)")]
    TwoFramings,
    /// A transfer encoding whose last coding is not chunked, or that is malformed.
    #[error("the Transfer-Encoding does not end with chunked, once and without parameters (RFC 9112 §6.3)")]
    TransferEncoding,
    /// More than one Transfer-Encoding field.
    #[error("more than one Transfer-Encoding field (RFC 9112 §6.1)")]
    TransferEncodingRepeated,
    /// A transfer encoding that is well-formed and names more than chunked.
    #[error("a transfer coding other than chunked (RFC 9112 §6.1)")]
    TransferCodingUnknown,
    /// A transfer encoding in HTTP/1.0.
    #[error("a Transfer-Encoding in an HTTP/1.0 request (RFC 9112 §6.1)")]
    TransferEncodingInOldVersion,
    /// CONNECT with content.
    #[error("a CONNECT request with content (RFC 9110 §9.3.6)")]
    ConnectWithContent,
    /// A chunk-size line that is malformed, or a size of 2^63 or more.
    #[error("a malformed chunk size or chunk extension (RFC 9112 §7.1)")]
    ChunkSize,
    /// A chunk-size line that is too long.
    #[error("a chunk-size line that is too long (RFC 9112 §7.1.1)")]
    ChunkLineTooLong,
    /// A chunk's data is not followed by CRLF.
    #[error("chunk data that does not end where its size says (RFC 9112 §7.1)")]
    ChunkEnd,
    /// A trailer field that would change the framing or the routing.
    #[error("a trailer field that belongs in the header section (RFC 9110 §6.5.1)")]
    Trailer,
}

impl Violation {
    /// The status of the answer that says so.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::TransferCodingUnknown => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}
