//! Pages to print: one HTML file each, complete in itself, without script and without anything from a
//! network. Every value is escaped.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde::Serialize;

/// The style that every page carries in itself.
const STYLE: &str = include_str!("templates/page.css");
/// The pages.
const PAGES: &[(&str, &str)] = &[
    ("dossier.html", include_str!("templates/dossier.html.j2")),
    ("paper.html", include_str!("templates/paper.html.j2")),
];

/// The page `name` with these values.
pub(super) fn render<T: Serialize>(name: &str, values: &T) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|name| {
        if name == "page.css" {
            AutoEscape::None
        } else {
            AutoEscape::Html
        }
    });
    environment.add_template("page.css", STYLE)?;
    for (name, text) in PAGES {
        environment.add_template(name, text)?;
    }
    let value = minijinja::Value::from(minijinja::value::Serde(values));
    environment.get_template(name)?.render(value)
}
