"""The command ``moonnet``: its options, what each of its modes does and what it prints."""
