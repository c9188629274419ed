"""Mod_2 and Mod_3 of the paper: autoencoder, guide encoders, projectors, fused-attention U-Net."""
