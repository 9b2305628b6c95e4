//! Tests of expressions and templates.

use super::*;
use crate::fixture::{inbound, media, recipient};

fn event(name: &str) -> Event {
    Event { event_type: Some(name.to_owned()), ..Event::default() }
}

fn holds(source: &str, message: Option<&Message>) -> bool {
    Condition::compile(source).unwrap().holds(&event("message.received"), message).unwrap()
}

fn render(source: &str, message: &Message) -> Result<String, TemplateError> {
    Template::compile(source).unwrap().render(message)
}

#[test]
fn every_variable_tells_what_the_message_says() {
    let mut message = inbound("+15550001111", "+15550002222", "Hi there");
    message.to.push(recipient("+15550003333"));
    message.cc = vec!["+15550004444".to_owned()];
    message.media = media(2);
    message.carrier = Some("Acme".to_owned());
    for source in [
        r#"event_type == "message.received""#,
        r#"from == "+15550001111""#,
        r#"to == "+15550002222""#,
        r#"recipients == ["+15550002222", "+15550003333"]"#,
        r#""+15550003333" in recipients and "+15550004444" in cc"#,
        r#"text == "Hi there" and "hi" in text|lower"#,
        r#"type == "SMS" and direction == "inbound""#,
        "media > 1 and media == 2",
        r#"carrier == "Acme" and not line_type"#,
        r#"line_type != "Wireless""#,
    ] {
        assert!(holds(source, Some(&message)), "{source}");
    }
}

#[test]
fn what_the_event_does_not_have_is_equal_to_nothing() {
    for source in [
        r#"to == """#,
        "text",
        r#"text == """#,
        r#"text == "none""#,
        r#"from == to and from == "x""#,
        "media > 0",
        r#""a" in text|lower"#,
        "carrier is defined",
    ] {
        assert!(!holds(source, None), "{source}");
    }
    assert!(holds("text is undefined and from is undefined", None));
}

#[test]
fn mistakes_are_told_when_the_expression_is_read() {
    for (source, words) in [
        ("", "unexpected"),
        ("to ==", "unexpected"),
        (r#"to = "x""#, "unexpected"),
        (r#"form == "x""#, "there is no variable `form`; there are `from`, `to`"),
        ("text|shout", "shout"),
        ("text is loud", "loud"),
    ] {
        match Condition::compile(source) {
            Err(error) => {
                assert!(error.to_string().starts_with(&format!("`{source}` is not an expression: ")));
                assert!(error.reason.contains(words), "{source}: {}", error.reason);
            }
            // Filters and tests are looked up only when they run; then they are errors.
            Ok(condition) => {
                let message = inbound("+15550001111", "+15550002222", "x");
                let reason = condition.holds(&event("e"), Some(&message)).unwrap_err().reason;
                assert!(reason.contains("unknown"), "{source}: {reason}");
            }
        }
    }
}

#[test]
fn runaway_expression_runs_out_of_fuel() {
    let message = inbound("+15550001111", "+15550002222", "x");
    for source in ["range(100000)|list|length > 0", r#"("x" * 100000000)|length > 0"#] {
        let error = Condition::compile(source).unwrap().holds(&event("e"), Some(&message)).unwrap_err();
        assert!(error.reason.contains("fuel"), "{}", error.reason);
    }
}

#[test]
fn failures_do_not_quote_the_message() {
    let message = inbound("+15550001111", "+15550002222", "my secret");
    for source in ["text|int > 1", "text + 1 == 2", "text|abs > 0", "text() == 1", "text.secret.more == 1"] {
        let error = Condition::compile(source).unwrap().holds(&event("e"), Some(&message)).unwrap_err();
        assert!(!error.to_string().contains("my secret"), "{error}");
        assert!(!error.to_string().contains("+1555"), "{error}");
    }
}

#[test]
fn answer_is_rendered_from_the_message() {
    let message = inbound("+15550001111", "+15550002222", "a < b & \"c\"");
    assert_eq!(
        render("Hi {{ from }}, {{ to }} got: {{ text }}", &message).unwrap(),
        "Hi +15550001111, +15550002222 got: a < b & \"c\""
    );
    assert_eq!(render("{% if media %}pic{% else %}no pic{% endif %}", &message).unwrap(), "no pic");
    assert_eq!(render("{% set n = media + 1 %}{{ n }}", &message).unwrap(), "1");
    assert_eq!(render("[{{ carrier }}]", &message).unwrap(), "[]");
}

#[test]
fn message_text_is_data_and_never_a_template() {
    let evil = "{{ 7*7 }}{% include \"/etc/passwd\" %}{% for i in range(9) %}x{% endfor %}";
    let message = inbound("+15550001111", "+15550002222", evil);
    assert_eq!(render("You said {{ text }}", &message).unwrap(), format!("You said {evil}"));
    assert_eq!(render("{{ text|upper }}", &message).unwrap(), evil.to_uppercase());
}

#[test]
fn template_mistakes_are_told_when_it_is_read() {
    for (source, words) in [
        ("{{ from", "unexpected end of input"),
        ("one\n{{ from }}\n{% if %}", "(line 3)"),
        ("{{ name }}", "there is no variable `name`"),
        ("{{ event_type }}", "there is no variable `event_type`"),
        ("{% include 'x' %}", "unknown statement"),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "unknown statement"),
    ] {
        let error = Template::compile(source).unwrap_err();
        assert!(error.reason.contains(words), "{source}: {}", error.reason);
    }
}

#[test]
fn runaway_template_runs_out_of_fuel() {
    let message = inbound("+15550001111", "+15550002222", "x");
    for source in [
        "{% for i in range(100000) %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
    ] {
        assert!(render(source, &message).unwrap_err().reason.contains("fuel"), "{source}");
    }
}

#[test]
fn overlong_answer_is_an_error_and_not_cut() {
    let message = inbound("+15550001111", "+15550002222", &"é".repeat(800));
    assert_eq!(render("{{ text }}{{ text }}", &message).unwrap().chars().count(), 1_600);
    let error = render("{{ text }}{{ text }}!", &message).unwrap_err();
    assert_eq!(error.reason, "the result has 1601 characters, more than 1600");
}

#[test]
fn compiled_things_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Condition>();
    is_shared::<Template>();
    let debug = format!("{:?} {:?}", Condition::compile("media").unwrap(), Template::compile("x").unwrap());
    assert_eq!(debug, r#"Condition("media") Template("x")"#);
}

proptest::proptest! {
    #[test]
    fn any_source_compiles_or_is_an_error(source in "[\\PC]{0,40}") {
        let message = inbound("+15550001111", "+15550002222", "x");
        if let Ok(condition) = Condition::compile(&source) {
            let _ = condition.holds(&Event::default(), Some(&message));
        }
        if let Ok(template) = Template::compile(&source) {
            let _ = template.render(&message);
        }
    }
}
