//! A worker process on its own, for tests of this package: `kenward` is its own worker.
//! It must do nothing that the hidden verb of `kenward` does not do.

fn main() -> std::io::Result<()> {
    kenward_ingest::worker::main()
}
