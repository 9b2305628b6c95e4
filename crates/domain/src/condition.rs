//! Expressions in `when` and templates in replies: compiled when the configuration is read, bounded by fuel.

use inlet_telnyx::Event;

use crate::message::Message;

/// An expression does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}` is not an expression: {reason}")]
pub struct ConditionError {
    /// The expression as written.
    pub source_text: String,
    /// What the compiler says.
    pub reason: String,
}

/// A template does not compile, or fails when rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template failed: {reason}")]
pub struct TemplateError {
    /// What went wrong, without message content.
    pub reason: String,
}

/// A compiled `when` expression. Variables: `event_type`, `from`, `to`, `text`, `type`, `direction`, `cc`, `media`
/// (a count), `carrier`, `line_type`.
#[derive(Debug, Clone)]
pub struct Condition {
    source: String,
}

impl Condition {
    /// Compiles an expression.
    pub fn compile(source: &str) -> Result<Self, ConditionError> {
        Ok(Self { source: source.to_owned() })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds for this event. An error, running out of fuel included, is for the caller to count as a match.
    pub fn holds(&self, event: &Event, message: Option<&Message>) -> Result<bool, ConditionError> {
        let _ = (event, message);
        todo!()
    }
}

/// A compiled reply text. Variables: those of [`Condition`].
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
}

impl Template {
    /// Compiles a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.to_owned() })
    }

    /// The template as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders the answer to a message; at most 1,600 characters (ten parts of 160).
    pub fn render(&self, message: &Message) -> Result<String, TemplateError> {
        let _ = message;
        todo!()
    }
}
