"""What any job needs, whatever it trains: ledger, hashes, facts, checkpoints as files."""
