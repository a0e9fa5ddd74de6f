"""The validation set: held-out samples, and the observer that scores the network on them after each epoch."""

import math
from contextlib import nullcontext

import numpy as np
from sklearn.model_selection import train_test_split

from moonnet.networks import State
from moonnet.training._compiled_prediction import raw_predictions_of_each
from moonnet.training._loop import Observer, Training
from moonnet.training._records import Samples


def hold_out(n_samples: int, fraction: float, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training samples and of the held-out samples.

    With ``labels``, the split is stratified. At least one sample of each class remains in the training set.
    """
    candidates, strata, n_least = np.arange(n_samples), None, 1
    if labels is not None:
        classes, counts = np.unique(labels, return_counts=True)
        candidates = candidates[np.isin(labels, classes[counts > 1])]
        strata, n_least = labels[candidates], int((counts > 1).sum())
    n_held_out = max(math.ceil(fraction * n_samples), n_least)
    if not 0 < n_least <= len(candidates) - n_held_out:
        raise ValueError(
            "The 'validation_fraction' parameter must leave samples to train on and samples to hold out"
            + (", at least as many of each as there are classes" if labels is not None else "")
            + f". Got {fraction!r} with {n_samples} samples instead."
        )
    _, held_out = train_test_split(candidates, test_size=n_held_out, random_state=seed, stratify=strata)
    train = np.setdiff1d(np.arange(n_samples), held_out)
    if labels is not None:  # move back a sample of each rare class whose samples were all held out
        held_out_classes, first = np.unique(labels[held_out], return_index=True)
        moved_back = held_out[first[~np.isin(held_out_classes, labels[train])]]
        train, held_out = np.union1d(train, moved_back), np.setdiff1d(held_out, moved_back)
    return train, held_out


class ValidationObserver(Observer):
    """Computes the loss and the metrics of the validation set after each epoch."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._total_weight = samples.weight.sum()
        self._block_epochs = range(0)  # of the last block, with their states and metrics

    def train_begin(self, training: Training) -> None:
        """Store the training."""
        self._training = training

    def epochs_per_block(self) -> float:
        """Return infinity: validation neither changes nor stops the training."""
        return math.inf

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Add the validation metrics of the epoch to the logs and to the history."""
        if epoch not in self._block_epochs:
            self._block_epochs, self._block_states = self._training.block_states()
            self._block_metrics = self._evaluate(self._block_states)
        metrics = self._epoch_metrics(epoch)
        logs.update(metrics)
        self._training.record(epoch, metrics)

    def _epoch_metrics(self, epoch: int) -> dict[str, float]:
        """Return the validation metrics of an epoch of the last block."""
        return self._block_metrics[epoch - self._block_epochs.start]

    def _epoch_state(self, epoch: int) -> State:
        """Return a copy of the state at the end of an epoch of the last block."""
        return self._block_states.copy_of(epoch - self._block_epochs.start)

    def _evaluate(self, stacked: State) -> list[dict[str, float]]:
        """Return the loss, including the L2 penalty, and the metrics of each of the stacked networks.

        They are means weighted by sample weight.
        """
        network, l2 = self._training.program.spec.network, self._training.parameters.l2
        with np.errstate(over="ignore", invalid="ignore"):  # the training raises an error if the network diverges
            groups = raw_predictions_of_each(network, self._samples.X, stacked)
            scores = [metrics for outputs in groups for metrics in self._means(outputs)]
            if l2:
                penalized = network.penalized(stacked.trainable)
                for index, metrics in enumerate(scores):
                    metrics["val_loss"] += l2 * sum(float(np.square(array[index]).sum()) for array in penalized)
        if network.has_penalty:
            with self._training.program.spec.scope():  # Keras computes some of them
                for index, metrics in enumerate(scores):
                    metrics["val_loss"] += network.penalty(stacked.view_of(index))
        for metrics in scores:
            metrics["val_loss"] *= self._training.settings.loss_scale
        return scores

    def _means(self, outputs: np.ndarray) -> list[dict[str, float]]:
        """Return the loss and the metrics of each network's outputs, shape (n_networks, n_samples, n_outputs)."""
        spec, y = self._training.program.spec, self._samples.y
        loss = spec.loss
        with spec.scope() if loss.needs_keras else nullcontext():
            losses = loss.sample_losses(y, outputs, self._training.parameters.loss_parameter)
        values = {"loss": losses, **loss.sample_metrics(y, outputs)}
        # One product for each network: a product with a matrix would round differently
        return [
            {f"val_{name}": self._weighted_mean(rows[index]) for name, rows in values.items()}
            for index in range(len(outputs))
        ]

    def _weighted_mean(self, values: np.ndarray) -> float:
        return float(values @ self._samples.weight / self._total_weight)
