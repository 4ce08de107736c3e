//! Failures of the Bedrock runtime: the exception of each, as the service model names it.

use murphy_core::failure::FailureKind;

use super::facts::Operation;

/// Where the service's exceptions live; a client cuts it off.
const SERVICE: &str = "http://internal.amazon.com/coral/com.amazon.bedrock/";
/// Where the exceptions of AWS at large live: those about credentials.
const COMMON: &str = "http://internal.amazon.com/coral/com.amazon.coral.service/";

/// An exception of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exception {
    /// The status that the service model gives it.
    pub(super) status: u16,
    /// Its name.
    pub(super) name: &'static str,
    /// What follows the name in `x-amzn-errortype`.
    pub(super) namespace: &'static str,
    /// Its words.
    pub(super) message: &'static str,
}

/// Who makes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// The service.
    Service(Exception),
    /// What stands before it: a page.
    FrontEnd {
        /// The status.
        status: u16,
        /// The page's title.
        title: &'static str,
    },
}

/// Who makes the answer of a failure of an operation.
pub(super) fn maker(kind: FailureKind, operation: Option<Operation>) -> Maker {
    let invoked = operation.is_some_and(Operation::is_invoke);
    let (status, name, message) = match kind {
        FailureKind::RateLimited => (
            429,
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
        ),
        FailureKind::Overloaded => (
            503,
            "ServiceUnavailableException",
            "Too many connections, please wait before trying again.",
        ),
        FailureKind::Internal => (
            500,
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        FailureKind::BadGateway => return front_end(502, "502 Bad Gateway"),
        FailureKind::Unavailable => (
            503,
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        FailureKind::Timeout => (
            408,
            "ModelTimeoutException",
            "Model has timed out in processing the request. Try your request again.",
        ),
        FailureKind::Unauthorized => {
            return Maker::Service(Exception {
                status: 403,
                name: "UnrecognizedClientException",
                namespace: COMMON,
                message: "The security token included in the request is invalid.",
            });
        }
        FailureKind::Forbidden => (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        // The model has an exception for quotas, but only for invocations; elsewhere a used-up day is throttled.
        FailureKind::QuotaExhausted if invoked => (
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
        ),
        FailureKind::QuotaExhausted => (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
        ),
        FailureKind::ContextLength => (
            400,
            "ValidationException",
            "Input is too long for requested model.",
        ),
        // Guardrails and filters mostly end in a 200 that says so; the error is what the image models send.
        FailureKind::ContentFilter => (
            400,
            "ValidationException",
            "This request has been blocked by our content filters. Our filters automatically flagged this prompt \
             because it may conflict our AUP or AWS Responsible AI Policy. Please adjust your text prompt to submit \
             a new request.",
        ),
        FailureKind::NotFound => (
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS documentation for more \
             details.",
        ),
        FailureKind::TooLarge if invoked => (
            400,
            "ValidationException",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length \
             less than or equal to 25000000",
        ),
        FailureKind::TooLarge => return front_end(413, "413 Request Entity Too Large"),
        FailureKind::Conflict => (
            400,
            "ConflictException",
            "Error occurred because of a conflict while performing an operation.",
        ),
    };
    Maker::Service(Exception {
        status,
        name,
        namespace: SERVICE,
        message,
    })
}

fn front_end(status: u16, title: &'static str) -> Maker {
    Maker::FrontEnd { status, title }
}
