//! Log lines as JSON: as events in the stream of `--progress json`, and as lines of their own with `log.format: json`.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `{"event": "log", …}`.
pub(crate) struct Events;

impl<S, N> FormatEvent<S, N> for Events
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = json!({
            "event": "log",
            "level": event.metadata().level().as_str().to_lowercase(),
            "target": event.metadata().target(),
            "text": fields.message,
            "fields": fields.others,
        });
        writeln!(writer, "{line}")
    }
}

/// Writes `{"timestamp": …, "level": …, "target": …, "message": …}` with all fields beside these, those of spans as well.
/// The spans' fields must be formatted as JSON.
pub(crate) struct Lines;

/// A line of the log. What a field is called like one of the first four is left out.
pub(crate) fn line(level: &str, target: &str, message: &str, fields: Map<String, Value>) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let mut line = json!({"timestamp": now, "level": level, "target": target, "message": message});
    if let Some(line) = line.as_object_mut() {
        for (name, value) in fields {
            line.entry(name).or_insert(value);
        }
    }
    line
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>();
            let of_span = formatted.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
            for (name, value) in of_span.into_iter().flatten() {
                fields.others.entry(name).or_insert(value);
            }
        }
        let level = event.metadata().level().as_str().to_lowercase();
        let line = line(&level, event.metadata().target(), &fields.message, fields.others);
        writeln!(writer, "{line}")
    }
}

/// Hands what a verb says on to the log of its task, whatever stderr shows of it.
pub(crate) struct Heard;

impl Heard {
    /// From `info` on, and only what this program says.
    pub(crate) fn filter() -> tracing_subscriber::filter::Targets {
        tracing_subscriber::filter::Targets::new()
            .with_target("chantal", tracing::Level::INFO)
            // How a run ended is what the task itself says.
            .with_target("chantal_engine::end", tracing::Level::WARN)
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level().as_str().to_lowercase();
        let error = fields.others.get("error").and_then(Value::as_str);
        let text = match error.filter(|error| !fields.message.contains(error)) {
            Some(error) => format!("{}: {error}", fields.message),
            None => fields.message,
        };
        chantal_engine::hear(&level, &text);
    }
}

/// The fields of a log line; its message is one of them.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.take(field, value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_line_is_one_event_whatever_it_says() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .event_format(Events)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            tracing::warn!(url = %"http://x/", size = 7_u64, "cannot\n\"read\" {}", "it");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            event,
            json!({"event": "log", "level": "warn", "target": "chantal::log::tests", "text": "cannot\n\"read\" it",
                "fields": {"url": "http://x/", "size": 7}})
        );
    }

    #[test]
    fn a_line_of_the_log_has_its_own_fields_and_those_of_what_it_is_part_of() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .event_format(Lines)
            .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let _span = tracing::error_span!("run", repo.id = %"el9", verb = "sync", size = 1_u64).entered();
            tracing::warn!(size = 7_u64, level = "mine", "two\nlines");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert_eq!(
            line,
            json!({"level": "warn", "target": "chantal::log::tests", "message": "two\nlines", "size": 7,
                "repo.id": "el9", "verb": "sync"})
        );
    }
}
