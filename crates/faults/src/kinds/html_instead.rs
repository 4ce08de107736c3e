//! `html_instead`: a gateway's error page where JSON was expected.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderValue, StatusCode};
use murphy_core::effect::{Effect, Reply, ReplySource, Respond};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::{may_be_empty, or_nothing, whole};
use crate::kind::{Ctx, Kind, upstream_use};

/// The longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 1 << 10;

/// Murphy answers with the HTML page that a gateway or a captive portal shows, where the client expects JSON.
/// With a status below 400 the client has nothing but the body to notice it by.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[schemars(rename = "HtmlInstead", transform = or_nothing)]
pub struct HtmlInstead {
    /// The status.
    #[schemars(range(min = 200, max = 599))]
    #[serde(deserialize_with = "whole")]
    pub status: u16,
    /// The page's title and heading; the status and its phrase unless it is given.
    pub title: Option<String>,
    /// What the `server` header and the foot of the page say.
    pub server: String,
    /// Whether the upstream is called first and its answer is thrown away.
    pub after_upstream: bool,
}

impl Default for HtmlInstead {
    fn default() -> Self {
        Self {
            status: 502,
            title: None,
            server: "nginx".to_owned(),
            after_upstream: false,
        }
    }
}
may_be_empty!(HtmlInstead, "nothing, or { status: 502 }");

impl HtmlInstead {
    fn page(&self) -> String {
        let title = match &self.title {
            Some(title) => title.clone(),
            None => StatusCode::from_u16(self.status)
                .map_or_else(|_| self.status.to_string(), |status| status.to_string()),
        };
        let (title, server) = (escape(&title), escape(&self.server));
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Kind for HtmlInstead {
    const SUMMARY: &'static str = "Answers with a gateway's HTML error page where JSON was expected.";
    const EXAMPLE: &'static str = "html_instead:\n  status: 502";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        check.within(&["status"], self.status, &(200..=599));
        if matches!(self.status, 204 | 205 | 304) {
            check.refuse(&["status"], self.status, "a status that has a body");
        }
        if let Some(title) = &self.title
            && title.len() > TITLE_BYTES_MAX
        {
            check.refuse(&["title"], format_args!("{} bytes", title.len()), "at most 1 KiB");
        }
        let Some(server) = check.header_value(&["server"], &self.server) else {
            return check.done_with(None);
        };
        let reply = Reply {
            status: self.status,
            headers: vec![
                (SERVER, server),
                (CONTENT_TYPE, HeaderValue::from_static("text/html")),
            ],
            body: Bytes::from(self.page()),
        };
        check.done(vec![Effect::Respond(Respond {
            reply: ReplySource::Fixed(Arc::new(reply)),
            upstream: upstream_use(self.after_upstream),
            malformed: self.status < 400,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::effect::UpstreamUse;

    use crate::testing::{effect, problems};

    fn page(yaml: &str) -> (Respond, Reply) {
        match effect(yaml) {
            Effect::Respond(respond) => match &respond.reply {
                ReplySource::Fixed(reply) => (respond.clone(), Reply::clone(reply)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_page_is_that_of_a_gateway() {
        for yaml in [
            "html_instead",
            "html_instead: {}",
            "html_instead: { status: 502, server: nginx }",
        ] {
            let (respond, reply) = page(yaml);
            let body = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(
                body.contains("<h1>502 Bad Gateway</h1>") && body.contains("<center>nginx</center>"),
                "{body}"
            );
            assert_eq!(reply.status, 502);
            assert_eq!(
                reply.headers[1],
                (CONTENT_TYPE, HeaderValue::from_static("text/html"))
            );
            assert!(!respond.malformed, "the status says that it failed");
        }
    }

    #[test]
    fn with_a_good_status_the_answer_is_malformed_and_texts_are_escaped() {
        let (respond, reply) =
            page("html_instead: { status: 200, title: \"<Sign in> & go\", after_upstream: true }");
        assert!(respond.malformed && respond.upstream == UpstreamUse::Call);
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(body.contains("<title>&lt;Sign in&gt; &amp; go</title>"), "{body}");
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(
            problems("html_instead: { status: 204 }"),
            ["html_instead.status: found 204, wanted a status that has a body"]
        );
        let found = problems("html_instead: { status: 100, server: \"a\\nb\" }");
        assert_eq!(found[0], "html_instead.status: found 100, wanted 200 to 599");
        assert!(found[1].starts_with("html_instead.server: found"), "{found:?}");
    }
}
