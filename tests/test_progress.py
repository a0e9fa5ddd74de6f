import re

import pytest

from moonnet import KerasMoonClassifier


def test_silence(moons, capfd):
    KerasMoonClassifier(epochs=2, verbose=0).fit(*moons)
    assert capfd.readouterr() == ("", "")


def test_a_line_an_epoch(moons, capfd):
    clf = KerasMoonClassifier(epochs=3, verbose=2, random_state=0).fit(*moons)
    lines = capfd.readouterr().out.splitlines()
    figures = zip(clf.history_["loss"], clf.history_["accuracy"], strict=True)
    assert lines == [
        f"Epoch {epoch}/3 - loss: {loss:.4f} - accuracy: {accuracy:.4f}"
        for epoch, (loss, accuracy) in enumerate(figures, start=1)
    ]


def test_one_bar_for_the_fit(moons, capfd):
    clf = KerasMoonClassifier(epochs=7, verbose=1, random_state=0).fit(*moons)
    out, err = capfd.readouterr()
    assert err == ""
    last = re.split(r"[\r\n]+", out.strip())[-1]
    assert "7/7" in last
    assert f"loss: {clf.history_['loss'][-1]:.4f}" in last


@pytest.mark.parametrize("verbose", [1, 2])
def test_watching_changes_nothing(moons, fitted, verbose):
    clf = KerasMoonClassifier(verbose=verbose, random_state=0).fit(*moons)
    assert clf.history_ == fitted.history_
    assert all((a == b).all() for a, b in zip(clf.coefs_, fitted.coefs_, strict=True))
