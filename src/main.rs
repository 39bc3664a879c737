//! The program `kenward`: parse, configuration, verb, exit code.

fn main() -> std::process::ExitCode {
    kenward::cli::main()
}
