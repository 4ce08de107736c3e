//! What one operation of the API is: the row from which both its route and its documentation are made.

use axum::routing::MethodRouter;
use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::ControlState;
use crate::problem::ProblemType;

/// Gives a type's schema, and notes those of the types in it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of `T`.
pub(crate) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// One operation: a method on a path.
pub(crate) struct Operation {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for a scenario's name.
    pub path: &'static str,
    /// The OpenAPI `operationId`; it never changes.
    pub id: &'static str,
    /// The OpenAPI tag.
    pub tag: Tag,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Whether it may be used without the token.
    pub open: bool,
    /// Parameters of the query and the headers.
    pub parameters: Vec<Parameter>,
    /// The body that it takes.
    pub body: Option<RequestBody>,
    /// What it answers when all is well.
    pub success: Vec<Answer>,
    /// How it can refuse, besides what every operation can.
    pub refusals: Vec<ProblemType>,
    /// The handler.
    pub handler: fn() -> MethodRouter<ControlState>,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    Status,
    Scenarios,
    KillSwitch,
    Exchanges,
    Hooks,
    Service,
}

impl Tag {
    pub(crate) const ALL: [Self; 6] = [
        Self::Status,
        Self::Scenarios,
        Self::KillSwitch,
        Self::Exchanges,
        Self::Hooks,
        Self::Service,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scenarios => "scenarios",
            Self::KillSwitch => "kill-switch",
            Self::Exchanges => "exchanges",
            Self::Hooks => "hooks",
            Self::Service => "service",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Status => "What the daemon is doing and with which configuration.",
            Self::Scenarios => "Named sets of rules, switched on and off as one.",
            Self::KillSwitch => "Tripped or locked means that nothing is injected anywhere.",
            Self::Exchanges => "What happened, call by call.",
            Self::Hooks => "Alarms from elsewhere.",
            Self::Service => "Probes, metrics, this document, the status page.",
        }
    }
}

/// A parameter of the query or a header. All are optional.
pub(crate) struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub description: &'static str,
    pub schema: SchemaOf,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Query,
    Header,
}

/// A request's body.
pub(crate) struct RequestBody {
    /// Whether it may be left out.
    pub optional: bool,
    pub media_types: &'static [&'static str],
    pub schema: SchemaOf,
}

/// An answer below 400.
pub(crate) struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub media_type: &'static str,
    pub schema: SchemaOf,
    /// Whether it carries an `ETag`.
    pub etag: bool,
}

impl Answer {
    /// A JSON document.
    pub(crate) fn json<T: JsonSchema>(status: u16, description: &'static str) -> Self {
        Self::of("application/json", status, description, schema::<T>)
    }

    /// A text of another media type.
    pub(crate) fn text(media_type: &'static str, description: &'static str) -> Self {
        Self::of(media_type, 200, description, schema::<String>)
    }

    /// A text of this media type with this schema.
    pub(crate) fn of(
        media_type: &'static str,
        status: u16,
        description: &'static str,
        schema: SchemaOf,
    ) -> Self {
        Self {
            status,
            description,
            media_type,
            schema,
            etag: false,
        }
    }

    /// The same with an `ETag`.
    pub(crate) fn tagged(mut self) -> Self {
        self.etag = true;
        self
    }
}

impl Operation {
    /// An operation that needs the token.
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        tag: Tag,
        summary: &'static str,
        success: Answer,
        handler: fn() -> MethodRouter<ControlState>,
    ) -> Self {
        Self {
            method,
            path,
            id,
            tag,
            summary,
            open: false,
            parameters: Vec::new(),
            body: None,
            success: vec![success],
            refusals: Vec::new(),
            handler,
        }
    }

    /// A `GET` that needs the token.
    pub(crate) fn get(
        path: &'static str,
        id: &'static str,
        tag: Tag,
        summary: &'static str,
        success: Answer,
        handler: fn() -> MethodRouter<ControlState>,
    ) -> Self {
        Self::new(Method::GET, path, id, tag, summary, success, handler)
    }

    /// A `POST` that needs the token.
    pub(crate) fn post(
        path: &'static str,
        id: &'static str,
        tag: Tag,
        summary: &'static str,
        success: Answer,
        handler: fn() -> MethodRouter<ControlState>,
    ) -> Self {
        Self::new(Method::POST, path, id, tag, summary, success, handler)
    }

    /// The same without the token.
    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The same with a JSON body that may be left out.
    pub(crate) fn takes<T: JsonSchema>(self) -> Self {
        self.body(true, &["application/json"], schema::<T>)
    }

    /// The same with a body.
    pub(crate) fn body(
        mut self,
        optional: bool,
        media_types: &'static [&'static str],
        schema: SchemaOf,
    ) -> Self {
        self.body = Some(RequestBody {
            optional,
            media_types,
            schema,
        });
        self
    }

    /// The same with a parameter.
    pub(crate) fn parameter<T: JsonSchema>(
        mut self,
        place: Place,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            description,
            schema: schema::<T>,
        });
        self
    }

    /// The same with another way to succeed.
    pub(crate) fn or(mut self, success: Answer) -> Self {
        self.success.push(success);
        self
    }

    /// The same with more ways to refuse.
    pub(crate) fn refuses(mut self, refusals: &[ProblemType]) -> Self {
        self.refusals.extend_from_slice(refusals);
        self
    }

    /// Every way to refuse, those that all operations share included.
    pub(crate) fn all_refusals(&self) -> Vec<ProblemType> {
        let mut all = vec![ProblemType::ForbiddenHost, ProblemType::Unavailable];
        if !self.open {
            all.push(ProblemType::Unauthorized);
        }
        if !self.method.is_safe() {
            all.push(ProblemType::UnsupportedMediaType);
        }
        if self.body.is_some() {
            all.extend([
                ProblemType::BadRequest,
                ProblemType::ContentTooLarge,
                ProblemType::RequestTimeout,
            ]);
        }
        if !self.parameters.is_empty() || self.path.contains('{') {
            all.push(ProblemType::BadRequest);
        }
        all.extend_from_slice(&self.refusals);
        all
    }
}
