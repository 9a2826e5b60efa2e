"""Recipes and the chat page, published as repositories on the Hugging Face Hub."""
