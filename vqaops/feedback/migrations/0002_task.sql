-- What was asked: a question, captions to compare, or nothing. Rows from before count as questions.
ALTER TABLE answers ADD COLUMN task TEXT NOT NULL DEFAULT 'visual_question_answering';
