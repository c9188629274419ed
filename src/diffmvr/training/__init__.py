"""LightningModules and callbacks: how every part is trained."""
