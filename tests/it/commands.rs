//! The command line as people type it: transcripts in `tests/cmd`, and every command of the README.

#[test]
fn transcripts_and_readme() {
    trycmd::TestCases::new().case("tests/cmd/*.toml").case("README.md");
}
