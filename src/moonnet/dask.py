"""Searches on a cluster of Dask's that outlive its workers; it takes the extra ``dask``.

Searches and cross-validations run on a cluster under ``joblib.parallel_config(backend="dask")`` as they are. What many
fits share, samples and their indices, is scattered there to the workers, and Dask cannot bring back what was scattered
to one that dies: the search may fail. With ``client=resilient(client)`` it goes on.

Importing this module raises an ImportError if Dask's ``distributed`` is not installed.
"""

from typing import Any

try:
    from distributed import Client
except ImportError as error:
    raise ImportError("moonnet.dask needs Dask: pip install 'moonnet[dask]'") from error


def resilient(client: Client) -> Any:
    """Return a client for joblib's Dask backend, with which a search survives the death of workers.

    What many fits share becomes a task that returns it, instead of data scattered to a worker, and a task that was lost
    with its worker runs again on another one. It passes through the scheduler, which keeps a copy until the search
    ends: Dask warns of more than 10 MB.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.

    Returns
    -------
    client : object
        The same client in all else. It belongs into ``joblib.parallel_config(backend="dask", client=...)``.

    Raises
    ------
    TypeError
        If ``client`` is no Dask client.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from joblib import parallel_config
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.model_selection import cross_val_score
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.dask import resilient
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = KerasMoonClassifier(random_state=0)
    >>> with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
    ...     with parallel_config(backend="dask", client=resilient(client)):
    ...         scores = cross_val_score(clf, X, y)
    >>> bool((scores == cross_val_score(clf, X, y)).all())
    True
    """
    if not isinstance(client, Client):
        raise TypeError(f"client must be a distributed.Client. Got {client!r} instead.")
    return _Resilient(client)


class _Resilient:
    """A Dask client whose data can be lost and found again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def scatter(self, data: Any, **_: Any) -> Any:
        """Return a future of data that one call of joblib's shares, as joblib awaits it."""
        return self._client.submit(_shared, data, pure=False)


def _shared(data: Any) -> Any:
    """Return the data: the task that stands for it."""
    return data
