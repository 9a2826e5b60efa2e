"""The chat page: people ask a running server about their pictures, and say whether an answer is right."""
