-- Rows as they are written at schema version 3, for the test of all migrations after it.
INSERT INTO inbox (id, source, kind, received_at, size, done, taken, body) VALUES
    (1, 'prod', 'alertmanager', '2027-01-15T08:00:00.000000000Z', 4, 1, 0, x'646f6e65'),
    (2, 'prod', 'grafana', '2027-01-15T08:00:01.123456789Z', 5, 0, 3, x'7761697473'),
    (3, 'legacy', 'grafana-legacy', '2027-01-15T08:00:02.000000000Z', 6, 0, 0, NULL);
INSERT INTO inbox_parts (inbox_id, part, bytes) VALUES (3, 0, x'706172'), (3, 1, x'747321');
UPDATE inbox_journal SET bytes = 4;

INSERT INTO incidents (id, version, rule, grp, source, phase, opened_at, due_at, resolved_at, severity_rank, content) VALUES
    (1, 9, 'database', 'aa00', 'prod', 'resolved', '2027-01-14T08:00:00.000000000Z', NULL,
     '2027-01-14T09:00:00.000000000Z', 1,
     '{"title":"Over","summary":"","labels":[],"external_url":"","places":[],"template":"alert","pin":false,"severity":{"rank":1,"name":"warning","urgent":"app","pin":false},"ladder":"idle","last_step":null,"policy":{"steps":[],"repeat":0},"generation":4,"reopens":0}'),
    (2, 3, 'database', 'aa00', 'prod', 'triggered', '2027-01-15T08:00:00.000000000Z',
     '2027-01-15T08:03:00.000000001Z', NULL, 0,
     '{"title":"DiskFull","summary":"\"sda\" 满了","labels":[["env","prod"],["team","db"]],"external_url":"http://am:9093","places":[{"chat":"oc_1"},{"direct":["lin","email","lin@example.com"]}],"template":"alert","pin":true,"severity":{"rank":0,"name":"critical","urgent":"phone","pin":true},"ladder":{"waiting":{"step":1,"round":0}},"last_step":[0,0],"policy":{"steps":[{"wait":[0,0],"notify":[{"person":"lin"}],"urgent":null},{"wait":[180,0],"notify":[{"chat":"sre"}],"urgent":"sms"}],"repeat":2},"generation":2,"reopens":1}');
INSERT INTO members (incident_id, fingerprint, state, starts_at, changed_at, listing) VALUES
    (2, -1, 2, '0001-01-01T00:00:00.000000000Z', '2027-01-15T08:00:00.000000000Z', -2),
    (2, 7, 0, NULL, '2027-01-15T08:01:00.000000000Z', NULL);
INSERT INTO alerts (incident_id, fingerprint, content) VALUES
    (2, -1, '{"firing":true,"labels":[["alertname","DiskFull"]],"annotations":[["summary","full"]],"starts_at":"0001-01-01T00:00:00Z","ends_at":null,"generator_url":"http://prometheus","silence_url":"","dashboard_url":"","panel_url":"","values":""}'),
    (2, 7, '{"firing":false,"labels":[],"annotations":[],"starts_at":null,"ends_at":"2027-01-15T08:01:00Z","generator_url":"","silence_url":"","dashboard_url":"","panel_url":"","values":"B=1"}');
INSERT INTO timeline (incident_id, at, kind, facts) VALUES
    (2, '2027-01-15T08:00:00.000000000Z', 'opened', '[["severity","critical"],["firing",1]]'),
    (2, '2027-01-15T08:00:01.000000000Z', 'stepped', '[["step",0],["round",0],["urgent","phone"],["people",["lin"]]]');
INSERT INTO cards (incident_id, place, message, shown_version, posted_at) VALUES
    (2, '{"chat":"oc_1"}', 'om_1', 2, '2027-01-15T08:00:02.000000000Z');
INSERT INTO outbox
    (incident_id, kind, place, details, priority, run_at, created_at, uuid, ordered, blocked, again, attempts, interrupted, lease_until, sent, fence, holder, batch)
VALUES
    (2, 'buzz', '{"chat":"oc_1"}',
     '{"people":[["lin","email","lin@example.com"]],"urgent":"phone","step":1,"round":0}', 0,
     '2027-01-15T08:00:00.000000000Z', '2027-01-15T08:00:00.000000000Z', '6f1c7a52-5d3b-4c7e-9d0a-2b8f4e6a1c3d', 1, 0, 0, 1, 0,
     '2027-01-15T08:00:30.000000000Z', 'om_2', 1, 0, '9e8d7c6b-5a4f-4e3d-8c2b-1a0f9e8d7c6b'),
    (2, 'post', '{"chat":"oc_1"}', NULL, 2,
     '2027-01-15T08:00:00.000000000Z', '2027-01-15T08:00:00.000000000Z', '0b9e3c14-8a6d-4f2b-a1c5-7d4e9f0b2a6c', 1, 1, 0, 0, 0, NULL, NULL, 0, 0, NULL),
    (2, 'edit', '{"chat":"oc_1"}', NULL, 4,
     '2027-01-15T08:00:00.000000000Z', '2027-01-15T08:00:00.000000000Z', '3d2c1b0a-9f8e-4d7c-b6a5-f4e3d2c1b0a9', 0, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL),
    (NULL, 'pin', '{"chat":"oc_1"}', NULL, 5,
     '2027-01-15T08:00:00.000000000Z', '2027-01-15T08:00:00.000000000Z', '5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d', 0, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL);
INSERT INTO pins_wanted (incident_id, place, person) VALUES
    (2, '{"chat":"oc_1"}', '["lin","email","lin@example.com"]');
INSERT INTO pins_shown (place, person, sure) VALUES
    ('{"chat":"oc_1"}', '["mara","open_id","ou_1"]', 1);
INSERT INTO directory (kind, value, open_id, looked_up_at) VALUES
    ('email', 'lin@example.com', 'ou_2', '2027-01-10T00:00:00.000000000Z'),
    ('mobile', '13800000000', NULL, '2027-01-10T00:00:00.000000000Z');
INSERT INTO spent (at, channel, person, incident_id, job) VALUES
    ('2027-01-15T08:00:00.000000000Z', 'phone', 'lin', 2, 1),
    ('2027-01-14T08:00:00.000000000Z', 'sms', 'mara', 1, NULL);
INSERT INTO calendars (address, body, read_at) VALUES
    ('c0ffee', 'BEGIN:VCALENDAR', '2027-01-15T08:00:00.000000000Z');
