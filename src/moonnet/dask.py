"""Searches on a cluster of Dask's that outlive its workers; it takes the extra ``dask``.

Searches and cross-validations run on a cluster under ``joblib.parallel_config(backend="dask")`` as they are. What many
fits share, samples and their indices, is scattered there to the workers, and Dask cannot bring back what was scattered
to one that dies: the search may fail. With ``client=resilient(client)`` it goes on.

Importing this module raises an ImportError if Dask's ``distributed`` is not installed.
"""

from typing import Any

try:
    import dask
    from distributed import Client
except ImportError as error:
    raise ImportError("moonnet.dask needs Dask: pip install 'moonnet[dask]'") from error


def resilient(client: Client) -> Any:
    """Return a client for joblib's Dask backend, with which a search survives the death of workers.

    What many fits share becomes a task that returns it, instead of data scattered to a worker, and a task that was lost
    with its worker runs again on another one. It passes through the scheduler, which keeps a copy until the search
    ends: the samples have to fit in its memory.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.

    Returns
    -------
    client : object
        What joblib needs of a client, for ``joblib.parallel_config(backend="dask", client=...)``.

    Raises
    ------
    TypeError
        If ``client`` is no Dask client.

    Notes
    -----
    A fit that kills every worker it comes to is given up by Dask with the fourth, for its setting
    ``distributed.scheduler.allowed-failures`` is 3, and joblib 1.6 then waits for it for ever.

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
    """A Dask client with data that can be lost and found again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # as copy.copy asks, of an instance that has no client yet
            raise AttributeError(name)
        return getattr(self._client, name)

    def scatter(self, data: Any, asynchronous: bool = False, **_: Any) -> Any:
        """Return what joblib awaits, the future of what many fits share; or futures of all that the user lists."""
        return self._shared_later(data) if asynchronous else list(map(self._shared, data))

    async def _shared_later(self, data: Any) -> Any:
        return self._shared(data)

    def _shared(self, data: Any) -> Any:
        # Dask would warn of much data in a task, and advise to scatter it
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1PB"}):
            return self._client.submit(_itself, data, pure=False)


def _itself(data: Any) -> Any:
    """Return the data: the task that stands for it."""
    return data
