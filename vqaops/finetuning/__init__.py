"""Fine-tuning: a served model learns from new questions, and keeps what it knows."""
