"""What people said of answers: kept in SQLite, counted, and exported as questions to train and evaluate with."""
