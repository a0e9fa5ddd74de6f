"""The default mode: the lecture's example, a classification of half-moons."""

import argparse

import numpy as np
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.command._dataset import Dataset
from moonnet.command._train_and_report import make_output_folder, network_options, save_pictures, train_and_report


def run_lecture(options: argparse.Namespace) -> None:
    """Train on half-moons, and evaluate on as many held-out samples."""
    n_samples = 200 if options.samples is None else options.samples
    noise = 0.2 if options.noise is None else options.noise
    X_train, y_train = make_moons(n_samples, noise=noise, random_state=options.seed)
    X_test, y_test = make_moons(n_samples, noise=noise, random_state=options.seed + 1)
    dataset = Dataset(X_train, y_train, X_test, y_test, ["x", "y"], np.array([[-2.0, 2.0]]))
    folder = make_output_folder(options)
    network = KerasMoonClassifier(**network_options(options), random_state=options.seed)
    train_and_report(dataset, network)
    save_pictures(dataset, network, folder)
