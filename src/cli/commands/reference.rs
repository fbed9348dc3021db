//! `haversack completions` and `haversack man`.

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::output::print;

/// Prints the completions of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Class {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "haversack", &mut script);
    print(&String::from_utf8_lossy(&script));
    Class::Ok
}

/// Prints the manual page.
pub(crate) fn man() -> Result<Class, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::new("E990", &error, None))?;
    print(&String::from_utf8_lossy(&page));
    Ok(Class::Ok)
}
