//! Templates to text: undefined values are errors, nothing is escaped.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

/// Why a template did not become a file: a mistake of this program.
#[derive(Debug, thiserror::Error)]
#[error("cannot render {template}")]
pub struct RenderError {
    template: &'static str,
    #[source]
    source: Error,
}

impl RenderError {
    /// `E990`: a mistake of this program.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E990"
    }

    /// The next step.
    #[must_use]
    pub const fn hint(&self) -> Option<String> {
        None
    }
}

/// The file that `text`, called `template`, becomes with these values.
pub(super) fn render(
    template: &'static str,
    text: &str,
    values: &Value,
) -> Result<String, RenderError> {
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    let rendered = syntax.and_then(|syntax| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_syntax(syntax);
        environment.render_str(text, values)
    });
    rendered.map_err(|source| RenderError { template, source })
}
