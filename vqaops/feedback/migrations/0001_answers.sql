-- One row for each answer that the chat page showed; the verdict comes later, or never.
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,                 -- UTC, ISO 8601
    browser TEXT NOT NULL,              -- a random name that the browser keeps
    picture TEXT NOT NULL,              -- SHA-256 of the file, as in the server's prediction log
    suffix TEXT,                        -- of the kept file; null if the picture was not kept
    question TEXT NOT NULL,             -- or the candidate labels as they were typed
    answers TEXT NOT NULL,              -- JSON: [[text, score], ...], best first
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    abstained INTEGER NOT NULL,
    thumbs_up INTEGER,                  -- null without a verdict
    correction TEXT
);
CREATE INDEX answers_by_browser ON answers (browser, id);
