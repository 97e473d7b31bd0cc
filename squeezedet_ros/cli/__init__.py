"""The ``squeezedet`` command: arguments in, one call, results out."""
