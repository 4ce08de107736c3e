//! Each fault kind by what a raw socket sees, what its exchange tells, and whether the upstream was called.

mod answers;
mod bodies;
mod connections;
mod examples;
mod paces;

/// Makes a test of each case, and the list of their names.
macro_rules! cases {
    ($($module:ident::$case:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($case)),*];
        $(
            #[tokio::test]
            async fn $case() {
                $module::$case().await;
            }
        )*
    };
}

cases! {
    paces::delay,
    answers::status,
    answers::error,
    answers::rate_limit,
    connections::abort,
    connections::hang,
    bodies::truncate,
    bodies::corrupt,
    paces::throttle,
    paces::stall,
    paces::slow_drip,
    bodies::headers,
    bodies::body,
    answers::html_instead,
    bodies::wrong_content_type,
    bodies::wrong_length,
    answers::redirect_loop,
    connections::duplicate,
    answers::stale,
}

/// That the example of each kind runs as well is shown in [`examples`], which reads the catalogue itself.
#[test]
fn every_kind_of_the_catalogue_has_a_case_of_its_name() {
    for row in murphy_faults::CATALOGUE {
        assert!(NAMES.contains(&row.name), "no case for {}", row.name);
    }
    assert_eq!(NAMES.len(), murphy_faults::CATALOGUE.len(), "a case for no kind");
}
