"""Moving over: models in the forms that people hold them in, made into recipes."""
