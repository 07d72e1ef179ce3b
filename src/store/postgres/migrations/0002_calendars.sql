-- The last good copies of calendars of others, by a digest of where they are.
CREATE TABLE calendars (
    address TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    read_at TEXT NOT NULL
);
