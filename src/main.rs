//! erpsync
fn main() {}
