//! Reading the configuration: the file strictly, the layers above it, then what the values mean.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use murphy_core::problem::{Path, Problem};
use murphy_core::route::Route;

use crate::layers::{self, Override};
use crate::parse::{self, FILE_BYTES_MAX};
use crate::report::Place;
use crate::settings::{RouteSettings, Settings, built_in};
use crate::view::Located;
use crate::{locate, meaning, resolve};

/// Values of one configuration file.
const VALUES_MAX: usize = 4_000;
/// Problems of one file that are told; finding the place of each reads the file once more.
const PROBLEMS_MAX: usize = 20;

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub config_file: Option<PathBuf>,
    /// Environment variables; those that are no settings are ignored.
    pub env: Vec<(String, String)>,
    /// Flags; they win over all else.
    pub overrides: Vec<Override>,
    /// Where the built-in simulator listens: what `upstream = "sim"` means.
    pub sim: Option<SocketAddr>,
}

/// A configuration that was read and found good.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// All settings.
    pub settings: Settings,
    /// The routes; the built-in ones if the settings name none.
    pub routes: Vec<Arc<Route>>,
    /// What is odd and not wrong.
    pub warnings: Vec<String>,
}

/// Reads the configuration.
///
/// # Errors
/// All problems that were found, each with its place.
pub fn load(sources: &Sources) -> Result<Loaded, Vec<Located>> {
    let text = match &sources.config_file {
        Some(file) => Some(read(file).map_err(|located| vec![*located])?),
        None => None,
    };
    of_text(sources, text.as_deref())
}

/// As [`load`], with the text of the configuration file at hand.
pub(crate) fn of_text(sources: &Sources, text: Option<&str>) -> Result<Loaded, Vec<Located>> {
    let file = sources.config_file.as_deref().map(shown).unwrap_or_default();
    let table = match text {
        Some(text) => {
            // Twice: typed, for errors in their place; and as it is, to lay other layers around it.
            parse::toml::<Settings>(&file, text).map_err(|located| vec![*located])?;
            let table = parse::toml::<toml::Table>(&file, text).map_err(|located| vec![*located])?;
            Some(bounded(&file, table).map_err(|located| vec![*located])?)
        }
        None => None,
    };
    let settings = layers::merge(table.as_ref(), &overrides(sources))?;

    let mut problems = meaning::problems(&settings);
    let mut warnings = meaning::warnings(&settings);
    let written: Vec<RouteSettings> = if settings.routes.is_empty() {
        built_in()
    } else {
        settings.routes.clone()
    };
    let routes = resolve::routes(&written, &settings, sources.sim).unwrap_or_else(|more| {
        problems.extend(more);
        Vec::new()
    });
    if !settings.routes.is_empty() {
        warnings.extend(resolve::warnings(&written));
    }
    if problems.is_empty() {
        return Ok(Loaded {
            settings,
            routes,
            warnings,
        });
    }
    Err(locate_all(sources, text, problems))
}

/// Refuses a file with more values than any configuration has: laying layers takes quadratic time in them.
fn bounded(file: &str, table: toml::Table) -> Result<toml::Table, Box<Located>> {
    fn values(value: &toml::Value) -> usize {
        match value {
            toml::Value::Table(table) => table.values().map(values).sum(),
            toml::Value::Array(list) => list.iter().map(values).sum(),
            _ => 1,
        }
    }
    let found: usize = table.values().map(values).sum();
    if found <= VALUES_MAX {
        return Ok(table);
    }
    let problem = Problem::new(
        Path::root(),
        format!("{found} values"),
        format!("at most {VALUES_MAX}"),
    );
    Err(Box::new(Located::at(
        file,
        "",
        Place { line: 1, column: 1 },
        problem,
    )))
}

/// What stands above the file, the strongest last.
fn overrides(sources: &Sources) -> Vec<Override> {
    let mut overrides = layers::from_environment(&sources.env);
    overrides.extend(sources.overrides.iter().cloned());
    overrides
}

/// Finds the places of wrong values.
pub(crate) fn locate_all(sources: &Sources, text: Option<&str>, problems: Vec<Problem>) -> Vec<Located> {
    let file = sources.config_file.as_deref().map(shown).unwrap_or_default();
    let overrides = overrides(sources);
    problems
        .into_iter()
        .take(PROBLEMS_MAX)
        .map(|problem| located(&file, text, &overrides, problem))
        .collect()
}

/// Finds out where a wrong value came from.
fn located(file: &str, text: Option<&str>, overrides: &[Override], problem: Problem) -> Located {
    if let Some(one) = layers::source_of(overrides, &problem) {
        return Located::nowhere(&one.from, problem);
    }
    match text {
        Some(text) => {
            let place = locate::in_toml(text, &problem.path);
            let place = if place == Place::default() {
                Place { line: 1, column: 1 }
            } else {
                place
            };
            Located::at(file, text, place, problem)
        }
        None => Located::nowhere("built-in defaults", problem),
    }
}

/// Reads a file of at most [`FILE_BYTES_MAX`] bytes of UTF-8.
///
/// # Errors
/// If it cannot be read, is larger or is no text.
pub(crate) fn read(file: &FilePath) -> Result<String, Box<Located>> {
    let bytes = read_bytes(file).map_err(|problem| Box::new(Located::nowhere(&shown(file), problem)))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = Place { line: 1, column: 1 };
        let found = format_args!(
            "a byte that is no UTF-8 at offset {}",
            error.utf8_error().valid_up_to()
        )
        .to_string();
        Box::new(Located::at(
            &shown(file),
            "",
            place,
            Problem::new(Path::root(), found, "UTF-8 text"),
        ))
    })
}

/// Reads a file of at most [`FILE_BYTES_MAX`] bytes.
pub(crate) fn read_bytes(file: &FilePath) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: std::io::Error| Problem::new(Path::root(), error, "a file that can be read");
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        let wanted = format!("at most {FILE_BYTES_MAX} bytes");
        return Err(Problem::new(Path::root(), "a longer file", wanted));
    }
    Ok(bytes)
}

/// A file as it is shown.
pub(crate) fn shown(file: &FilePath) -> String {
    file.display().to_string()
}

#[cfg(test)]
mod tests;
