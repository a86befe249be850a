"""Other people's weights as styles. Importing this package loads nothing heavy; its modules do."""
