"""torch modules: generators and perceptual features. Importing this package loads no torch; its modules do."""
