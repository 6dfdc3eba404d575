//! The programs come out of the executable that this very cargo run has built.

use std::time::Duration;

use tests::process::{Host, Program};

#[test]
fn every_program_answers_under_its_name() {
    let host = Host::at(env!("CARGO_BIN_EXE_programs"));
    for program in [Program::City, Program::District, Program::Agent] {
        let done = host
            .run(program, program.word(), ["--help"], Duration::from_secs(60))
            .expect("it ends");
        assert!(done.status.success(), "{done:?}");
        assert!(
            done.stdout
                .iter()
                .any(|line| line.contains(program.file_name())),
            "{done:?}"
        );
        let done = host
            .run(
                program,
                program.word(),
                ["--no-such-option"],
                Duration::from_secs(60),
            )
            .expect("it ends");
        assert_eq!(done.status.code(), Some(2), "{done:?}");
    }
}
