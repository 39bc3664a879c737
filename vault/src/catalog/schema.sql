-- The catalog of one tenant, version 4. All times are milliseconds UTC; all JSON is ours.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,   -- schema, tenant, keys, labels, space, vectors, anew, epoch, generation, next_chunk, applied, operations
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sources (
  no     INTEGER PRIMARY KEY,             -- from 0, without holes
  id     TEXT NOT NULL UNIQUE,            -- ks_…
  name   TEXT NOT NULL UNIQUE,
  spec   TEXT NOT NULL,                   -- SourceSpec as JSON
  listed INTEGER,                         -- start of the last full listing
  rights_read INTEGER,                    -- when its rights were last read, all of them, and put into force
  born   TEXT,                            -- the name that ids are made with; NULL = its name
  removed INTEGER NOT NULL DEFAULT 0      -- 1 = it is gone, and its number is given to no other
) STRICT;

CREATE TABLE classes (                    -- interned ACLs; never removed, so numbers stay
  no  INTEGER PRIMARY KEY,                -- from 0, without holes
  acl TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE containers (                 -- what rights hang on: a folder, or a file with rights of its own
  no      INTEGER PRIMARY KEY AUTOINCREMENT,
  source  INTEGER NOT NULL REFERENCES sources (no),
  key     TEXT NOT NULL,
  spec    TEXT NOT NULL,                  -- RightsSpec as JSON, as the source states it now
  class   INTEGER NOT NULL REFERENCES classes (no),  -- in force
  wanted  INTEGER NOT NULL REFERENCES classes (no),  -- what the spec comes to; differs while a widening waits
  unknown TEXT NOT NULL,                  -- what could not be resolved, as JSON; [] = nothing
  UNIQUE (source, key)
) STRICT;

CREATE TABLE documents (
  no        INTEGER PRIMARY KEY AUTOINCREMENT,
  source    INTEGER NOT NULL REFERENCES sources (no),
  source_id TEXT NOT NULL,
  key       BLOB NOT NULL,                -- full keyed hash
  container INTEGER NOT NULL REFERENCES containers (no),
  held      INTEGER REFERENCES classes (no),  -- old AND new; NULL = the container's class
  held_for  INTEGER NOT NULL DEFAULT 0,   -- 1 until the waiting version is published, 2 since it failed
  published INTEGER REFERENCES versions (no),
  waiting   INTEGER REFERENCES versions (no),
  UNIQUE (source, source_id)
) STRICT;
CREATE INDEX documents_container ON documents (container);
CREATE INDEX documents_published ON documents (published);
CREATE INDEX documents_waiting ON documents (waiting) WHERE waiting IS NOT NULL;

CREATE TABLE versions (
  no       INTEGER PRIMARY KEY AUTOINCREMENT,
  document INTEGER NOT NULL,              -- no reference: a removed document's versions go a little later
  state    INTEGER NOT NULL,              -- 0 waiting, 1 published, 2 retired (to be removed)
  version  TEXT NOT NULL,                 -- 16 hex digits
  text     TEXT NOT NULL,                 -- name in the text store
  length   INTEGER NOT NULL,              -- scalars
  path     TEXT NOT NULL,
  title    TEXT NOT NULL,
  kind     TEXT NOT NULL,
  modified INTEGER NOT NULL,
  dated    INTEGER NOT NULL DEFAULT 0,    -- 1 = the document says so itself, not its file
  language TEXT,                          -- ISO 639-1, where it could be told
  ingested INTEGER NOT NULL,              -- start of the run
  bytes    INTEGER NOT NULL,
  raw_hash BLOB NOT NULL,
  pipeline INTEGER NOT NULL,              -- that made it; 0 = its text is lost, it is read again
  embedded INTEGER NOT NULL,              -- 1 = every chunk has a vector of the space in meta
  first    INTEGER NOT NULL,              -- its chunks are first .. first + count
  count    INTEGER NOT NULL,
  links    TEXT NOT NULL,
  flags    TEXT NOT NULL,
  removed  TEXT NOT NULL
) STRICT;
CREATE INDEX versions_state ON versions (state) WHERE state <> 1;

CREATE TABLE chunks (
  no       INTEGER PRIMARY KEY,           -- never given out twice
  version  INTEGER NOT NULL REFERENCES versions (no) ON DELETE CASCADE,
  ordinal  INTEGER NOT NULL,
  start    INTEGER NOT NULL,
  stop     INTEGER NOT NULL,
  page     INTEGER,
  headings TEXT NOT NULL,
  body     INTEGER NOT NULL DEFAULT 0     -- where its own headings end, like start; before start = there
) STRICT;
CREATE INDEX chunks_version ON chunks (version);

CREATE TABLE outbox (                     -- what the engines have still to be told, in order
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  kind     INTEGER NOT NULL,              -- 1 put a version, 2 drop a version's chunks, 3 a document is gone
  document INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  vectors  BLOB                           -- f32 little-endian, chunk after chunk; the only copy until applied
) STRICT;

CREATE TABLE failures (
  source    INTEGER NOT NULL REFERENCES sources (no),
  source_id TEXT NOT NULL,
  reason    TEXT NOT NULL,
  detail    TEXT NOT NULL,
  attempts  INTEGER NOT NULL,
  raw_hash  BLOB,                         -- SHA-256 of the bytes that failed; NULL = they could not be read
  pipeline  INTEGER NOT NULL DEFAULT 0,   -- that failed on them
  limits    TEXT NOT NULL DEFAULT '',     -- under which it did
  tried     INTEGER,                      -- the last try
  next      INTEGER,                      -- not tried before; NULL = not before one of the three above changes
  PRIMARY KEY (source, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  no       INTEGER PRIMARY KEY AUTOINCREMENT,
  source   INTEGER NOT NULL REFERENCES sources (no),
  started  INTEGER NOT NULL,              -- its first leg
  ended    INTEGER,                       -- its last leg; NULL while it is under way
  summary  TEXT,                          -- of its last leg, as last noted
  legs     INTEGER NOT NULL DEFAULT 1,
  state    INTEGER NOT NULL DEFAULT 0,    -- 0 running, 1 done, 2 cancelled, 3 paused, 4 interrupted, 5 refused
  done     INTEGER NOT NULL DEFAULT 0,    -- files, of its last leg
  files    INTEGER NOT NULL DEFAULT 0,
  why      TEXT,                          -- what stopped it
  report   TEXT
) STRICT;

CREATE TABLE users (
  id        TEXT PRIMARY KEY,
  handle    TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  clearance TEXT NOT NULL,                -- a place in the list of labels
  label     TEXT,                         -- the name that it stands for; NULL = as the list was when it was last read
  disabled  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
  id     TEXT PRIMARY KEY,
  handle TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE members (                    -- one of the two is set
  group_id     TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  member_user  TEXT REFERENCES users (id) ON DELETE CASCADE,
  member_group TEXT REFERENCES groups (id) ON DELETE CASCADE,
  UNIQUE (group_id, member_user),
  UNIQUE (group_id, member_group),
  CHECK ((member_user IS NULL) <> (member_group IS NULL))
) STRICT;
CREATE INDEX members_user ON members (member_user);
CREATE INDEX members_group ON members (member_group);

CREATE TABLE tokens (
  hash    BLOB PRIMARY KEY,               -- SHA-256; the secret is kept nowhere
  user    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  agent   TEXT,
  label   TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_user ON tokens (user);

CREATE TABLE identities (                 -- who the subjects of trusted issuers are
  issuer  TEXT NOT NULL,                  -- as its tokens say it
  subject TEXT NOT NULL,
  user    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  made    INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_user ON identities (user);
