"""Contrastive pretraining of the small vision tower (CLIP: Radford et al. 2021, reference [17])."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.training.autoencoder import cosine_with_warmup


class ContrastiveModule(L.LightningModule):
    """Trains a vision tower against a text tower on captioned frames.

    Only the vision tower is kept; the text tower exists to train it.

    Args:
        image_encoder: the vision tower.
        optimizer: builds the optimizer from the trainable parameters.
        max_steps: steps of the cosine learning-rate schedule.
        warmup_steps: linear warm-up.
        context_length: caption tokens.
        text_width: width of the text tower.
        text_layers: blocks of the text tower.
    """

    def __init__(
        self,
        image_encoder: GuideEncoder,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        max_steps: int,
        warmup_steps: int = 100,
        context_length: int = 64,
        text_width: int = 96,
        text_layers: int = 2,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder.train().requires_grad_(True)
        self._tokenizer = open_clip.SimpleTokenizer(context_length=context_length)
        self.text_encoder = TextTransformer(
            context_length=context_length,
            vocab_size=self._tokenizer.vocab_size,
            width=text_width,
            heads=4,
            layers=text_layers,
            output_dim=image_encoder.config.embed_dim,
        )
        self.logit_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
        self._loss = ClipLoss()
        self._optimizer = optimizer
        self._max_steps = max_steps
        self._warmup_steps = warmup_steps

    def training_step(self, batch: tuple[Tensor, list[str]], batch_idx: int) -> Tensor:
        """Return the symmetric cross-entropy over the batch's image–caption pairs."""
        images, captions = batch
        image_features = F.normalize(self.image_encoder(images, "pooled")[:, 0], dim=-1)
        tokens = self._tokenizer(captions).to(images.device)
        text_features = F.normalize(self.text_encoder(tokens), dim=-1)
        # Clamped at 100 as in CLIP, so that the loss cannot sharpen without bound.
        scale = self.logit_scale.clamp(max=np.log(100)).exp()
        loss: Tensor = self._loss(image_features, text_features, scale)
        best = (image_features @ text_features.T).argmax(dim=-1)
        accuracy = (best == torch.arange(len(best), device=best.device)).float().mean()
        self.log("train/top1_in_batch", accuracy, prog_bar=True)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimizer with warm-up and cosine decay."""
        optimizer = self._optimizer(self.parameters())
        schedule = cosine_with_warmup(optimizer, self._warmup_steps, self._max_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
