//! The commented configuration file that `init` writes. A test holds that it names every key of the
//! schema, and that it is valid with and without its comments.

/// The file's text. `data_dir` is written as given; the operator is this machine's user id.
#[must_use]
pub fn render(data_dir: &str, uid: u32, handle: &str) -> String {
    let data_dir = toml::Value::String(data_dir.to_owned());
    let handle = toml::Value::String(handle.to_owned());
    format!(
        r#"# Kenward. Every key can be overridden by an environment variable, KENWARD__SECTION__KEY,
# and those by flags. Unknown keys are errors. Paths are relative to this file.

# Where everything is kept: one folder, readable by its owner alone.
data_dir = {data_dir}

# Name of the organisation whose documents these are; a folder of data belongs to one.
#tenant = "local"

# Sensitivity labels, least sensitive first. People without a clearance have the lowest.
labels = ["public", "internal", "confidential", "restricted"]

# Who the people of this machine are: user id = handle in the directory. They may administer, and may
# ask as somebody else if they give a reason, which is recorded. With
# {{ user = "…", role = "person" }} somebody may only ask as themselves.
[operators]
{uid} = {handle}

[http]
# Where `kenward serve --http` listens. Loopback addresses only.
#addr = "127.0.0.1:8765"

[embedding]
# auto: fastembed if its model can be had, else words alone (BM25), and it says so.
# fastembed: an error if it cannot be had. none: words alone. hashing: for tests, knows no meaning.
#engine = "auto"
# Where models are kept.
#models_dir = "~/.cache/kenward/models"

[ingest]
# The longest text that one document may have.
#max_text_mb = 200
# What documents under way may hold in memory together: their bytes, texts, passages and vectors. What needs
# more alone fails as too large. Not in it: the two processes that read documents (below), the indexes' own
# buffers, and what is published.
#memory = "1GiB"
# Limits of the process that reads one document.
#worker_memory_mb = 2048
#worker_seconds = 60

[log]
# error, warn, info, debug or trace; JSON lines with json = true. Logs carry no content.
#level = "info"
#json = false

# Folders to ingest; `kenward ingest PATH` records others by itself.
#[[source]]
#name = "handbook"
#path = "/srv/handbook"
# Who may read what carries no rights of its own: everyone, user:HANDLE or group:HANDLE.
#default_allow = ["everyone"]
# Label of everything in it, and how far it is trusted: 0 external unreviewed, 1 external known,
# 2 internal open-edit, 3 internal controlled, 4 reviewed.
#label = "internal"
#tier = 2
# The documents' real address; {{path}} is replaced.
#url_template = "https://handbook.example.com/{{path}}"
# How long after a run `kenward serve` begins the next one: 90s, 15m, 2h, 1d. Without it, it begins none.
#every = "15m"
# The same for its rights alone, which is quick: what narrows acts at once.
#rights_every = "1m"
# Whether `kenward serve` watches the folder, and reads what changes.
#watch = true
"#
    )
}
