//! Which text format a scraper wants.

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0: with exemplars.
    OpenMetrics,
    /// The Prometheus text format 0.0.4, also for whoever names no format.
    Text,
}

impl Format {
    /// Chooses by the `Accept` header (RFC 9110 §12.5.1): OpenMetrics if it is asked for by name and not less
    /// wanted than plain text.
    pub(super) fn negotiate(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let open_metrics = quality(accept, "application/openmetrics-text");
        let text = quality(accept, "text/plain");
        if open_metrics > 0.0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => OPEN_METRICS,
            Self::Text => TEXT,
        }
    }
}

/// The highest quality that an `Accept` header gives to a media type by name; 0 if it does not name it.
fn quality(accept: &str, media_type: &str) -> f32 {
    let qualities = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        named.then(|| quality.map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0)))
    });
    qualities.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_accept_header() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, wanted) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (
                Some("Application/OpenMetrics-Text; version=1.0.0"),
                Format::OpenMetrics,
            ),
            (Some("application/openmetrics-text;q=0"), Format::Text),
            (
                Some("application/openmetrics-text;q=0.3, text/plain;q=0.9"),
                Format::Text,
            ),
            (Some("application/openmetrics-text;q=abc"), Format::Text),
        ] {
            assert_eq!(Format::negotiate(accept), wanted, "{accept:?}");
        }
    }
}
