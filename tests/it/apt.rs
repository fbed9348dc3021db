//! The apt source against the real apt.

mod openpgp;
mod own;
mod real;
