"""What tests share: fixtures, tiny models, pictures, servers."""
