//! Expressions in `when` and templates in replies: compiled when the configuration is read, bounded by fuel.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use inlet_telnyx::Event;
use minijinja::{AutoEscape, Environment, Error, Expression, UndefinedBehavior, Value};

use crate::message::Message;

// About 20,000 steps or 1.3 MB of data: far more than any honest rule needs, milliseconds at the most.
const FUEL: u64 = 20_000;
// Ten parts of 160 characters: what Telnyx sends at the most.
const MAX_CHARACTERS: usize = 1_600;
const TEMPLATE_NAME: &str = "reply";
const EVENT_TYPE: &str = "event_type";
const MESSAGE_VARIABLES: [&str; 10] =
    ["from", "to", "recipients", "cc", "text", "type", "direction", "media", "carrier", "line_type"];

// Immutable: expressions borrow their settings from here. It has no loader, so nothing can be included.
static EXPRESSIONS: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Lenient));

/// An expression does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}` is not an expression: {reason}")]
pub struct ConditionError {
    /// The expression as written.
    pub source_text: String,
    /// What the compiler says; of a failure at run time, without message content.
    pub reason: String,
}

/// A template does not compile, or fails when rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template failed: {reason}")]
pub struct TemplateError {
    /// What went wrong, without message content.
    pub reason: String,
}

/// A compiled `when` expression. Variables: `event_type`, `from`, `to` (the first recipient), `recipients`, `text`,
/// `type`, `direction`, `cc`, `media` (a count), `carrier`, `line_type`. One that the event does not have is undefined:
/// equal to nothing, and false.
#[derive(Clone)]
pub struct Condition {
    source: String,
    expression: Arc<Expression<'static, 'static>>,
}

impl Condition {
    /// Compiles an expression.
    pub fn compile(source: &str) -> Result<Self, ConditionError> {
        let refuse = |reason| ConditionError { source_text: source.to_owned(), reason };
        let expression =
            EXPRESSIONS.compile_expression_owned(source.to_owned()).map_err(|e| refuse(compiler_says(&e)))?;
        check_variables(&expression.undeclared_variables(false), &[EVENT_TYPE]).map_err(refuse)?;
        Ok(Self { source: source.to_owned(), expression: Arc::new(expression) })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds for this event. An error, running out of fuel included, is for the caller to count as a match.
    pub fn holds(&self, event: &Event, message: Option<&Message>) -> Result<bool, ConditionError> {
        let variables = message.map(message_variables).into_iter().flatten();
        let event_type = (EVENT_TYPE, event.event_type.as_deref().map(Value::from));
        let defined = variables.chain([event_type]).filter_map(|(name, value)| Some((name, value?)));
        let answer = self.expression.eval(context(defined)).map_err(|e| self.failure(&e))?;
        Ok(answer.is_true())
    }

    fn failure(&self, error: &Error) -> ConditionError {
        ConditionError { source_text: self.source.clone(), reason: engine_says(error) }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

/// A compiled reply text. Variables: those of [`Condition`] without `event_type`. One that the message does not have is
/// empty.
#[derive(Clone)]
pub struct Template {
    source: String,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Compiles a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let refuse = |reason| TemplateError { reason };
        let mut environment = environment(UndefinedBehavior::Strict);
        environment
            .add_template_owned(TEMPLATE_NAME, source.to_owned())
            .map_err(|e| refuse(compiler_says(&e)))?;
        let template = environment.get_template(TEMPLATE_NAME).map_err(|e| refuse(compiler_says(&e)))?;
        check_variables(&template.undeclared_variables(false), &[]).map_err(refuse)?;
        Ok(Self { source: source.to_owned(), environment: Arc::new(environment) })
    }

    /// The template as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders the answer to a message; at most 1,600 characters (ten parts of 160).
    pub fn render(&self, message: &Message) -> Result<String, TemplateError> {
        let failure = |e| TemplateError { reason: engine_says(&e) };
        let template = self.environment.get_template(TEMPLATE_NAME).map_err(failure)?;
        let variables = message_variables(message).into_iter();
        let variables = variables.map(|(name, value)| (name, value.unwrap_or_else(|| Value::from(""))));
        let text = template.render(context(variables)).map_err(failure)?;
        let characters = text.chars().count();
        if characters > MAX_CHARACTERS {
            let reason = format!("the result has {characters} characters, more than {MAX_CHARACTERS}");
            return Err(TemplateError { reason });
        }
        Ok(text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(undefined);
    // Texts are not HTML.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

// A variable that no event has is a typing mistake; it is told at load, not by a rule that never matches.
fn check_variables(used: &HashSet<String>, more: &[&str]) -> Result<(), String> {
    let functions: HashSet<&str> = EXPRESSIONS.globals().map(|(name, _)| name).collect();
    let known = |name: &str| MESSAGE_VARIABLES.contains(&name) || more.contains(&name);
    let unknown = used.iter().filter(|name| !known(name) && !functions.contains(name.as_str())).min();
    let Some(unknown) = unknown else { return Ok(()) };
    let names = [&MESSAGE_VARIABLES, more].concat();
    Err(format!("there is no variable `{unknown}`; there are `{}`", names.join("`, `")))
}

fn context(variables: impl Iterator<Item = (&'static str, Value)>) -> Value {
    Value::from(variables.collect::<BTreeMap<_, _>>())
}

fn message_variables(message: &Message) -> [(&'static str, Option<Value>); 10] {
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let recipients = message.to.iter().map(|recipient| recipient.phone_number.as_str());
    [
        ("from", Some(Value::from(message.from.as_str()))),
        ("to", recipients.clone().next().map(Value::from)),
        ("recipients", Some(recipients.map(Value::from).collect())),
        ("cc", Some(message.cc.iter().map(|number| Value::from(number.as_str())).collect())),
        ("text", text(&message.text)),
        ("type", text(&message.kind)),
        ("direction", Some(Value::from(message.direction.as_str()))),
        ("media", Some(Value::from(message.media.len()))),
        ("carrier", text(&message.carrier)),
        ("line_type", text(&message.line_type)),
    ]
}

// At load the detail quotes the configuration, which its author may see.
fn compiler_says(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{what} (line {line})"),
        _ => what,
    }
}

// At run time the detail may quote the message, so only the kind of failure and its line are told.
fn engine_says(error: &Error) -> String {
    format!("{} in line {}", error.kind(), error.line().unwrap_or(1))
}

#[cfg(test)]
mod tests;
