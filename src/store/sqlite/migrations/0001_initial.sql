-- Instants are RFC 3339 text in UTC with nine decimals: exact, readable, and
-- sorted like the instants themselves from year 0 on. Places and people are
-- JSON, always written alike, so that equal ones compare equal.

-- Webhooks, waiting (done = 0) or kept for a while afterwards (done = 1).
-- Marking one done changes no row's size, so the row is overwritten in place.
CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    received_at TEXT    NOT NULL,
    size        INTEGER NOT NULL,           -- of the body, bytes
    done        INTEGER NOT NULL DEFAULT 0,
    taken       INTEGER NOT NULL DEFAULT 0,
    body        BLOB                        -- NULL: in inbox_parts
) STRICT;
CREATE INDEX inbox_waiting ON inbox (id) WHERE done = 0;

CREATE TABLE inbox_parts (
    inbox_id INTEGER NOT NULL REFERENCES inbox (id) ON DELETE CASCADE,
    part     INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    UNIQUE (inbox_id, part)
) STRICT;

-- One row: the sum of the sizes of all entries that are done.
CREATE TABLE inbox_journal (
    only  INTEGER PRIMARY KEY CHECK (only = 0),
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO inbox_journal (only, bytes) VALUES (0, 0);

CREATE TABLE incidents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    version     INTEGER NOT NULL,
    rule        TEXT    NOT NULL,
    grp         TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    phase       TEXT    NOT NULL,
    opened_at   TEXT    NOT NULL,
    due_at      TEXT,
    resolved_at TEXT,                       -- NULL: open
    content     TEXT    NOT NULL            -- JSON: everything else
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (rule, grp) WHERE resolved_at IS NULL;
CREATE INDEX incidents_resolved ON incidents (rule, grp, resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX incidents_due ON incidents (due_at) WHERE resolved_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX incidents_phase ON incidents (phase);

-- The part of an alert that decisions need; small, because all of an
-- incident's are read with it.
CREATE TABLE members (
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    fingerprint INTEGER NOT NULL,           -- the bits of an unsigned 64 bit number
    state       INTEGER NOT NULL,           -- 0: recovered, 1: fires but is not listed, 2: fires
    starts_at   TEXT,
    changed_at  TEXT    NOT NULL,
    listing     INTEGER,                    -- the bits of an unsigned 64 bit number; NULL: unknown
    PRIMARY KEY (incident_id, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_burning ON members (fingerprint) WHERE state > 0;
CREATE INDEX members_listed ON members (listing, incident_id) WHERE state = 2;
CREATE INDEX members_unlisted ON members (incident_id) WHERE state = 1;

-- The part of an alert that people read.
CREATE TABLE alerts (
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    fingerprint INTEGER NOT NULL,
    content     TEXT    NOT NULL,           -- JSON
    UNIQUE (incident_id, fingerprint)
) STRICT;

CREATE TABLE timeline (
    id          INTEGER PRIMARY KEY,
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    facts       TEXT    NOT NULL            -- JSON: [[name, value], …]
) STRICT;
CREATE INDEX timeline_of ON timeline (incident_id, at);

CREATE TABLE cards (
    incident_id   INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    place         TEXT    NOT NULL,
    message       TEXT    NOT NULL,
    shown_version INTEGER NOT NULL,
    posted_at     TEXT    NOT NULL,
    PRIMARY KEY (incident_id, place)
) STRICT, WITHOUT ROWID;

-- A job is ready when it is not blocked, not leased and its time has come.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id INTEGER REFERENCES incidents (id) ON DELETE CASCADE, -- NULL: a pin or storm
    kind        TEXT    NOT NULL,
    place       TEXT    NOT NULL,           -- empty: nowhere in Feishu
    details     TEXT,                       -- JSON: what a job needs besides
    priority    INTEGER NOT NULL,
    run_at      TEXT    NOT NULL,
    created_at  TEXT    NOT NULL,
    uuid        TEXT    NOT NULL,
    ordered     INTEGER NOT NULL,           -- 1: takes its turn among its place's
    blocked     INTEGER NOT NULL,           -- 1: not its turn, or its card is not posted
    again       INTEGER NOT NULL DEFAULT 0, -- 1: asked for once more while it was leased
    attempts    INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT,
    sent        TEXT
) STRICT;
CREATE INDEX outbox_ready ON outbox (priority, id, run_at, kind, place, blocked, lease_until)
    WHERE blocked = 0 AND lease_until IS NULL;
CREATE INDEX outbox_next ON outbox (run_at) WHERE blocked = 0 AND lease_until IS NULL;
CREATE INDEX outbox_leased ON outbox (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX outbox_turn ON outbox (incident_id, place, id) WHERE ordered = 1;
CREATE INDEX outbox_buzzes ON outbox (incident_id) WHERE kind = 'buzz';
CREATE INDEX outbox_posts ON outbox (incident_id, place) WHERE kind = 'post';
CREATE UNIQUE INDEX outbox_edit ON outbox (incident_id, place) WHERE kind = 'edit';
CREATE UNIQUE INDEX outbox_pin ON outbox (place) WHERE kind = 'pin';
CREATE UNIQUE INDEX outbox_storm ON outbox (details) WHERE kind = 'storm';
CREATE INDEX outbox_created ON outbox (created_at);

CREATE TABLE pins_wanted (
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    place       TEXT    NOT NULL,
    person      TEXT    NOT NULL,
    PRIMARY KEY (incident_id, place, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_wanted_at ON pins_wanted (place, person);

CREATE TABLE pins_shown (
    place  TEXT    NOT NULL,
    person TEXT    NOT NULL,
    sure   INTEGER NOT NULL,                -- 0: it may be pinned
    PRIMARY KEY (place, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE directory (
    kind         TEXT NOT NULL,
    value        TEXT NOT NULL,
    open_id      TEXT,
    looked_up_at TEXT NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;

-- Messages about incidents besides their cards: lines that were urged.
CREATE TABLE lines (
    message     TEXT    NOT NULL PRIMARY KEY,
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX lines_of ON lines (incident_id);

-- When incidents came new to a chat, as far back as that matters.
CREATE TABLE arrivals (
    id    INTEGER PRIMARY KEY,
    place TEXT NOT NULL,
    at    TEXT NOT NULL
) STRICT;
CREATE INDEX arrivals_at ON arrivals (place, at);

-- Incidents that share one card in one chat.
CREATE TABLE storms (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    place     TEXT NOT NULL,
    began_at  TEXT NOT NULL,
    last_at   TEXT NOT NULL,                -- when its latest incident came
    message   TEXT,                         -- NULL: no card yet
    posted_at TEXT
) STRICT;
CREATE INDEX storms_at ON storms (place, id);

CREATE TABLE storm_members (
    storm_id    INTEGER NOT NULL REFERENCES storms (id) ON DELETE CASCADE,
    nth         INTEGER NOT NULL,           -- from 1, as they came
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (storm_id, nth)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX storm_members_of ON storm_members (incident_id, storm_id);

-- Buzzes of late, so that those of one person can be shared.
CREATE TABLE rings (
    person      TEXT    NOT NULL,           -- name
    job_id      INTEGER NOT NULL,
    incident_id INTEGER NOT NULL,
    urgent      INTEGER NOT NULL,           -- 1: app, 2: SMS, 3: phone
    at          TEXT    NOT NULL,
    accepted    INTEGER NOT NULL,           -- 0: not known yet
    PRIMARY KEY (person, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rings_of ON rings (job_id);

-- Signs of life that rules wait for.
CREATE TABLE heartbeats (
    rule      TEXT NOT NULL,
    grp       TEXT NOT NULL,
    labels    TEXT NOT NULL,                -- JSON: [[name, value], …]
    last_seen TEXT,                         -- NULL: never
    due_at    TEXT,                         -- NULL: lost
    PRIMARY KEY (rule, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX heartbeats_due ON heartbeats (due_at) WHERE due_at IS NOT NULL;

-- People buzzed by phone or SMS, each row one of them once.
CREATE TABLE spent (
    id          INTEGER PRIMARY KEY,
    at          TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    person      TEXT    NOT NULL,           -- the rules' name
    incident_id INTEGER NOT NULL,
    job         INTEGER                     -- which may give it back yet; NULL: none
) STRICT;
CREATE INDEX spent_at ON spent (channel, at, person);
CREATE INDEX spent_for ON spent (incident_id);
CREATE INDEX spent_by ON spent (job) WHERE job IS NOT NULL;

-- Events of Feishu's that were dealt with.
CREATE TABLE heard (
    event TEXT NOT NULL PRIMARY KEY,
    at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX heard_at ON heard (at);
CREATE INDEX cards_message ON cards (message);
