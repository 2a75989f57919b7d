"""The sandbox: where programs that a model or a client wrote may run, or not at all."""
