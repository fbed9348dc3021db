//! Haversack
fn main() {}
