"""What exported models are run in: one engine a file, each asked by the parity gate."""
