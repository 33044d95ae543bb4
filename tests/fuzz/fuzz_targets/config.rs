#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| erpsync::fuzzing::config(data));
