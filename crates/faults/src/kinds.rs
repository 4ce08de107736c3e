//! The registry of fault kinds. A new kind is one file in `kinds/` and one line here.

use murphy_core::effect::Effect;
use murphy_core::problem::{Path, Problem};

use crate::catalogue::{Row, row};
use crate::kind::{Ctx, Kind};

macro_rules! registry {
    ($($name:ident :: $ty:ident),* $(,)?) => {
        $(pub mod $name;)*

        /// What happens to a call: one fault kind with its parameters.
        #[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Fault {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                #[schemars(description = <$name::$ty as Kind>::SUMMARY)]
                $ty($name::$ty)
            ),*
        }

        impl Fault {
            /// The kind, as it is written.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$ty(_) => stringify!($name)),* }
            }

            /// Checks the parameters and turns them into effects.
            ///
            /// # Errors
            /// All that is wrong; paths begin with the kind: `delay.normal.mean`.
            pub fn compile(&self, ctx: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
                let compiled = match self { $(Self::$ty(kind) => kind.compile(ctx)),* };
                let base = Path::root().key(self.kind());
                compiled.map_err(|problems| problems.into_iter().map(|problem| problem.under(&base)).collect())
            }
        }

        /// One row for each kind, in the order of the documentation.
        pub const CATALOGUE: &[Row] = &[$(row::<$name::$ty>(stringify!($name))),*];
    };
}

registry! {
    delay::Delay,
    status::Status,
    error::Error,
    rate_limit::RateLimit,
    abort::Abort,
    hang::Hang,
    truncate::Truncate,
    corrupt::Corrupt,
    throttle::Throttle,
    stall::Stall,
    slow_drip::SlowDrip,
    headers::Headers,
    body::Body,
    html_instead::HtmlInstead,
    wrong_content_type::WrongContentType,
    wrong_length::WrongLength,
    redirect_loop::RedirectLoop,
    duplicate::Duplicate,
    stale::Stale,
}
